/* SPDX-License-Identifier: Apache-2.0 */
/* The two header grammars, tried by parse.c behind the PRI. Private to this folder. */
#ifndef INPUTS_SYSLOG_HEADER_H
#define INPUTS_SYSLOG_HEADER_H

#include "inputs/syslog/message.h"

/* s begins behind "<PRI>1 ". False when no RFC 5424 header is there; what was
 * read until then may be in ret. */
bool syslog_header_5424(struct syslog_parser *p, struct str s, struct syslog_msg *ret);

/* s begins behind the PRI, or is the whole when there is none. False when neither a time nor a
 * tag was recognised; msg is then all of s. */
bool syslog_header_3164(struct syslog_parser *p, struct str s, int64_t now_ns,
			struct syslog_msg *ret);

/* Moves msg behind a UTF-8 byte order mark (RFC 5424 section 6.4). */
static inline void syslog_skip_bom(struct syslog_msg *m)
{
	if (__builtin_expect(m->msg.n >= 3 && m->msg.p[0] == '\xEF', 0) &&
	    str_starts(m->msg, STR("\xEF\xBB\xBF"))) {
		m->msg = str_skip(m->msg, 3);
		m->flags |= SYSLOG_BOM;
	}
}

#endif
