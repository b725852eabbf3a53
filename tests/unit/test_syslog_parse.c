/* SPDX-License-Identifier: Apache-2.0 */
/* What the golden files cannot say: slices point into the input, text can be rebuilt, every cut and
 * every replaced byte is survived, the caps on structured data, keywords. */
#include "inputs/syslog/message.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/fuzz/syslog_mutate.h"
#include "tests/unit/syslog_told.h"
#include "tests/unit/test.h"

#define NOW_NS (INT64_C(1768435200) * 1000000000) /* 2026-01-15 00:00:00 UTC */

static const char *const samples[] = {
	"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su 77 ID47 [a@1 x=\"1\" "
	"y=\"\\\"\"][b] "
	"\xef\xbb\xbf'su root' failed",
	"<13>1 - - - - - -",
	"<38>Jan 14 22:14:15 web01 sshd[12345]: Accepted publickey for root",
	"<13>2026-01-14T22:14:15.123456+01:00 2001:db8::1 app[1]: text",
	"<189>000123: 000045: rtr1: *Mar  1 18:48:50.483 CET: %SYS-5-CONFIG_I: Configured",
	"<166>Jan 14 2026 22:14:15 fw1 : %ASA-6-302013: Built outbound",
	"<13>Wed, 14 text Jan 14 22:14:15 2025 h app: x",
	"<13>Jan 14 22:14:15 Message forwarded from aix7: sshd[12]: forwarded",
	"{\"json\":true}",
};

static struct syslog_msg parse(struct str input)
{
	struct syslog_parser parser;
	struct syslog_msg m;

	syslog_parser_init(&parser, 0);
	syslog_parse(&parser, input, NOW_NS, &m);
	return m;
}

static void inside(struct str part, struct str whole)
{
	if (part.n)
		OK(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* The promises of message.h about any result. */
static void check(struct str input)
{
	struct syslog_msg m = parse(input);
	const struct str parts[] = { m.raw, m.hostname, m.appname,   m.procid, m.msgid,
				     m.sd,  m.seq,      m.time_text, m.msg };
	char mem[512], *room = mem;
	size_t left = sizeof(mem);
	struct syslog_sd_param param;
	struct syslog_sd sd;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		inside(parts[i], input);
	OK(m.severity < 8 && m.facility < 24 && m.format <= SYSLOG_5424);
	if (syslog_told(&m))
		FAIL("%s: " STR_FMT, syslog_told(&m), STR_ARG(input));
	if (m.msg.n) /* the text is always the tail */
		OK(m.msg.p + m.msg.n == m.raw.p + m.raw.n);
	if (m.flags & (SYSLOG_BAD_PRI | SYSLOG_NO_PRI))
		OK(!m.has_pri);
	syslog_sd_init(&sd, m.sd);
	while (syslog_sd_next(&sd, &room, &left, &param))
		OK(param.id.n > 0);
	OK(!sd.is_cut || sd.params == SYSLOG_SD_PARAMS_MAX);
}

static void exact(const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	check(str_make(copy, n));
	free(copy);
}

static void cuts_and_replaced_bytes(void)
{
	static const char bytes[] = { '\0', '\x80', '\xff', ' ', '"', ':', '[', ']', '9', '<' };

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		size_t n = strlen(samples[i]);
		char *copy = mem_dup(samples[i], n);

		ROW(samples[i]);
		for (size_t k = 0; k <= n; k++) {
			exact(samples[i], k);
			exact(samples[i] + k, n - k);
		}
		for (size_t k = 0; k < n; k++)
			for (size_t b = 0; b < sizeof(bytes); b++) {
				copy[k] = bytes[b];
				exact(copy, n);
				copy[k] = samples[i][k];
			}
		mem_free(copy);
	}
}

/* The same for messages put together at random from what real ones are made of. */
static void random_messages(void)
{
	uint64_t state = 1;
	char text[512];

	for (int i = 0; i < 20000; i++) {
		size_t n = mutate_message(text, sizeof(text), &state);

		if (i % 2)
			n = mutate_word(text, n, sizeof(text), &state);
		ROW("seed 1");
		exact(text, n);
	}
}

/* Header fields and text of an ordinary message put together again give the message. */
static void rebuilt(void)
{
	struct str input = STR("<38>Jan 14 22:14:15 web01 sshd[12345]: Accepted publickey");
	struct syslog_msg m = parse(input);
	struct buf again = BUF_INIT;

	buf_printf(&again, "<%d>%.*s %.*s %.*s[%.*s]: %.*s", m.facility * 8 + m.severity,
		   STR_ARG(m.time_text), STR_ARG(m.hostname), STR_ARG(m.appname), STR_ARG(m.procid),
		   STR_ARG(m.msg));
	OK(str_eq(buf_as_str(&again), input));
	buf_fini(&again);
}

static void every_pri(void)
{
	char text[32];

	for (int pri = 0; pri <= 300; pri++) {
		struct syslog_msg m;

		ROW(text);
		snprintf(text, sizeof(text), "<%d>text", pri);
		m = parse(str_c(text));
		EQ_INT(m.has_pri, pri <= 191);
		EQ_INT(m.facility, pri <= 191 ? pri / 8 : 1);
		EQ_INT(m.severity, pri <= 191 ? pri % 8 : 5);
		EQ_STR(m.msg, pri <= 191 ? "text" : text);
		EQ_INT(m.flags, pri <= 191 ? 0 : SYSLOG_BAD_PRI);
	}
}

static void keywords(void)
{
	EQ_STR(syslog_severity_name(0), "emerg");
	EQ_STR(syslog_severity_name(4), "warning");
	EQ_STR(syslog_severity_name(7), "debug");
	EQ_STR(syslog_severity_name(8), "");
	EQ_STR(syslog_facility_name(0), "kern");
	EQ_STR(syslog_facility_name(10), "authpriv");
	EQ_STR(syslog_facility_name(15), "solaris-cron");
	EQ_STR(syslog_facility_name(16), "local0");
	EQ_STR(syslog_facility_name(23), "local7");
	EQ_STR(syslog_facility_name(24), "");
	for (unsigned bit = 0; bit < SYSLOG_FLAGS; bit++)
		OK(syslog_flag_name(1u << bit).n > 0);
	OK(!syslog_flag_name(1u << SYSLOG_FLAGS).n);
}

/* More parameters than the cap: the header is still read, the rest stays in sd as sent. */
static void many_params(void)
{
	static const unsigned counts[] = { 1, 127, 128, 129, 1000, 100000 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct buf b = BUF_INIT;
		struct syslog_sd_param param;
		struct syslog_msg m;
		struct syslog_sd sd;
		char *mem = NULL;
		size_t room = 0;

		buf_c(&b, "<13>1 - h a p m [x");
		for (unsigned k = 0; k < counts[i]; k++)
			buf_printf(&b, " n%u=\"%u\"", k, k);
		buf_c(&b, "] text");
		m = parse(buf_as_str(&b));
		EQ_STR(m.msg, "text");
		syslog_sd_init(&sd, m.sd);
		while (syslog_sd_next(&sd, &mem, &room, &param))
			EQ_STR(param.id, "x");
		EQ_INT(sd.params, counts[i] < 128 ? counts[i] : 128);
		EQ_INT(sd.is_cut, counts[i] > 128);
		buf_fini(&b);
	}
}

/* Elements without parameters count as one each. */
static void many_elements(void)
{
	for (unsigned n = 127; n <= 129; n++) {
		struct buf b = BUF_INIT;
		struct syslog_sd_param param;
		struct syslog_sd sd;
		char *mem = NULL;
		size_t room = 0;

		for (unsigned k = 0; k < n; k++)
			buf_printf(&b, "[e%u]", k);
		syslog_sd_init(&sd, buf_as_str(&b));
		while (syslog_sd_next(&sd, &mem, &room, &param))
			OK(!param.name.n && !param.value.n);
		EQ_INT(sd.params, n < 128 ? n : 128);
		EQ_INT(sd.is_cut, n > 128);
		buf_fini(&b);
	}
}

/* Escapes need memory; without enough of it the iterator stops instead of writing past it. */
static void unescape_memory(void)
{
	struct str sd = STR("[x a=\"1\" b=\"q\\\"q\" c=\"3\"]");
	struct syslog_sd_param param;
	char mem[8], *p = mem;
	size_t room = 4;
	struct syslog_sd it;

	syslog_sd_init(&it, sd);
	OK(syslog_sd_next(&it, &p, &room, &param));
	EQ_STR(param.value, "1");
	EQ_INT(room, 4);
	OK(syslog_sd_next(&it, &p, &room, &param));
	EQ_STR(param.value, "q\"q");
	EQ_INT(room, 1);
	OK(p == mem + 3);
	OK(syslog_sd_next(&it, &p, &room, &param));
	EQ_STR(param.name, "c");
	OK(!syslog_sd_next(&it, &p, &room, &param) && !it.is_cut);

	p = mem;
	room = 3;
	syslog_sd_init(&it, sd);
	OK(syslog_sd_next(&it, &p, &room, &param));
	OK(!syslog_sd_next(&it, &p, &room, &param) && it.is_cut);
}

/* A field longer than 255 bytes is no header field. */
static void long_fields(void)
{
	for (int n = 254; n <= 257; n++) {
		struct buf b = BUF_INIT;
		struct syslog_msg m;

		buf_c(&b, "<13>1 - ");
		for (int i = 0; i < n; i++)
			buf_ch(&b, 'h');
		buf_c(&b, " a p m - text");
		m = parse(buf_as_str(&b));
		EQ_INT(m.format, n <= 255 ? SYSLOG_5424 : SYSLOG_RAW);
		EQ_INT(m.flags, n <= 255 ? 0 : SYSLOG_BAD_HEADER);
		EQ_INT(m.hostname.n, n <= 255 ? n : 0);
		buf_fini(&b);
	}
}

static void offset_option(void)
{
	struct syslog_parser parser;
	struct syslog_msg m;

	syslog_parser_init(&parser, -18000);
	syslog_parse(&parser, STR("<13>Jan 14 10:00:00 h a: x"), NOW_NS, &m);
	EQ_INT(m.time_ns / 1000000000, 1768402800); /* 15:00 UTC */
	syslog_parse(&parser, STR("<13>1 2026-01-14T10:00:00Z h a p m - x"), NOW_NS, &m);
	EQ_INT(m.time_ns / 1000000000, 1768384800);
}

int main(void)
{
	RUN(cuts_and_replaced_bytes);
	RUN(random_messages);
	RUN(rebuilt);
	RUN(every_pri);
	RUN(keywords);
	RUN(many_params);
	RUN(many_elements);
	RUN(unescape_memory);
	RUN(long_fields);
	RUN(offset_option);
	return test_end();
}
