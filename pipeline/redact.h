/* SPDX-License-Identifier: Apache-2.0 */
/* Finds secrets in a text and replaces them. Six detectors are written by hand and share one vector
 * pass, which goes over many lines at once: what has no candidate is not looked at again. The
 * others are patterns with a check of their own (redact_known.c), and so are the user's; those with
 * a literal share one search for all of them. All look at the original text; what they find is a
 * list of splices, applied in one copy.
 *
 * Fails closed: when a pattern hits its limit or something else keeps the search from being
 * complete, the caller gets one constant text instead of the original.
 *
 * What is found:
 *   card       12 to 19 digits in one run or in groups with equal separators (space or dash), with
 *              a known issuer's first digits and length and a right check digit (Luhn). Not inside
 *              of hexadecimal tokens and decimal fractions.
 *   email      local@domain.tld, also internationalised ones. Not user@host.
 *   ipv4       four numbers up to 255 joined by dots (a fifth is taken for tcpdump's port). Not
 *              versions that say so: v1.2.3.4, Chrome/120.0.0.0.
 *   bearer     the token behind the word "bearer", unless it is an ordinary word.
 *   basic      the same for "basic".
 *   key_value  the value behind a key that ends in one of the names of redact_key.c: key=value,
 *              key: value, "key": "value" at any depth of JSON in JSON, key[...]=value,
 *              key%3Dvalue, --key value, the marks as JSON escapes (\u0022, \u003d), XML elements,
 *              {"name": "key", "value": "value"}; quoted values whole, lists and objects whole, the
 *              credentials behind the scheme of an Authorization header, cookies to their end.
 *              Not the words of a sentence behind "key: ", not what stands in place of a secret
 *              (****, <redacted:email>, ${PASSWORD}), not PWD=/a/directory.
 *   the rest   the table in redact_known.c.
 * e-mail addresses are found percent-encoded, too. What is not found: other secrets in encodings
 * (base64, percent twice, JSON \u escapes), or broken up by characters nobody sees; docs/redaction.md
 * has measured figures. */
#ifndef PIPELINE_REDACT_H
#define PIPELINE_REDACT_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"
#include "pipeline/text_run.h"

#define REDACT_RULES_MAX 64
#define REDACT_GROUPS_MAX 8        /* of patterns whose literals are searched together */
#define REDACT_REPLACEMENT_MAX 128 /* bytes */
#define REDACT_HASH_KEY_MIN 16     /* bytes */
#define REDACT_ERROR_TEXT "<redacted:error>"

enum { /* redact_options.detectors, ORed */
       REDACT_CARD = 1 << 0,
       REDACT_EMAIL = 1 << 1,
       REDACT_IPV4 = 1 << 2,
       REDACT_BEARER = 1 << 3,
       REDACT_BASIC = 1 << 4,
       REDACT_KEY_VALUE = 1 << 5,
       REDACT_SCANNED = (1 << 6) - 1, /* those above: written by hand */
       REDACT_JWT = 1 << 6,
       REDACT_URL_PASSWORD = 1 << 7,
       REDACT_PRIVATE_KEY = 1 << 8,
       REDACT_AWS = 1 << 9,
       REDACT_GCP = 1 << 10,
       REDACT_AZURE = 1 << 11,
       REDACT_GITHUB = 1 << 12,
       REDACT_GITLAB = 1 << 13,
       REDACT_SLACK = 1 << 14,
       REDACT_STRIPE = 1 << 15,
       REDACT_SAAS = 1 << 16,
       REDACT_IBAN = 1 << 17,
       REDACT_IPV6 = 1 << 18,
       REDACT_MAC = 1 << 19,
       REDACT_COMMAND_LINE = 1 << 20,
       REDACT_ALL = (1 << 21) - 1,
};

enum { /* redact_options.national, ORed */
       REDACT_US = 1 << 0,
       REDACT_UK = 1 << 1,
       REDACT_DE = 1 << 2,
       REDACT_FR = 1 << 3,
       REDACT_ES = 1 << 4,
       REDACT_IT = 1 << 5,
       REDACT_NL = 1 << 6,
       REDACT_BE = 1 << 7,
       REDACT_PL = 1 << 8,
       REDACT_SE = 1 << 9,
       REDACT_CH = 1 << 10,
       REDACT_BR = 1 << 11,
       REDACT_IN = 1 << 12,
       REDACT_CA = 1 << 13,
       REDACT_NATIONAL_ALL = (1 << 14) - 1,
};

/* Kinds of splices: the detectors written by hand have their bit number, then come those of
 * redact_known.c in their order. */
enum {
	REDACT_KIND_KNOWN = 6,
	REDACT_KIND_PRIVATE_KEY = 8,
	REDACT_KIND_NOTATION = 35, /* key_value in other notations */
	REDACT_KIND_CUT = 36,      /* the end of a cut text, where half a secret may stand */
	REDACT_KIND_NAME = 37,     /* a value whose own name says that it is secret */
	REDACT_KIND_RULES = 38,    /* first own pattern */
	REDACT_KINDS_MAX = REDACT_KIND_RULES + REDACT_RULES_MAX,
	REDACT_KNOWN = REDACT_KIND_CUT - REDACT_KIND_KNOWN,
};

/* What becomes of a secret. What was cut, and private keys, are replaced in any case. */
enum redact_action {
	REDACT_REPLACE, /* by the replacement */
	REDACT_MASK,    /* each character by *, but for keep_first and keep_last */
	REDACT_HASH,    /* by <NAME:16 hexadecimal digits>: equal secrets stay equal */
	REDACT_DROP,    /* the caller drops the record */
};

struct redact_rule {
	struct str name;
	struct str expression;  /* group 1 is replaced when it took part, else the whole match */
	struct str replacement; /* p == NULL: the common one */
};

struct redact_options {
	unsigned detectors, national;
	enum redact_action action;
	unsigned keep_first, keep_last; /* characters; never more than half, nothing of long ones */
	struct str hash_key;            /* of REDACT_HASH; copied, wiped when freed */
	const struct redact_rule *rules;
	size_t nrules;
	struct str replacement; /* p == NULL: <redacted:NAME> */
};

struct pattern_scratch;
struct redact;

struct redact_splice {
	uint32_t start, end; /* bytes of the text */
	uint16_t kind;
	bool is_quoted; /* stands for a bare JSON value: the replacement gets quotes */
};

struct redact_splices {
	struct redact_splice *items;
	uint32_t n, cap;
};

/* What one pass over up to TEXT_RUN_MAX texts has found. Zero-initialise; redact_ahead_fini(). */
struct redact_ahead {
	uint64_t candidates;                       /* bit i: texts[i] may have a secret */
	uint64_t may_match[REDACT_GROUPS_MAX + 1]; /* the same for the patterns of a group */
	struct redact_splices found;               /* by the detectors written by hand, */
	uint32_t first[TEXT_RUN_MAX + 1];          /* in texts[i] from first[i] to first[i + 1] */
};

/* Result of the last search and counters; one per lane. Zero-initialise. */
struct redact_scratch {
	struct redact_splices list;      /* sorted, without overlap */
	struct redact_ahead ahead;       /* of a text of its own */
	bool opens_block;                /* by the last search: see redact_opens_block() */
	uint64_t hits[REDACT_KINDS_MAX]; /* replacements since the caller last cleared them */
	uint64_t failed;
	/* For tools: called with each secret and what stands in its place. Mostly NULL. */
	void (*found)(void *ctx, unsigned kind, struct str secret, struct str replacement);
	void *found_ctx;
};

/* Constant when made, shared by threads. Returns 0 or -EINVAL with err. */
int redact_new(const struct redact_options *options, struct redact **ret, struct err *err);
void redact_free(struct redact *r);
void redact_scratch_fini(struct redact_scratch *s);

/* "card", "cut", the name of an own pattern. */
const char *redact_kind_name(const struct redact *r, unsigned kind);

/* Looks at texts (valid UTF-8) that redact_find_ahead() is to search one by one. Lines as they were read
 * are one pass; together they should not be much more than REDACT_AHEAD_BYTES. */
void redact_look_ahead(const struct redact *r, struct redact_ahead *a, const struct str *texts,
		       uint32_t n);
void redact_ahead_fini(struct redact_ahead *a);
#define REDACT_AHEAD_BYTES ((size_t)64 * 1024)

/* Searches text (valid UTF-8; is_cut: it goes on behind its end, unseen) and leaves the splices in
 * s. Returns their number, or -1 when the search could not be completed. Not counted yet. */
int redact_find(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str text, bool is_cut);
/* The same for texts[i] of those that a has looked at. */
int redact_find_ahead(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		      const struct redact_ahead *a, uint32_t i, struct str text, bool is_cut);
/* The text with the splices of s replaced, in the arena; counts them. With n == 0 it is text
 * itself. REDACT_ERROR_TEXT (and counted as failed) when the result would be out of proportion. */
struct str redact_write(const struct redact *r, struct redact_scratch *s, struct str text,
			struct arena *arena);
/* As redact_write() for the bytes [from, to) of the text searched last: what a value that was cut
 * out of it becomes. *ret_changed is false when no splice touches it. */
struct str redact_write_part(const struct redact *r, struct redact_scratch *s, struct str text,
			     size_t from, size_t to, struct arena *arena, bool *ret_changed);

/* Counts a search of the text that could not be completed; returns REDACT_ERROR_TEXT. */
struct str redact_failed(struct redact_scratch *s, struct str text);

/* Both in one, for a text of its own: returns 1 and replaces *text when something was found, 0 when
 * not, -1 (*text is REDACT_ERROR_TEXT) when the search failed. */
int redact_text(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str *text, bool is_cut, struct arena *arena);

/* Is a value of this name secret as a whole (key_value is on and the name is one of its keys)? */
bool redact_is_secret_name(const struct redact *r, struct str name);
/* What then stands in place of the value; lives as long as r and the arena. Counted. */
struct str redact_name_text(const struct redact *r, struct redact_scratch *s, struct str value,
			    struct arena *arena);

/* After redact_find(), also when it failed: a private key begins in the text and does not end in it.
 * Until redact_end_of_block() finds its end, at most REDACT_BLOCK_LINES, lines of its source that
 * redact_is_in_block() belong to it. */
static inline bool redact_opens_block(const struct redact_scratch *s)
{
	return s->opens_block;
}
/* Behind the mark that ends a private key, where another may begin, or text.n + 1. */
size_t redact_end_of_block(struct str text);
/* Could the text be part of a private key? Others of the same source must stay: a relay has many
 * senders, and a line that only speaks of keys is not followed by one. */
bool redact_is_in_block(struct str text);
#define REDACT_BLOCK_LINES 100
/* Makes the splices of s one over the whole text. */
void redact_cover(struct redact_scratch *s, unsigned kind, struct str text);

#endif
