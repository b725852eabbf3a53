/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is cut off a message: what stands in front of the text can be put together again from the
 * fields, but for separators, or is flagged and kept as sent. For the tests and the fuzzer. */
#ifndef TESTS_UNIT_SYSLOG_TOLD_H
#define TESTS_UNIT_SYSLOG_TOLD_H

#include <stdio.h>
#include <stdlib.h>

#include "inputs/syslog/message.h"
#include "lib/check.h"

static inline bool told_is_separator(const struct syslog_msg *m, char c)
{
	return c == ' ' || c == ':' || c == '[' || c == ']' ||
	       ((m->flags & SYSLOG_NO_SYNC) && (c == '*' || c == '.')) ||
	       ((m->flags & SYSLOG_BOM) && (c == '\xEF' || c == '\xBB' || c == '\xBF'));
}

static inline int told_order(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	return x->p < y->p ? -1 : x->p > y->p;
}

/* Adds s without separators. */
static inline size_t told_add(const struct syslog_msg *m, struct str s, char *out, size_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if (!told_is_separator(m, s.p[i]))
			out[n++] = s.p[i];
	return n;
}

/* A nil field of RFC 5424 is a '-', which is in no field; F5 repeats what the PRI says. */
static inline bool told_equal(const struct syslog_msg *m, const char *sent, size_t nsent,
			      const char *told, size_t ntold, bool skips_level)
{
	struct str level = m->has_pri ? syslog_severity_name(m->severity) : STR_NONE;
	size_t k = 0;

	for (size_t i = 0; i < nsent; i++) {
		if (skips_level && level.n && str_starts(str_make(sent + i, nsent - i), level)) {
			i += level.n - 1;
			skips_level = false;
		} else if (k < ntold && sent[i] == told[k]) {
			k++;
		} else if (m->format != SYSLOG_5424 || sent[i] != '-') {
			return false;
		}
	}
	return k == ntold;
}

/* NULL, or what is wrong. */
static inline const char *syslog_told(const struct syslog_msg *m)
{
	struct str fields[] = { m->seq,    m->hostname, m->time_text, m->appname,
				m->procid, m->msgid,    m->sd };
	struct str header = syslog_header_text(m);
	const char *problem = NULL, *end = header.p;
	char *sent, *told, pri[8];
	size_t nsent, ntold = 0;
	bool begins_field = false;

	if (header.n + m->msg.n != m->raw.n)
		return "header and text are not the message";
	if (m->flags & SYSLOG_ODD_HEADER)
		return NULL; /* it is kept whole */
	if (str_starts(header, STR("\xEF\xBB\xBF")))
		header = str_skip(header, 3);
	if (m->has_pri) {
		snprintf(pri, sizeof(pri), "<%d>", m->facility * 8 + m->severity);
		if (!str_starts(header, str_c(pri)))
			return "another PRI";
		header = str_skip(header, strlen(pri));
	}
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		begins_field |= fields[i].n && fields[i].p == header.p;
	if (str_starts(header, STR("1 ")) && !begins_field) /* the version */
		header = str_skip(header, 2);
	sent = malloc(2 * header.n + 1);
	told = sent + header.n;
	nsent = told_add(m, header, sent, 0);
	qsort(fields, ARRAY_LEN(fields), sizeof(fields[0]), told_order);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct str f = fields[i];

		if (!f.n || f.p + f.n > header.p + header.n || f.p < header.p)
			continue; /* none, or told by the text */
		if (f.p < end) {
			problem = "fields overlap";
			break;
		}
		end = f.p + f.n;
		ntold = told_add(m, f, told, ntold);
	}
	if (!problem && !told_equal(m, sent, nsent, told, ntold, false) &&
	    !told_equal(m, sent, nsent, told, ntold, true))
		problem = "the fields do not tell all of the header";
	free(sent);
	return problem;
}

#endif
