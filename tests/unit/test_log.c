/* SPDX-License-Identifier: Apache-2.0 */
/* Our own log: both formats, what cannot be forged, the limit per site, priorities for the journal. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/os.h"
#include "tests/unit/test.h"

static int64_t now_s = 1700000000;

static int still(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = (struct timespec){ .tv_sec = now_s };
	return 0;
}

#define STAMP "2023-11-14T22:13:20.000Z"

static char said[65536];

/* What fn writes to stderr. journal: stderr is what JOURNAL_STREAM names. */
static const char *hear(void (*fn)(void), enum log_level level, enum log_format format,
			bool is_journal)
{
	char path[] = "/tmp/test_log.XXXXXX", stream[48];
	int fd = mkstemp(path), old = dup(2);
	struct stat st;
	ssize_t n;

	OK(fd >= 0 && old >= 0 && dup2(fd, 2) == 2);
	unlink(path);
	fstat(fd, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !is_journal);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup(level, format);
	fn();
	dup2(old, 2);
	close(old);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(fd);
	unsetenv("JOURNAL_STREAM");
	log_setup(LOG_LVL_INFO, LOG_LOGFMT);
	return said;
}

static void two_lines(void)
{
	struct str forged = STR("x\"\nlevel=error\x1b[31m");

	log_debug("nothing of interest");
	log_info("plain", KV_S("path", "/a"), KV_I("n", -3), KV_D("share", 0.5), KV_S("none", ""));
	log_warn("with a space", KV("evil", forged));
}

static void formats(void)
{
	EQ_STR(str_c(hear(two_lines, LOG_LVL_INFO, LOG_LOGFMT, false)),
	       "ts=" STAMP " level=info msg=plain path=/a n=-3 share=0.500\n"
	       "ts=" STAMP
	       " level=warn msg=\"with a space\" evil=\"x\\\"\\nlevel=error\\u001b[31m\"\n");
	EQ_STR(str_c(hear(two_lines, LOG_LVL_WARN, LOG_JSON, false)),
	       "{\"ts\":\"" STAMP "\",\"level\":\"warn\",\"msg\":\"with a space\","
	       "\"evil\":\"x\\\"\\nlevel=error\\u001b[31m\"}\n");
}

static void every_level(void)
{
	log_debug("a");
	log_info("b");
	log_warn("c");
	log_error("d");
}

static void journal(void)
{
	EQ_STR(str_c(hear(every_level, LOG_LVL_DEBUG, LOG_LOGFMT, true)),
	       "<7>ts=" STAMP " level=debug msg=a\n<6>ts=" STAMP " level=info msg=b\n"
	       "<4>ts=" STAMP " level=warn msg=c\n<3>ts=" STAMP " level=error msg=d\n");
	EQ_STR(str_c(hear(every_level, LOG_LVL_ERROR, LOG_JSON, true)),
	       "<3>{\"ts\":\"" STAMP "\",\"level\":\"error\",\"msg\":\"d\"}\n");
}

static void storm(void)
{
	for (int i = 0; i < 27; i++) {
		log_warn("again", KV_I("i", i));
		if (i == 20)
			now_s += 10;
	}
	log_warn("another site");
}

/* Ten of the first 21, the six of the next window, of which the first tells of the other eleven. */
static void limit(void)
{
	const char *text = hear(storm, LOG_LVL_INFO, LOG_LOGFMT, false);
	int lines = 0;

	for (const char *p = text; (p = strstr(p, "msg=again")); p++)
		lines++;
	EQ_INT(lines, 16);
	OK(strstr(text, " i=9\n") && !strstr(text, " i=10\n"));
	OK(strstr(text, " i=21 suppressed=11\n"));
	OK(strstr(text, " i=22\n"));
	OK(strstr(text, "msg=\"another site\"\n"));
}

static void long_value(void)
{
	static char big[5000];

	memset(big, 'x', sizeof(big) - 1);
	log_info("long", KV_S("a", big), KV_S("b", big), KV_S("c", big), KV_S("d", big),
		 KV_I("last", 1));
}

/* What has no room is left out as a whole, and the line ends. */
static void too_long(void)
{
	struct str text = str_c(hear(long_value, LOG_LVL_INFO, LOG_JSON, true));

	OK(text.n <= 4096);
	OK(str_ends(text, STR(",\"last\":1}\n")));
	OK(str_find(text, STR("\"d\":")) == text.n);
}

int main(void)
{
	struct os_ops frozen = os_kernel;

	frozen.clock_gettime = still;
	os = &frozen;
	RUN(formats);
	RUN(journal);
	RUN(limit);
	RUN(too_long);
	return test_end();
}
