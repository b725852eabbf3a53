/* SPDX-License-Identifier: Apache-2.0 */
/* Runs golden/syslog/<name>.in, one message per line with C escapes, and compares what the parser
 * makes of each with <name>.out. `UPDATE_GOLDEN=1 test_syslog_golden` writes the .out files: read
 * the difference before you commit it. */
#include <dirent.h>
#include <time.h>

#include "inputs/syslog/message.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "tests/unit/syslog_told.h"
#include "tests/unit/test.h"

#define NOW_NS (INT64_C(1768435200) * 1000000000) /* 2026-01-15 00:00:00 UTC */

static bool read_file(const char *path, struct buf *ret)
{
	FILE *f = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	if (!f)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_put(ret, chunk, n);
	fclose(f);
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \n \r \t \0 \\ \xHH; any other backslash stands for itself. */
static void unescape(struct str s, struct buf *ret)
{
	static const char from[] = "nrt0\\", to[] = "\n\r\t\0\\";

	for (size_t i = 0; i < s.n; i++) {
		const char *c = s.p[i] == '\\' && i + 1 < s.n ? memchr(from, s.p[i + 1], 5) : NULL;

		if (c) {
			buf_ch(ret, to[c - from]);
			i++;
		} else if (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] == 'x') {
			buf_ch(ret, (char)(hex(s.p[i + 2]) * 16 + hex(s.p[i + 3])));
			i += 3;
		} else {
			buf_ch(ret, s.p[i]);
		}
	}
}

static void escaped(struct buf *out, const char *name, struct str s)
{
	if (!s.n)
		return;
	buf_printf(out, "\t%s ", name);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c >= 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_ch(out, s.p[i]);
	}
	buf_ch(out, '\n');
}

static void show_time(struct buf *out, int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (ns == STAMP_NONE_NS)
		return;
	gmtime_r(&seconds, &tm);
	buf_printf(out, " %04d-%02d-%02dT%02d:%02d:%02d.%09dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns % 1000000000));
}

static void show_sd(struct buf *out, struct str sd)
{
	char *mem = malloc(sd.n ? sd.n : 1), *room = mem;
	size_t left = sd.n;
	struct syslog_sd_param param;
	struct syslog_sd it;

	syslog_sd_init(&it, sd);
	while (syslog_sd_next(&it, &room, &left, &param)) {
		buf_printf(out, "\tparam %.*s.%.*s", STR_ARG(param.id), STR_ARG(param.name));
		escaped(out, "", param.value);
		if (!param.value.n)
			buf_ch(out, '\n');
	}
	if (it.is_cut)
		buf_c(out, "\tmore params\n");
	free(mem);
}

static void show(struct buf *out, struct syslog_parser *parser, struct str input)
{
	struct syslog_msg m;

	const char *problem;

	syslog_parse(parser, input, NOW_NS, &m);
	problem = syslog_told(&m);
	if (problem)
		FAIL("%s: " STR_FMT, problem, STR_ARG(input));
	buf_c(out, "\t");
	buf_str(out, syslog_format_name(m.format));
	buf_c(out, " ");
	buf_str(out, syslog_facility_name(m.facility));
	buf_c(out, ".");
	buf_str(out, syslog_severity_name(m.severity));
	show_time(out, m.time_ns);
	for (unsigned bit = 0; bit < SYSLOG_FLAGS; bit++)
		if (m.flags & (1u << bit)) {
			buf_c(out, " ");
			buf_str(out, syslog_flag_name(1u << bit));
		}
	buf_ch(out, '\n');
	if (m.flags & SYSLOG_ODD_HEADER)
		escaped(out, "header", syslog_header_text(&m));
	if (m.flags & SYSLOG_BAD_TIME)
		escaped(out, "time_text", m.time_text);
	escaped(out, "seq", m.seq);
	escaped(out, "hostname", m.hostname);
	escaped(out, "appname", m.appname);
	escaped(out, "procid", m.procid);
	escaped(out, "msgid", m.msgid);
	show_sd(out, m.sd);
	escaped(out, "msg", m.msg);
}

static void run_file(const char *name)
{
	struct buf in = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
	struct syslog_parser parser;
	struct str rest, line;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/syslog/%s", GOLDEN_DIR, name);
	OK(read_file(path, &in));
	syslog_parser_init(&parser, 0);
	rest = buf_as_str(&in);
	while (rest.n) {
		struct buf message = BUF_INIT;
		char *exact;

		line = str_cut(&rest, '\n');
		if (!line.n || str_starts(line, STR("# ")))
			continue;
		unescape(line, &message);
		/* Memory of the exact size: ASan sees what reads past it. */
		exact = malloc(message.n ? message.n : 1);
		if (message.n)
			memcpy(exact, message.p, message.n);
		buf_str(&out, line);
		buf_ch(&out, '\n');
		show(&out, &parser, str_make(exact, message.n));
		free(exact);
		buf_fini(&message);
	}
	memcpy(strrchr(path, '.'), ".out", 5);
	if (getenv("UPDATE_GOLDEN")) {
		f = fopen(path, "wb");
		OK(f && fwrite(out.p, 1, out.n, f) == out.n);
		if (f)
			fclose(f);
	}
	ROW(name);
	OK(read_file(path, &want));
	if (!str_eq(buf_as_str(&out), buf_as_str(&want))) {
		struct str a = buf_as_str(&out), b = buf_as_str(&want), got, expected;

		do {
			got = str_cut(&a, '\n');
			expected = str_cut(&b, '\n');
		} while (str_eq(got, expected) && (a.n || b.n));
		FAIL("differs from %s:\n  got  " STR_FMT "\n  want " STR_FMT, path, STR_ARG(got),
		     STR_ARG(expected));
	}
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&want);
}

static void golden(void)
{
	DIR *dir = opendir(GOLDEN_DIR "/syslog");
	struct dirent *entry;
	int files = 0;

	OK(dir != NULL);
	while (dir && (entry = readdir(dir)))
		if (str_ends(str_c(entry->d_name), STR(".in"))) {
			run_file(entry->d_name);
			files++;
		}
	if (dir)
		closedir(dir);
	OK(files >= 3);
}

int main(void)
{
	RUN(golden);
	return test_end();
}
