/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting and rate limiting of our own log. One writev() a line, so lines of threads never mix. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/rfc3339.h"

#define SITE_LINES 10
#define SITE_WINDOW_S 10
#define LINE_MAX_BYTES                                                                             \
	4093             /* with a priority PIPE_BUF: a pipe that polls writable takes it whole */
#define LINE_END_BYTES 2 /* kept free, or the next line would be glued to this one */
#define STUCK_MS 100

_Atomic int log_threshold = LOG_LVL_INFO;
static _Atomic enum log_format log_form = LOG_LOGFMT;
static _Atomic bool is_journal;

/* JOURNAL_STREAM is device:inode (systemd.exec(5)); it is inherited past a redirection, so it is
 * compared with what stderr is now. */
static bool goes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(here, stream) == 0;
}

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&log_threshold, (int)level);
	log_form = format;
	is_journal = goes_to_journal();
}

/* False when the site has used up its window; *ret_suppressed is what to report. */
static bool may_pass(struct log_site *site, int64_t now_s, uint32_t *ret_suppressed)
{
	int64_t window = now_s / SITE_WINDOW_S;

	*ret_suppressed = 0;
	if (atomic_exchange(&site->window_s, window) != window) {
		atomic_store(&site->n, 0);
		*ret_suppressed = atomic_exchange(&site->suppressed, 0);
	}
	if (atomic_fetch_add(&site->n, 1) < SITE_LINES)
		return true;
	atomic_fetch_add(&site->suppressed, 1);
	return false;
}

static bool needs_quotes(struct str s)
{
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
			return true;
	}
	return false;
}

static void put_value(struct buf *b, struct str s)
{
	if (log_form == LOG_JSON || needs_quotes(s))
		buf_json_str(b, s);
	else
		buf_str(b, s);
}

static void put_key(struct buf *b, const char *key)
{
	if (log_form == LOG_JSON)
		buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", key);
	else
		buf_printf(b, "%s%s=", b->n ? " " : "", key);
}

static void put_str(struct buf *b, const char *key, struct str value)
{
	put_key(b, key);
	put_value(b, str_sub(value, 0, 1024));
}

/* What has no room is left out as a whole: half a value would not be closed. */
static void put_kv(struct buf *b, const struct log_kv *kv)
{
	size_t before = b->n;

	if (kv->kind == LOG_KV_STR) {
		put_str(b, kv->key, kv->s);
	} else {
		put_key(b, kv->key);
		if (kv->kind == LOG_KV_INT)
			buf_printf(b, "%lld", (long long)kv->i);
		else
			buf_printf(b, "%.3f", kv->d);
	}
	if (b->is_cut)
		b->n = before;
	b->is_cut = false;
}

/* A reader of stderr that has stopped costs STUCK_MS once, and then lines, not the data path. */
static void put_line(enum log_level level, struct str line)
{
	static const char *const priorities[] = { "<7>", "<6>", "<4>", "<3>" }; /* sd-daemon(3) */
	struct iovec parts[] = { { (void *)(uintptr_t)priorities[level], is_journal ? 3 : 0 },
				 { (void *)(uintptr_t)line.p, line.n } };
	static _Atomic bool is_stuck;
	struct pollfd fd = { STDERR_FILENO, POLLOUT, 0 };
	bool can_write = poll(&fd, 1, atomic_load(&is_stuck) ? 0 : STUCK_MS) != 0;

	atomic_store(&is_stuck, !can_write);
	if (can_write && writev(STDERR_FILENO, parts, 2) < 0) {
		/* nowhere to report it to */
	}
}

/* ---- what was said last ---- */

#define RECENT_LINES 16
#define RECENT_BYTES 512

static struct recent {
	enum log_level level;
	size_t n;
	char text[RECENT_BYTES];
} recent[RECENT_LINES];
static unsigned nrecent; /* ever */
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(enum log_level level, struct str line)
{
	struct recent *r;

	pthread_mutex_lock(&recent_lock);
	r = &recent[nrecent++ % RECENT_LINES];
	r->level = level;
	r->n = line.n < RECENT_BYTES ? line.n : RECENT_BYTES;
	memcpy(r->text, line.p, r->n);
	pthread_mutex_unlock(&recent_lock);
}

void log_recent(void (*fn)(void *ctx, enum log_level level, struct str line), void *ctx)
{
	pthread_mutex_lock(&recent_lock);
	for (unsigned i = nrecent > RECENT_LINES ? nrecent - RECENT_LINES : 0; i < nrecent; i++) {
		const struct recent *r = &recent[i % RECENT_LINES];

		fn(ctx, r->level, str_make(r->text, r->n));
	}
	pthread_mutex_unlock(&recent_lock);
}

void log_write(struct log_site *site, enum log_level level, const char *text,
	       const struct log_kv *kv)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	struct buf b = { .max = LINE_MAX_BYTES - LINE_END_BYTES };
	int64_t now_ns = clock_wall_ns();
	char stamp[RFC3339_MAX];
	uint32_t suppressed = 0;

	if (site && !may_pass(site, now_ns / NS_PER_S, &suppressed))
		return;
	rfc3339_utc(now_ns, 3, stamp);
	if (log_form == LOG_JSON)
		buf_ch(&b, '{');
	put_str(&b, "ts", str_c(stamp));
	put_str(&b, "level", str_c(names[level]));
	put_str(&b, "msg", str_c(text));
	for (; kv && kv->key; kv++)
		if (kv->kind != LOG_KV_STR || kv->s.n)
			put_kv(&b, kv);
	if (suppressed)
		put_kv(&b, &KV_I("suppressed", suppressed));
	b.max = LINE_MAX_BYTES;
	if (log_form == LOG_JSON)
		buf_ch(&b, '}');
	if (level >= LOG_LVL_WARN)
		remember(level, buf_as_str(&b));
	buf_ch(&b, '\n');
	put_line(level, buf_as_str(&b));
	buf_fini(&b);
}
