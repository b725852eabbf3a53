/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: Go's RE2 syntax and meaning on PCRE2-JIT, which this module is the only user
 * of. What RE2 refuses (look-around, back-references, possessive quantifiers...) is refused here
 * with its column, so a pattern means the same as in Promtail and never more.
 *
 * Subjects are valid UTF-8 (inputs repair lines), so most patterns are matched byte by byte without
 * UTF mode; which patterns cannot be is found out when they are compiled. A literal every match
 * must contain is searched for first, so a line without a match rarely reaches PCRE2.
 *
 * A pattern is constant after pattern_compile() and shared by threads; match data, JIT stack and
 * limits are in a struct pattern_scratch, one per lane, reused: matching allocates nothing. */
#ifndef PIPELINE_PATTERN_H
#define PIPELINE_PATTERN_H

#include "lib/err.h"
#include "lib/str.h"

#define PATTERN_EXPR_MAX 32768 /* bytes of an expression */
#define PATTERN_GROUPS_MAX 255 /* capture groups, without group 0 */
#define PATTERN_OVECTOR_MAX (2 * (PATTERN_GROUPS_MAX + 1))
#define PATTERN_UNSET ((size_t)-1) /* both offsets of a group that took no part in the match */

enum {                       /* pattern_compile() flags */
       PATTERN_ANCHORED = 1, /* the whole subject must match (label matchers, relabel rules) */
       PATTERN_DOT_ALL = 2,  /* as if it started with (?s) (Prometheus 3 matchers) */
       PATTERN_LITERAL = 4,  /* no syntax: the text itself */
       PATTERN_FORCE_UTF = 8 /* tests: neither byte mode nor prefilter, to compare with */
};

enum {
	PATTERN_NO_MATCH = 0,
	PATTERN_MATCH = 1,
	PATTERN_ERROR = -1 /* match limit, stack or heap limit, or an invalid subject: not known
			    * whether it matches. Redaction then masks the line whole. */
};

struct pattern;
struct pattern_scratch;

/* Returns 0 and *ret (pattern_free()), or -EINVAL with err "reason (at column N)", N counted in
 * bytes from 1. */
int pattern_compile(struct str expr, unsigned flags, struct pattern **ret, struct err *err);
void pattern_free(struct pattern *p);

/* Number of capture groups, without group 0. */
unsigned pattern_groups(const struct pattern *p);
/* Name of group 1..n as written; n == 0 for an unnamed one. Names may repeat and start with a
 * digit. Lives as long as the pattern. */
struct str pattern_group_name(const struct pattern *p, unsigned group);
/* The expression as given. */
struct str pattern_expr(const struct pattern *p);
/* False when no required literal was found, so that every line costs a full search: worth a
 * warning at load. */
bool pattern_has_prefilter(const struct pattern *p);

struct pattern_scratch *pattern_scratch_new(void);
void pattern_scratch_free(struct pattern_scratch *s);

/* Searches subject from byte `from` on; what stands before it is still seen by ^ and \b. Returns
 * PATTERN_MATCH, _NO_MATCH or _ERROR. Writes 2 * (groups + 1) offsets to ovector unless it is
 * NULL. */
int pattern_match(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		  size_t from, size_t *ovector);
/* Bit i: it may match in texts[i]; n <= TEXT_RUN_MAX. One search for lines as they were read. */
uint64_t pattern_texts(const struct pattern *p, const struct str *texts, uint32_t n);

/* Would a subject that goes on behind its end perhaps match across that end? Returns 1 and the
 * start of the leftmost such match beginning at `from` or later, 0 for no, PATTERN_ERROR. Slow;
 * for lines that were cut. */
int pattern_match_cut(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		      size_t from, size_t *ret_start);

/* All matches one after the other, as Go's FindAll: an empty match right behind a match does not
 * count. Set up with { 0 }. */
struct pattern_find {
	size_t pos;
	size_t prev_end; /* end of the last match + 1; 0 = none yet */
};
/* As pattern_match() for the next one; after anything but PATTERN_MATCH the search is over. */
int pattern_find_next(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		      struct pattern_find *find, size_t *ovector);

/* The required literals of several patterns in one search. */
struct pattern_group;
/* NULL when one of them has none, or there are too many. Copies what it needs. */
struct pattern_group *pattern_group_new(const struct pattern *const *patterns, size_t n);
void pattern_group_free(struct pattern_group *g);
/* Bit i: one of the patterns may match in texts[i]; as pattern_texts(). */
uint64_t pattern_group_texts(const struct pattern_group *g, const struct str *texts, uint32_t n);

#endif
