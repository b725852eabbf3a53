/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog messages: the result stays inside the input, the text is its tail, the fields tell the header, a used cache, a fresh
 * one and the code without short cuts agree, and what was parsed, written out again as RFC 5424, parses to the same. */
#include <stdlib.h>

#include "inputs/syslog/message.h"
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/utf8.h"
#include "tests/fuzz/syslog_mutate.h"
#include "tests/unit/syslog_told.h"

#define NOW_NS (INT64_C(1768435200) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
void plain_syslog_parse(struct syslog_parser *p, struct str input, int64_t now_ns,
			struct syslog_msg *ret); /* syslog_plain.h */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);
/* libFuzzer's own; absent where the corpus is only replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);

/* A third each: a new message of the grammars, another word, and what libFuzzer knows. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

	switch (mutate_random(&state, 3)) {
	case 0:
		return mutate_message((char *)data, max, &state);
	case 1:
		return mutate_word((char *)data, n, max, &state);
	default:
		return LLVMFuzzerMutate(data, n, max);
	}
}

static void inside(struct str part, struct str whole)
{
	if (part.n)
		CHECK(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_slices(const struct syslog_msg *m, struct str input)
{
	const struct str parts[] = { m->raw, m->hostname, m->appname,   m->procid, m->msgid,
				     m->sd,  m->seq,      m->time_text, m->msg };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		inside(parts[i], input);
		CHECK(!utf8_is_valid(m->raw) ||
		      utf8_is_valid(parts[i])); /* REC_UTF8 relies on it */
	}
	CHECK(!syslog_told(m));
	CHECK(m->facility < 24 && m->severity < 8 && m->format <= SYSLOG_5424);
	if (m->msg.n)
		CHECK(m->msg.p + m->msg.n == m->raw.p + m->raw.n);
}

static void check_same(const struct syslog_msg *a, const struct syslog_msg *b)
{
	const struct str x[] = { a->raw, a->hostname, a->appname,   a->procid, a->msgid,
				 a->sd,  a->seq,      a->time_text, a->msg };
	const struct str y[] = { b->raw, b->hostname, b->appname,   b->procid, b->msgid,
				 b->sd,  b->seq,      b->time_text, b->msg };

	CHECK(a->time_ns == b->time_ns && a->flags == b->flags && a->format == b->format);
	CHECK(a->facility == b->facility && a->severity == b->severity);
	CHECK(a->has_pri == b->has_pri);
	for (size_t i = 0; i < ARRAY_LEN(x); i++)
		CHECK(x[i].n == y[i].n && (!x[i].n || x[i].p == y[i].p));
}

static void check_params(struct str sd)
{
	char *mem = malloc(sd.n + 1), *p = mem;
	struct syslog_sd_param param;
	struct syslog_sd it;
	size_t room = sd.n;

	syslog_sd_init(&it, sd);
	while (syslog_sd_next(&it, &p, &room, &param))
		CHECK(param.id.n > 0 && param.value.n <= sd.n);
	CHECK(!it.is_cut || it.params == SYSLOG_SD_PARAMS_MAX);
	free(mem);
}

static void put(struct buf *b, struct str field)
{
	buf_c(b, " ");
	if (field.n)
		buf_str(b, field);
	else
		buf_c(b, "-");
}

/* Only what is RFC 5424 and had no oddity can be written again. */
static void check_again(struct syslog_parser *parser, const struct syslog_msg *m)
{
	struct buf b = BUF_INIT;
	struct syslog_msg again;

	if (m->format != SYSLOG_5424 || m->flags)
		return;
	buf_printf(&b, "<%d>1", m->facility * 8 + m->severity);
	put(&b, m->time_text);
	put(&b, m->hostname);
	put(&b, m->appname);
	put(&b, m->procid);
	put(&b, m->msgid);
	put(&b, m->sd);
	buf_c(&b, " ");
	buf_str(&b, m->msg);
	syslog_parse(parser, buf_as_str(&b), NOW_NS, &again);
	CHECK(again.format == SYSLOG_5424 && !again.flags && again.time_ns == m->time_ns);
	CHECK(again.facility == m->facility && again.severity == m->severity);
	CHECK(str_eq(again.hostname, m->hostname) && str_eq(again.appname, m->appname));
	CHECK(str_eq(again.procid, m->procid) && str_eq(again.msgid, m->msgid));
	CHECK(str_eq(again.sd, m->sd) && str_eq(again.msg, m->msg));
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct syslog_parser warm; /* keeps what earlier inputs left in the cache */
	struct str input = str_make((const char *)data, n);
	struct syslog_parser cold, plain;
	struct syslog_msg a, b;

	syslog_parser_init(&cold, 0);
	syslog_parser_init(&plain, 0);
	plain_syslog_parse(&plain, input, NOW_NS, &a);
	syslog_parse(&cold, input, NOW_NS, &b);
	check_same(&a, &b);
	syslog_parse(&cold, input, NOW_NS, &b); /* with its day known */
	check_same(&a, &b);
	syslog_parse(&warm, input, NOW_NS, &b);
	check_same(&a, &b);
	check_slices(&a, input);
	check_params(a.sd);
	check_again(&cold, &a);
	return 0;
}
