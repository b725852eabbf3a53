/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY protocol headers, and the table of senders with its rates. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/peer.h"
#include "lib/proxy.h"
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/net.h"
#include "tests/unit/test.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct row {
	struct str bytes;
	enum proxy_result result;
	size_t rest; /* behind the header */
	const char *peer;
};

static const struct row rows[] = {
	{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 514\r\n<13>x"), PROXY_OK, 5,
	  "192.0.2.1:56324" },
	{ STR("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), PROXY_OK, 0, "[2001:db8::1]:1" },
	{ STR("PROXY UNKNOWN\r\n"), PROXY_OK, 0, "unix" },
	{ STR("PROXY UNKNOWN ffff:f...f:ffff x y z\r\nab"), PROXY_OK, 2, "unix" },
	{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 514\n"), PROXY_BAD },
	{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"), PROXY_BAD },
	{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n"), PROXY_BAD },
	{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n"), PROXY_BAD },
	{ STR("PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n"), PROXY_BAD },
	{ STR("PROXY TCP4 192.0.2.1 host 1 2\r\n"), PROXY_BAD },
	{ STR("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n"), PROXY_BAD },
	{ STR("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), PROXY_BAD },
	{ STR("<13>text"), PROXY_BAD },
	{ STR("PROXY\r\n"), PROXY_BAD },
	/* Longer than a header of version 1 can be. */
	{ STR("PROXY UNKNOWN "
	      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	      "xxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
	  PROXY_BAD },
	{ STR(V2 "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x02\x02<13>"), PROXY_OK, 4,
	  "192.0.2.1:56324" },
	{ STR(V2 "\x21\x12\0\x0f\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x02\x02\x04\0\0"), PROXY_OK,
	  0, "192.0.2.1:56324" }, /* datagrams, a TLV */
	{ STR(V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0"
		 "\0\0\0"
		 "\0\0\0\0\x02\0\x01\0\x02"),
	  PROXY_OK, 0, "[2001:db8::1]:1" },
	{ STR(V2 "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x02\x02"), PROXY_OK, 0,
	  "unix" },
	{ STR(V2 "\x20\0\0\0x"), PROXY_OK, 1, "unix" }, /* LOCAL */
	{ STR(V2 "\x21\x31\0\0"), PROXY_OK, 0, "unix" },
	{ STR(V2 "\x11\x11\0\x0c"), PROXY_BAD },   /* version 1 */
	{ STR(V2 "\x22\x11\0\x0c"), PROXY_BAD },   /* no such command */
	{ STR(V2 "\x21\x11\xff\xff"), PROXY_BAD }, /* longer than we take */
	{ STR(V2 "\x21\x11\0\x04"
		 "abcd"),
	  PROXY_BAD },
	{ STR(V2 "\x21\x21\0\x0c"
		 "abcdabcdabcd"),
	  PROXY_BAD },
};

static void headers(void)
{
	char text[NET_ADDR_TEXT];
	struct proxy got;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		size_t n = r->bytes.n - r->rest;

		ROW(r->bytes.p);
		EQ_INT(proxy_parse(r->bytes, &got), r->result);
		if (r->result != PROXY_OK)
			continue;
		EQ_INT(got.used, n);
		net_addr_text(&got.peer, true, text);
		EQ_STR(str_c(text), r->peer);
		for (size_t k = 0; k < n; k++)
			EQ_INT(proxy_parse(str_sub(r->bytes, 0, k), &got), PROXY_MORE);
	}
}

static struct cidr_addr number(uint32_t n)
{
	struct cidr_addr a = { .bytes = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.bytes + 12, &n, sizeof(n));
	return a;
}

static void rates(void)
{
	struct cidr_addr a = number(1), b = number(2);
	struct peers p;
	struct peer *one, *two;
	int64_t now_ns = 1000 * NS_PER_S;
	unsigned passed = 0;

	peers_init(&p, 100, 64);
	one = peers_get(&p, &a, now_ns);
	one->nrefs++;
	two = peers_get(&p, &b, now_ns);
	two->nrefs++;
	OK(one != two && peers_get(&p, &a, now_ns) == one);
	/* A burst of one second, then 100 a second, and the other has its own. */
	for (int ms = 0; ms < 3000; ms++)
		passed += peer_try(&p, one, now_ns + ms * NS_PER_MS);
	OK(passed >= 398 && passed <= 401);
	OK(peer_try(&p, two, now_ns));
	/* What was taken together is waited for. */
	now_ns += 100 * NS_PER_S;
	EQ_INT(peer_take(&p, one, 100, now_ns), 0);
	OK(peer_take(&p, one, 200, now_ns) / NS_PER_MS == 2000);
	now_ns += 2 * NS_PER_S + NS_PER_MS;
	EQ_INT(peer_take(&p, one, 0, now_ns), 0);
	peers_fini(&p);

	peers_init(&p, 0, 64);
	one = peers_get(&p, &a, now_ns);
	for (int i = 0; i < 1000; i++)
		OK(peer_try(&p, one, now_ns) && peer_take(&p, one, 1000, now_ns) == 0);
	peers_fini(&p);
}

static struct cidr_addr parsed(const char *text)
{
	struct cidr c;

	OK(cidr_parse(str_c(text), &c));
	return c.addr;
}

static void networks_are_peers(void)
{
	static const struct {
		const char *a, *b;
		unsigned bits;
		bool is_same;
	} pairs[] = {
		{ "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 64, true },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", 64, false },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", 48, true },
		{ "2001:db8:1:2::1", "2001:db8:1:2::2", 128, false },
		{ "fe80::1", "fe80::2", 64, false },
		{ "192.0.2.1", "192.0.2.2", 64, false },
		{ "192.0.2.1", "192.0.2.1", 64, true },
		{ "192.0.2.1", "::1", 64, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct cidr_addr a = parsed(pairs[i].a), b = parsed(pairs[i].b);
		struct peers p;
		struct peer *one;

		peers_init(&p, 1, pairs[i].bits);
		one = peers_get(&p, &a, 0);
		one->nrefs++;
		EQ_INT(peers_get(&p, &b, 0) == one, pairs[i].is_same);
		peers_fini(&p);
	}
}

/* Forged addresses by the million take bounded memory, and those that have connections stay. */
static void many(void)
{
	int64_t now_ns = NS_PER_S;
	struct cidr_addr mine = number(0xffffffff);
	struct peers p;
	struct peer *me;

	peers_init(&p, 1, 64);
	me = peers_get(&p, &mine, now_ns);
	me->nrefs++;
	for (uint32_t i = 0; i < 100000; i++) {
		struct cidr_addr a = number(i);

		peer_try(&p, peers_get(&p, &a, now_ns), now_ns);
		if (p.map.n > PEERS_MAX)
			FAIL("%zu entries", p.map.n);
	}
	EQ_INT(p.map.n, PEERS_MAX);
	OK(peers_get(&p, &mine, now_ns) == me);
	/* Later nobody owes anything. */
	now_ns += 10 * NS_PER_S;
	mine = number(0xfffffffe);
	OK(peers_get(&p, &mine, now_ns) != &p.crowd);
	EQ_INT(p.map.n, 2);
	peers_fini(&p);
}

int main(void)
{
	RUN(headers);
	RUN(rates);
	RUN(networks_are_peers);
	RUN(many);
	return test_end();
}
