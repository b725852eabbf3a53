/* SPDX-License-Identifier: Apache-2.0 */
/* One syslog message taken apart: RFC 5424, RFC 3164 and what devices really send. Everything is
 * a slice of the input; what is not understood stays in `msg`, so no byte of the text is lost. */
#ifndef INPUTS_SYSLOG_MESSAGE_H
#define INPUTS_SYSLOG_MESSAGE_H

#include "inputs/syslog/stamp.h"
#include "lib/str.h"
#include "lib/tz.h"

enum syslog_format {
	SYSLOG_RAW,  /* no header found: msg is all there is (behind a valid PRI, if any) */
	SYSLOG_3164, /* RFC 3164 and its many relatives */
	SYSLOG_5424,
};

/* What was unusual about a message. A message with NO_PRI, BAD_PRI or BAD_HEADER counts as not
 * parsed: it is delivered whole and flagged. The others cost at most one field. */
enum syslog_flag {
	SYSLOG_NO_PRI = 1 << 0,     /* does not start with '<'; user.notice is taken */
	SYSLOG_BAD_PRI = 1 << 1,    /* '<' without a number 0..191 and '>'; stays in msg */
	SYSLOG_BAD_HEADER = 1 << 2, /* "<PRI>1 " without the rest of an RFC 5424 header */
	SYSLOG_BAD_TIME = 1 << 3,   /* a time was there and cannot be; see time_text */
	SYSLOG_BAD_SD = 1 << 4,     /* STRUCTURED-DATA missing or broken; stays in msg */
	SYSLOG_NO_SYNC = 1 << 5,    /* Cisco '*' or '.': the sender's clock is not set */
	SYSLOG_BOM = 1 << 6,        /* msg began with a UTF-8 byte order mark, removed */
	SYSLOG_ODD_HEADER = 1 << 7, /* the fields do not tell all of it: syslog_header_text() */
	SYSLOG_FLAGS = 8,           /* number of flags */
};

/* What a user is told of. */
#define SYSLOG_PROBLEMS (SYSLOG_UNPARSED | SYSLOG_BAD_TIME | SYSLOG_BAD_SD)
#define SYSLOG_UNPARSED (SYSLOG_NO_PRI | SYSLOG_BAD_PRI | SYSLOG_BAD_HEADER)

/* Slices borrow from the input of syslog_parse(). An absent or nil ("-") field has n == 0. msg is the
 * tail of raw; a field may lie in msg when it is the text that tells it. */
struct syslog_msg {
	uint8_t format;   /* enum syslog_format */
	uint8_t facility; /* 0..23; 1 (user) without a PRI */
	uint8_t severity; /* 0..7; 5 (notice) without a PRI */
	bool has_pri;
	uint32_t flags;       /* enum syslog_flag */
	int64_t time_ns;      /* Unix time UTC, or STAMP_NONE_NS */
	struct str raw;       /* the input without trailing LF, CR, NUL */
	struct str hostname;  /* without brackets around an address */
	struct str appname;   /* RFC 3164: the tag without pid and colon */
	struct str procid;    /* RFC 3164: what the tag has in brackets */
	struct str msgid;     /* RFC 5424; of others what numbers or names the event */
	struct str sd;        /* RFC 5424: "[..][..]" as sent; see syslog_sd_next() */
	struct str seq;       /* Cisco: sequence number before the time */
	struct str time_text; /* the time as sent */
	struct str msg;
};

/* Settings and caches; one per thread (or source), no memory of its own. */
struct syslog_parser {
	const struct tz *tz;  /* zone of times that carry none, or NULL: just the offset */
	struct tz_span span;  /* zeroed when tz changes */
	int32_t utc_offset_s; /* its offset now: local = UTC + offset */
	struct stamp_cache stamps;
};

/* offset in seconds, within +-86400. */
void syslog_parser_init(struct syslog_parser *p, int32_t utc_offset_s);

/* Times without a zone are in tz (NULL: UTC) from now on; now_ns: for the guess of the year. */
void syslog_parser_zone(struct syslog_parser *p, const struct tz *tz, int64_t now_ns);

/* Never fails: the worst is SYSLOG_RAW with msg = input. now_ns (Unix time) completes times
 * without a year: the year that lies nearest. */
void syslog_parse(struct syslog_parser *p, struct str input, int64_t now_ns,
		  struct syslog_msg *ret);

/* What stands in front of msg, as sent. Host, tag and text can be rebuilt from the fields, but for
 * the bytes that separate them, unless SYSLOG_ODD_HEADER is set: then this has the rest. */
struct str syslog_header_text(const struct syslog_msg *m);

/* Keywords as in syslog.conf(5) and RFC 5424 tables 1 and 2: "emerg".."debug", "kern".."local7".
 * Out of range gives the empty str. */
struct str syslog_severity_name(unsigned severity);
struct str syslog_facility_name(unsigned facility);
struct str syslog_format_name(unsigned format);
/* What Loki calls that severity: "fatal", "critical", "error", "warn", "info", "debug". */
struct str syslog_level_name(unsigned severity);
/* Name of one bit of enum syslog_flag, as in metrics: "no_pri", "bad_time". */
struct str syslog_flag_name(uint32_t flag);

/* Parameters of STRUCTURED-DATA, one by one (RFC 5424 section 6.3). */
#define SYSLOG_SD_PARAMS_MAX 128

struct syslog_sd {
	struct str rest; /* not yet read */
	struct str id;   /* SD-ID of the element we are in */
	unsigned params; /* handed out so far */
	bool is_bare;    /* no parameter of this element yet */
	bool is_cut;     /* stopped early: more than SYSLOG_SD_PARAMS_MAX or mem is too small */
};

struct syslog_sd_param {
	struct str id;
	struct str name;  /* empty: the element has no parameters */
	struct str value; /* unescaped */
};

/* sd from a struct syslog_msg; it has been checked by the parser. */
void syslog_sd_init(struct syslog_sd *it, struct str sd);
/* The next parameter, or false at the end. Values that contain escapes are written to *mem,
 * which moves on (*room bytes; as many as sd has are always enough); the others are slices. */
bool syslog_sd_next(struct syslog_sd *it, char **mem, size_t *room, struct syslog_sd_param *ret);

#endif
