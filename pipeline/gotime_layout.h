/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of gotime share: the tokens of a layout, its compiled form and small helpers. */
#ifndef PIPELINE_GOTIME_LAYOUT_H
#define PIPELINE_GOTIME_LAYOUT_H

#include "pipeline/gotime.h"

enum gotime_op {
	OP_LITERAL,
	OP_YEAR,          /* 2006 */
	OP_YEAR_2,        /* 06 */
	OP_MONTH,         /* 1, 01 (fixed) */
	OP_MONTH_NAME,    /* January */
	OP_MONTH_SHORT,   /* Jan */
	OP_DAY,           /* 2, 02 (fixed) */
	OP_DAY_PADDED,    /* _2 */
	OP_YEAR_DAY,      /* 002 (fixed), __2 */
	OP_WEEKDAY_NAME,  /* Monday */
	OP_WEEKDAY_SHORT, /* Mon */
	OP_HOUR,          /* 15 */
	OP_HOUR_12,       /* 3, 03 (fixed) */
	OP_MINUTE,        /* 4, 04 (fixed) */
	OP_SECOND,        /* 5, 05 (fixed) */
	OP_PM,            /* PM */
	OP_PM_LOWER,      /* pm */
	OP_ZONE_NAME,     /* MST */
	OP_OFFSET,        /* -0700 and kin */
	OP_OFFSET_OR_Z,   /* Z0700 and kin */
	OP_FRACTION,      /* .000: exactly `digits` */
	OP_FRACTION_MORE, /* .999: any number, or none */
};

struct gotime_step {
	uint8_t op;
	bool is_fixed;   /* two digits (three for OP_YEAR_DAY), not one or two */
	bool has_colons; /* offsets: -07:00 */
	uint8_t parts;   /* offsets: 1 hours, 2 and minutes, 3 and seconds */
	uint16_t digits; /* OP_FRACTION */
	struct str literal;
};

enum gotime_kind { KIND_LAYOUT, KIND_RFC3339, KIND_UNIX, KIND_UNIX_SCALED };

struct gotime {
	enum gotime_kind kind;
	bool has_no_year;
	int64_t unit_ns;   /* KIND_UNIX_SCALED */
	struct tz *zone;   /* owned; of times without a zone of their own */
	bool has_location; /* zone was configured */
	struct tz *local;  /* owned; whose abbreviations are known without a location */
	char *text;        /* the steps' literals point into it */
	struct gotime_step *steps;
	size_t nsteps;
};

/* Cuts the first token off a layout. Text in front of it is a step of its own: the result is that
 * text (OP_LITERAL) as long as there is some. False at the end of the layout. */
bool gotime_next_step(struct str *layout, struct gotime_step *ret);

/* gotime_parse() for every layout of text. */
bool gotime_run(const struct gotime *g, struct gotime_cache *cache, struct str s, int64_t now_ns,
		int64_t *ret_ns);

#define GOTIME_NS_PER_S INT64_C(1000000000)

static inline bool gotime_make_ns(int64_t seconds, int64_t ns, int64_t *ret_ns)
{
	return !__builtin_mul_overflow(seconds, GOTIME_NS_PER_S, ret_ns) &&
	       !__builtin_add_overflow(*ret_ns, ns, ret_ns);
}

/* The first nine of a run of digits as nanoseconds. */
static inline int64_t gotime_fraction_ns(struct str digits)
{
	int64_t ns = 0;

	for (size_t i = 0; i < 9; i++)
		ns = ns * 10 + (i < digits.n ? digits.p[i] - '0' : 0);
	return ns;
}

static inline bool gotime_digit_at(struct str s, size_t i)
{
	return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

#endif
