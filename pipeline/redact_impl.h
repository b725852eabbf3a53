/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of redact*.c: what a search carries along, the byte classes, the detectors. */
#ifndef PIPELINE_REDACT_IMPL_H
#define PIPELINE_REDACT_IMPL_H

#include "lib/buf.h"
#include "pipeline/redact.h"

struct pattern;
struct pattern_group;
struct redact_known;

#define REDACT_NAME_MAX 64 /* bytes */

/* A detector that is a pattern: one of redact_known.c, or the user's. */
struct redact_pattern {
	struct pattern *pattern;
	const struct redact_known *known;
	char name[REDACT_NAME_MAX + 1];
	uint16_t kind;
	uint8_t group; /* its literals are in the search of groups[group - 1]; 0: in none */
};

struct redact {
	unsigned detectors;
	enum redact_action action;
	unsigned keep_first, keep_last;
	struct buf hash_key;
	size_t nrules;
	struct redact_pattern rules[REDACT_KNOWN + REDACT_RULES_MAX];
	struct pattern_group *groups[REDACT_GROUPS_MAX];
	unsigned ngroups;
	bool has_ungrouped; /* rules that are in none */
	bool needs_counts;
	struct str texts[REDACT_KINDS_MAX]; /* replacement by kind; owned */
	const char *names[REDACT_KINDS_MAX];
};

/* One search. p[0..n) is the text. */
struct redact_search {
	const uint8_t *p;
	size_t n;
	struct redact_splices *out;
	/* Places before these were dealt with by the detector. */
	size_t email_end, card_end, ipv4_end, key_end;
};

void redact_add(struct redact_search *s, unsigned kind, size_t start, size_t end, bool is_quoted);

/* Calls the detectors that are on for every place of texts[0..n) that could begin or belong to a secret.
 * The texts are a text_run(); what is found in texts[i] is in out from first[i] on. */
typedef void redact_scan_fn(const struct str *texts, uint32_t n, unsigned detectors,
			    struct redact_splices *out, uint32_t *first);
redact_scan_fn redact_scan;
/* The same for lesser machines; here so that they can be compared. */
redact_scan_fn redact_scan_plain, redact_scan_sse2; /* SSE2: x86-64 only */

/* Detectors. `at` is: the '@' or '%'; the first digit; the last digit of the first number; the 'b'; the
 * byte before '=' or ':'; the first '-' of two; a '%'. */
void redact_email(struct redact_search *s, size_t at);
void redact_card(struct redact_search *s, size_t at);
void redact_ipv4(struct redact_search *s, size_t at);
void redact_scheme(struct redact_search *s, size_t at, unsigned detectors);
void redact_key_value(struct redact_search *s, size_t at);
void redact_option(struct redact_search *s, size_t at);
void redact_encoded_value(struct redact_search *s, size_t at);

/* Where the open end of a cut text begins, as far as the detectors are concerned. */
size_t redact_cut_start(const struct redact_search *s, unsigned detectors);

/* What a name says about its value. */
enum redact_key {
	REDACT_KEY_NONE,
	REDACT_KEY_SECRET,      /* chosen by people, perhaps: any word may be one */
	REDACT_KEY_TOKEN,       /* made by machines: no ordinary word */
	REDACT_KEY_CREDENTIALS, /* behind a scheme */
	REDACT_KEY_COOKIE,      /* to the end of the header */
};
/* By how the name p[0..n) ends. */
enum redact_key redact_key_kind(const uint8_t *p, size_t n);
/* Nothing, a constant of some language, a mask, or something that stands for a secret; n > 0. */
bool redact_is_harmless(const uint8_t *p, size_t n);
bool redact_ends_with(const uint8_t *p, size_t n, const char *end, size_t end_n);
/* By the last byte of a name, BIT(letter & 31) of those that make it none of ours right before that. */
extern const uint32_t redact_no_key_ends[256];
/* The same of the third byte from the end; by the last & 31, and of names. */
extern const uint32_t redact_key_thirds[32];

/* Classes of bytes. */
enum {
	RC_DIGIT = 1,
	RC_ALPHA = 2,
	RC_LOCAL = 4, /* of an address, before the @ */
	RC_DOMAIN = 8,
	RC_TOKEN = 16, /* of bearer and basic */
	RC_SPACE = 32,
	RC_HEX = 64,    /* letters a to f */
	RC_FENCE = 128, /* cannot be part of a secret without quotes */
};
extern const uint8_t redact_class[256];

static inline bool redact_is(uint8_t c, unsigned classes)
{
	return (redact_class[c] & classes) != 0;
}

/* May a name end with the byte at `at` (no digit), as far as its last three letters tell? Passes a
 * quote; whatever else stands behind a name has to be looked at. */
static inline bool redact_may_end_key(const uint8_t *p, size_t at)
{
	if (at < 3)
		return true;
	at -= p[at] == '"';
	if (redact_no_key_ends[p[at]] >> (p[at - 1] & 31) & 1)
		return false;
	return !redact_is(p[at], RC_ALPHA) || p[at - 1] == '5' || /* %5D */
	       redact_key_thirds[p[at] & 31] >> (p[at - 2] & 31) & 1;
}

static inline bool redact_at(const struct redact_search *s, size_t i, unsigned classes)
{
	return i < s->n && redact_is(s->p[i], classes);
}

#endif
