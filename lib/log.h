/* SPDX-License-Identifier: Apache-2.0 */
/* Our own log: constant text plus key=value pairs, as logfmt or JSON lines on stderr, with the
 * priority in front ("<4>") when that is the journal. Each call site is limited to 10 lines per
 * 10 s; what was suppressed is said with the next line. Never fed back into the pipeline. Values
 * are escaped, so nothing a peer sends can forge a line.
 *
 *	log_warn("cannot open file, retrying", KV_S("path", path), KV_ERRNO(errno));
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"

enum log_level { LOG_LVL_DEBUG, LOG_LVL_INFO, LOG_LVL_WARN, LOG_LVL_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_kv {
	const char *key; /* NULL ends the list */
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_DOUBLE } kind;
	struct str s;
	int64_t i;
	double d;
};

#define KV(k, str_value) ((struct log_kv){ .key = (k), .kind = LOG_KV_STR, .s = (str_value) })
#define KV_S(k, c_string) KV(k, str_c(c_string))
#define KV_I(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_INT, .i = (int64_t)(v) })
#define KV_D(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_DOUBLE, .d = (v) })
#define KV_ERRNO(e) KV_S("error", strerror(e))
/* The text of a struct err with its origin. */
#define KV_ERR(e) KV_S("error", (e)->text), KV_S("at", (e)->where)

struct log_site {
	_Atomic int64_t window_s;
	_Atomic uint32_t n, suppressed;
};

/* Set once at start, before threads. */
void log_setup(enum log_level level, enum log_format format);
extern _Atomic int log_threshold;
/* The last lines of level warn and error, oldest first, as they were written; each is given without its end. */
void log_recent(void (*fn)(void *ctx, enum log_level level, struct str line), void *ctx);
/* site NULL: not limited. */
void log_write(struct log_site *site, enum log_level level, const char *text,
	       const struct log_kv *kv);

#define log_at(level, text, ...)                                                                   \
	do {                                                                                       \
		static struct log_site site_;                                                      \
		if ((int)(level) >= atomic_load_explicit(&log_threshold, memory_order_relaxed))    \
			log_write(&site_, level, text,                                             \
				  (struct log_kv[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } });           \
	} while (0)
#define log_debug(...) log_at(LOG_LVL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LVL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LVL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LVL_ERROR, __VA_ARGS__)

#endif
