/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark corpora. A corpus is a pool of CORPUS_PERIOD lines made once from a fixed seed;
 * line number `id` is a pool line with its own number patched in (corpus_get()), so that a
 * generator costs a memcpy and a checker can rebuild any line from the number it carries.
 */
#ifndef BENCH_CORPUS_H
#define BENCH_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORPUS_PERIOD 65536u
#define CORPUS_LINE_MAX 640u
#define CORPUS_BASE_TIME 1795168800u /* 2026-11-20T10:00:00Z */
/* "s003n0000001234": source 3, line 1234. Letters inside keep it from looking like a card. */
#define CORPUS_ID_LEN 15u

enum corpus_kind {
	CORPUS_A,  /* application log, key=value, mean 194 bytes with its newline */
	CORPUS_S5, /* RFC 5424 with structured data, mean 225 */
	CORPUS_S3, /* RFC 3164, mean 174 */
	CORPUS_J,  /* JSON application log */
	CORPUS_R,  /* A, and `hit_percent` of the lines carry one secret */
};

enum secret_kind {
	SECRET_CARD,
	SECRET_EMAIL,
	SECRET_IPV4,
	SECRET_BEARER,
	SECRET_BASIC,
	SECRET_KEY_VALUE,
	SECRET_JWT,
	SECRET_CLOUD_KEY,
	SECRET_KINDS,
};

struct corpus_line {
	uint32_t at; /* offset of the line in the pool; no newline is stored */
	uint16_t len;
	uint16_t id_at;      /* offset of the 15 bytes of the id in the line */
	uint16_t msg_at;     /* where a syslog receiver finds MSG; 0 for the others */
	uint16_t secret_at;  /* the bytes that must not arrive anywhere */
	uint16_t secret_len; /* 0: a line without a secret */
	uint16_t secret_kind;
};

struct corpus {
	char *bytes;
	struct corpus_line *lines; /* CORPUS_PERIOD of them */
	double mean_len;           /* without newline */
};

struct corpus_options {
	enum corpus_kind kind;
	uint64_t seed;
	unsigned hit_percent; /* corpus R */
	uint64_t base_time_s; /* of the first line; one line per millisecond from there */
};

#define CORPUS_OPTIONS_DEFAULT                                                                     \
	{                                                                                          \
		.kind = CORPUS_A, .seed = 42, .hit_percent = 2, .base_time_s = CORPUS_BASE_TIME    \
	}

/* True when `arg` is one of --corpus, --seed, --hits, --base-time; `value` is then taken. */
bool corpus_option(struct corpus_options *o, const char *arg, const char *value);
void corpus_init(struct corpus *c, const struct corpus_options *o);
void corpus_fini(struct corpus *c);

/* Line number `id` of a source. Each begins somewhere else: a thousand that say the same at the same time
 * would be compressed as no thousand programs are. */
const struct corpus_line *corpus_get(const struct corpus *c, unsigned source, uint64_t id);

/* Writes the 15 bytes of an id. source < 1000, number < 10^10. */
void corpus_put_id(char *out, unsigned source, uint64_t number);
/* Reads them back; false when they are not an id. */
bool corpus_get_id(const char *p, unsigned *source, uint64_t *number);

#endif
