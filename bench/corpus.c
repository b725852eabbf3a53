/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the pool of lines of each benchmark corpus from a seed; same seed, same bytes, anywhere. */
#include "bench/corpus.h"
#include "bench/util.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct rng {
	uint64_t s;
};

/* splitmix64: small, good enough, and its output is defined by the code alone. */
static uint64_t next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned below(struct rng *r, unsigned n)
{
	return (unsigned)((next(r) >> 32) * n >> 32);
}

static unsigned between(struct rng *r, unsigned lo, unsigned hi)
{
	return lo + below(r, hi - lo + 1);
}

#define PICK(r, table) ((table)[below(r, (unsigned)(sizeof(table) / sizeof((table)[0])))])

static const char *const services[] = { "checkout",  "billing", "search",    "gateway",
					"inventory", "mailer",  "scheduler", "profile" };
/* Skewed as in production: most lines are info. */
static const char *const levels[] = { "info", "info",  "info",  "info", "info",
				      "info", "debug", "debug", "warn", "error" };
static const char *const methods[] = { "GET", "GET", "GET", "POST", "PUT", "DELETE" };
static const char *const resources[] = {
	"orders", "users", "carts", "invoices", "items", "sessions"
};
static const char *const statuses[] = { "200", "200", "200", "200", "201",
					"204", "304", "404", "500" };
static const char *const messages[] = {
	"request handled",
	"order processed in background worker",
	"cache miss, loading from primary store",
	"connection returned to the pool after use",
	"retrying upstream call after a timeout",
	"scheduled job finished without changes",
	"payload accepted and queued for delivery",
	"slow query, consider an index on this table",
};
static const char *const daemons[] = { "sshd", "systemd", "kernel", "nginx", "postfix", "cron" };
static const char *const daemon_messages[] = {
	"session opened for user deploy by uid 0, tty pts",
	"worker process exited and was started again, slot",
	"upstream answered after a retry, backend number",
	"link is up and running at full duplex, interface eth",
	"message accepted for delivery, queue identifier",
	"job finished with exit code 0 after waiting for lock",
};

struct line {
	char *p;
	size_t n;
	struct corpus_line *meta;
};

static void put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(l->p + l->n, CORPUS_LINE_MAX - l->n, fmt, ap);
	va_end(ap);
	if (n < 0 || l->n + (size_t)n >= CORPUS_LINE_MAX)
		die("corpus line too long");
	l->n += (size_t)n;
}

static void put_chars(struct line *l, struct rng *r, const char *alphabet, unsigned n)
{
	unsigned size = (unsigned)strlen(alphabet);

	if (l->n + n >= CORPUS_LINE_MAX)
		die("corpus line too long");
	while (n--)
		l->p[l->n++] = alphabet[below(r, size)];
}

/* A letter at least every eighth digit: no run of them may pass for a card number by chance. */
static void put_hex(struct line *l, struct rng *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_chars(l, r, i % 8 == 7 ? "abcdef" : "0123456789abcdef", 1);
}

static void put_time(struct line *l, const char *fmt, uint64_t base_s, uint32_t i)
{
	time_t t = (time_t)(base_s + i / 1000);
	struct tm tm;
	char text[64];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), fmt, &tm);
	put(l, "%s", text);
}

/* Placeholder id: as random as a request id, so that unnumbered files compress honestly. */
static void put_id(struct line *l, struct rng *r)
{
	l->meta->id_at = (uint16_t)l->n;
	l->n += CORPUS_ID_LEN;
	corpus_put_id(l->p + l->meta->id_at, 0, next(r) % 10000000000ULL);
}

static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char upper_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char lower[] = "abcdefghijklmnopqrstuvwxyz";

static void put_card(struct line *l, struct rng *r)
{
	char d[16];
	unsigned sum = 0;

	d[0] = '4';
	for (int i = 1; i < 15; i++)
		d[i] = (char)('0' + below(r, 10));
	for (int i = 0; i < 15; i++) {
		unsigned v = (unsigned)(d[i] - '0') << (i % 2 == 0);
		sum += v > 9 ? v - 9 : v;
	}
	d[15] = (char)('0' + (10 - sum % 10) % 10); /* Luhn */
	const char *gap = below(r, 2) ? " " : "-";
	for (int i = 0; i < 16; i++)
		put(l, "%s%c", i && i % 4 == 0 ? gap : "", d[i]);
}

static void put_secret(struct line *l, struct rng *r)
{
	static const char *const keys[] = { "password", "passwd", "secret", "api_key", "token" };
	static const char *const before[SECRET_KINDS] = { " card ",
							  " mail to ",
							  " peer ",
							  " Authorization: Bearer ",
							  " Authorization: Basic ",
							  NULL,
							  " session ",
							  " aws " };
	struct corpus_line *m = l->meta;
	unsigned kind = below(r, SECRET_KINDS);

	m->secret_kind = (uint16_t)kind;
	if (kind == SECRET_KEY_VALUE)
		put(l, " %s=", PICK(r, keys));
	else
		put(l, "%s", before[kind]);
	m->secret_at = (uint16_t)l->n;
	switch (kind) {
	case SECRET_CARD:
		put_card(l, r);
		break;
	case SECRET_EMAIL:
		put_chars(l, r, lower, between(r, 4, 9));
		put(l, ".");
		put_chars(l, r, lower, between(r, 4, 9));
		put(l, "@example.com");
		break;
	case SECRET_IPV4:
		put(l, "10.%u.%u.%u", below(r, 256), below(r, 256), between(r, 1, 254));
		break;
	case SECRET_BEARER:
		put_chars(l, r, alnum, between(r, 24, 40));
		break;
	case SECRET_BASIC:
		put_chars(l, r, alnum, 4 * between(r, 5, 9));
		break;
	case SECRET_KEY_VALUE:
		put_chars(l, r, alnum, between(r, 8, 16));
		break;
	case SECRET_JWT:
		put(l, "eyJ");
		put_chars(l, r, alnum, 17);
		put(l, ".eyJ");
		put_chars(l, r, alnum, 30);
		put(l, ".");
		put_chars(l, r, alnum, 43);
		break;
	default:
		put(l, "AKIA");
		put_chars(l, r, upper_digits, 16);
		break;
	}
	m->secret_len = (uint16_t)(l->n - m->secret_at);
	put(l, " done");
}

static void make_app(struct line *l, struct rng *r, const struct corpus_options *o, uint32_t i)
{
	const char *service = PICK(r, services);

	put_time(l, "ts=%Y-%m-%dT%H:%M:%S", o->base_time_s, i);
	put(l, ".%03uZ level=%s svc=%s id=", i % 1000, PICK(r, levels), service);
	put_id(l, r);
	put(l, " trace=");
	put_hex(l, r, 16);
	put(l, " method=%s path=/v1/%s/%u status=%s took_ms=%u.%u ", PICK(r, methods),
	    PICK(r, resources), below(r, 100000), PICK(r, statuses), below(r, 400), below(r, 10));
	put(l, "msg=\"%s", PICK(r, messages));
	if (o->kind == CORPUS_R && below(r, 100) < o->hit_percent)
		put_secret(l, r);
	put(l, "\"");
}

static void make_syslog5424(struct line *l, struct rng *r, const struct corpus_options *o,
			    uint32_t i)
{
	put(l, "<%u>1 ", 16 * 8 + between(r, 3, 7));
	put_time(l, "%Y-%m-%dT%H:%M:%S", o->base_time_s, i);
	put(l, ".%03u%03uZ node-%02u.example.net %s %u ID%u ", i % 1000, below(r, 1000),
	    below(r, 24), PICK(r, services), between(r, 300, 32000), between(r, 1, 99));
	put(l, "[meta@32473 request=\"");
	put_hex(l, r, 32);
	put(l, "\" zone=\"eu-%u\" seq=\"%u\"] ", between(r, 1, 3), below(r, 1000000));
	l->meta->msg_at = (uint16_t)l->n;
	put(l, "id=");
	put_id(l, r);
	put(l, " %s, took %u.%u ms", PICK(r, messages), below(r, 400), below(r, 10));
}

static void make_syslog3164(struct line *l, struct rng *r, const struct corpus_options *o,
			    uint32_t i)
{
	put(l, "<%u>", 16 * 8 + between(r, 3, 7));
	put_time(l, "%b %e %H:%M:%S", o->base_time_s, i);
	put(l, " node-%02u %s[%u]: ", below(r, 24), PICK(r, daemons), between(r, 300, 32000));
	l->meta->msg_at = (uint16_t)l->n;
	put(l, "id=");
	put_id(l, r);
	put(l, " %s %u, took %u.%u ms, requests ", PICK(r, daemon_messages), below(r, 1000),
	    below(r, 400), below(r, 10));
	put_hex(l, r, 32);
}

static void make_json(struct line *l, struct rng *r, const struct corpus_options *o, uint32_t i)
{
	const char *service = PICK(r, services);

	put_time(l, "{\"time\":\"%Y-%m-%dT%H:%M:%S", o->base_time_s, i);
	put(l, ".%03uZ\",\"level\":\"%s\",\"service\":\"%s\",\"trace\":\"%08x\",\"id\":\"",
	    i % 1000, PICK(r, levels), service, (unsigned)next(r));
	put_id(l, r);
	put(l,
	    "\",\"logger\":\"com.example.%s.RequestHandler\",\"thread\":\"worker-%u\","
	    "\"request\":{\"method\":\"%s\",\"path\":\"/api/v1/%s/%u\",\"status\":%s},"
	    "\"duration_ms\":%u.%u,\"message\":\"%s\"}",
	    service, below(r, 16), PICK(r, methods), PICK(r, resources), below(r, 100000),
	    PICK(r, statuses), below(r, 400), below(r, 10), PICK(r, messages));
}

bool corpus_option(struct corpus_options *o, const char *arg, const char *value)
{
	static const char *const names[] = { "A", "S5", "S3", "J", "R" };

	if (!strcmp(arg, "--corpus")) {
		for (unsigned i = 0; i < 5; i++) {
			if (!strcmp(value, names[i])) {
				o->kind = (enum corpus_kind)i;
				return true;
			}
		}
		die("--corpus: one of A, S5, S3, J, R, not %s", value);
	}
	if (!strcmp(arg, "--seed"))
		o->seed = parse_size(arg, value);
	else if (!strcmp(arg, "--hits"))
		o->hit_percent = (unsigned)parse_size(arg, value);
	else if (!strcmp(arg, "--base-time"))
		o->base_time_s = parse_size(arg, value);
	else
		return false;
	return true;
}

void corpus_init(struct corpus *c, const struct corpus_options *o)
{
	size_t used = 0, cap = (size_t)CORPUS_PERIOD * 320;

	c->bytes = xmalloc(cap);
	c->lines = xmalloc(CORPUS_PERIOD * sizeof(c->lines[0]));
	memset(c->lines, 0, CORPUS_PERIOD * sizeof(c->lines[0]));
	for (uint32_t i = 0; i < CORPUS_PERIOD; i++) {
		if (cap - used < CORPUS_LINE_MAX)
			c->bytes = xrealloc(c->bytes, cap *= 2);
		struct rng r = { o->seed * 0x2545f4914f6cdd1dULL + i };
		struct line l = { .p = c->bytes + used, .meta = &c->lines[i] };
		if (o->kind == CORPUS_S5)
			make_syslog5424(&l, &r, o, i);
		else if (o->kind == CORPUS_S3)
			make_syslog3164(&l, &r, o, i);
		else if (o->kind == CORPUS_J)
			make_json(&l, &r, o, i);
		else
			make_app(&l, &r, o, i);
		l.meta->at = (uint32_t)used;
		l.meta->len = (uint16_t)l.n;
		used += l.n;
	}
	c->mean_len = (double)used / CORPUS_PERIOD;
}

void corpus_fini(struct corpus *c)
{
	free(c->bytes);
	free(c->lines);
}

const struct corpus_line *corpus_get(const struct corpus *c, unsigned source, uint64_t id)
{
	return &c->lines[(id + source * UINT64_C(40503)) % CORPUS_PERIOD];
}

void corpus_put_id(char *out, unsigned source, uint64_t number)
{
	out[0] = 's';
	out[1] = (char)('0' + source / 100 % 10);
	out[2] = (char)('0' + source / 10 % 10);
	out[3] = (char)('0' + source % 10);
	out[4] = 'n';
	for (int i = 14; i >= 5; i--, number /= 10)
		out[i] = (char)('0' + number % 10);
}

bool corpus_get_id(const char *p, unsigned *source, uint64_t *number)
{
	uint64_t n = 0;
	unsigned s = 0;

	if (p[0] != 's' || p[4] != 'n')
		return false;
	for (int i = 1; i < 4; i++) {
		unsigned d = (unsigned)(unsigned char)p[i] - '0';
		if (d > 9)
			return false;
		s = s * 10 + d;
	}
	for (int i = 5; i < 15; i++) {
		unsigned d = (unsigned)(unsigned char)p[i] - '0';
		if (d > 9)
			return false;
		n = n * 10 + d;
	}
	*source = s;
	*number = n;
	return true;
}
