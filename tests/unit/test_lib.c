/* SPDX-License-Identifier: Apache-2.0 */
/* The substrate: strings, numbers, UTF-8, buffers, rings, loops. */
#include <pthread.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/ring.h"
#include "lib/utf8.h"
#include "tests/unit/test.h"

static void sizes(void)
{
	static const struct row {
		const char *in;
		bool ok;
		uint64_t want;
	} rows[] = {
		{ "0", true, 0 },
		{ "512", true, 512 },
		{ "64KiB", true, 65536 },
		{ "8kb", true, 8192 },
		{ "1 MiB", true, 1048576 },
		{ "2G", true, 2147483648 },
		{ "1.5MB", false, 0 },
		{ "-1", false, 0 },
		{ "", false, 0 },
		{ "12x", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "16777216TiB", false, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t got = 0;

		ROW(rows[i].in);
		EQ_INT(str_size(str_c(rows[i].in), &got), rows[i].ok);
		if (rows[i].ok)
			EQ_INT(got, rows[i].want);
	}
}

static void durations(void)
{
	static const struct row {
		const char *in;
		bool ok;
		int64_t want;
	} rows[] = {
		{ "0", true, 0 },
		{ "5m", true, 300 * NS_PER_S },
		{ "1h30m", true, 5400 * NS_PER_S },
		{ "1.5s", true, 1500000000 },
		{ "250ms", true, 250000000 },
		{ "7d", true, 7 * 86400 * NS_PER_S },
		{ "10", false, 0 },
		{ "5x", false, 0 },
		{ "", false, 0 },
		{ "9999999999h", false, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t got = 0;

		ROW(rows[i].in);
		EQ_INT(str_duration(str_c(rows[i].in), &got), rows[i].ok);
		if (rows[i].ok)
			EQ_INT(got, rows[i].want);
	}
}

static void numbers(void)
{
	uint64_t u = 0;
	int64_t i = 0;

	OK(str_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
	OK(!str_u64(STR("18446744073709551616"), &u));
	OK(!str_u64(STR("+1"), &u) && !str_u64(STR(""), &u));
	OK(str_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
	OK(!str_i64(STR("9223372036854775808"), &i));
	OK(!str_i64(STR("-"), &i));
	EQ_INT(str_distance(STR("path"), STR("paths"), 3), 1);
	EQ_INT(str_distance(STR("pahts"), STR("paths"), 3), 2);
	EQ_INT(str_distance(STR("abc"), STR("xyzw"), 2), 3);
}

static void cutting(void)
{
	struct str s = STR("a,b,,c");

	EQ_STR(str_cut(&s, ','), "a");
	EQ_STR(str_cut(&s, ','), "b");
	EQ_STR(str_cut(&s, ','), "");
	EQ_STR(str_cut(&s, ','), "c");
	OK(s.p == NULL);
	EQ_STR(str_trim(STR(" \t x y\r\n")), "x y");
	EQ_INT(str_find(STR("hello"), STR("llo")), 2);
	EQ_INT(str_find(STR("hello"), STR("lx")), 5);
}

/* One bad byte at every place of texts of every short length, in memory of the exact size. */
static void utf8_places(void)
{
	for (size_t n = 0; n <= 80; n++) {
		char *p = mem_alloc(n ? n : 1);

		memset(p, 'a', n);
		EQ_INT(utf8_valid_prefix(str_make(p, n)), n);
		for (size_t i = 0; i < n; i++) {
			p[i] = '\xff';
			EQ_INT(utf8_valid_prefix(str_make(p, n)), i);
			p[i] = '\xc3'; /* the first half of a character */
			EQ_INT(utf8_valid_prefix(str_make(p, n)), i);
			if (i + 1 < n) {
				p[i + 1] = '\xa4';
				EQ_INT(utf8_valid_prefix(str_make(p, n)), n);
				p[i + 1] = 'a';
			}
			p[i] = 'a';
		}
		mem_free(p);
	}
}

static void utf8(void)
{
	static const struct row {
		const char *name, *in, *want;
	} rows[] = {
		{ "ascii", "plain", "plain" },
		{ "valid", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80",
		  "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80" },
		{ "lone byte",
		  "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b" },
		{ "overlong", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "cut", "x\xe2\x82", "x\xef\xbf\xbd" },
		{ "cut then text",
		  "\xe2\x82"
		  "abc",
		  "\xef\xbf\xbd"
		  "abc" },
		{ "behind 32 ascii bytes", "0123456789012345678901234567890123456789\xfe!",
		  "0123456789012345678901234567890123456789\xef\xbf\xbd!" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str in = str_c(rows[i].in);
		char out[256];

		ROW(rows[i].name);
		EQ_INT(utf8_repaired_size(in), strlen(rows[i].want));
		EQ_STR(utf8_repair(in, out), rows[i].want);
	}
	EQ_INT(utf8_cut(STR("ab\xe2\x82\xac"), 4), 2);
	EQ_INT(utf8_cut(STR("ab\xe2\x82\xac"), 5), 5);
	EQ_INT(utf8_cut(STR("abc"), 2), 2);
}

static void buffers(void)
{
	struct buf b = { .max = 16 };

	buf_json_str(&b, STR("a\"\n\x01\xff"));
	EQ_STR(buf_as_str(&b), "\"a\\\"\\n\\u0001\xef\xbf\xbd\"");
	buf_clear(&b);
	buf_c(&b, "12345678");
	buf_c(&b, "123456789");
	OK(b.is_cut);
	EQ_STR(buf_as_str(&b), "12345678");
	buf_fini(&b);
}

static void arenas(void)
{
	struct arena a = ARENA_INIT;
	struct str s = arena_dup(&a, STR("kept"));
	char *p;

	for (int i = 0; i < 1000; i++)
		memset(arena_alloc(&a, 1000), i, 1000);
	EQ_STR(s, "kept");
	OK(((uintptr_t)arena_alloc(&a, 1) & 15) == 0);
	p = arena_room(&a, 100);
	memcpy(p, "tail", 4);
	arena_take(&a, 4);
	OK(arena_bytes(&a, 1) == p + 4);
	arena_reset(&a);
	OK(a.bytes == ARENA_CHUNK_BYTES && !a.chunks->next);
	OK(arena_bytes(&a, 1) == (char *)(a.chunks + 1));
	arena_alloc(&a, 2 * ARENA_CHUNK_BYTES);
	arena_reset(&a);
	OK(a.bytes == 0);
	arena_fini(&a);
	EQ_INT(a.bytes, 0);
}

#define RING_ITEMS 200000

static void *produce(void *arg)
{
	struct ring *r = arg;

	for (uintptr_t i = 1; i <= RING_ITEMS;)
		if (ring_push(r, (void *)i))
			i++;
	return NULL;
}

static void rings(void)
{
	uintptr_t want = 1, got;
	pthread_t thread;
	struct ring r;

	ring_init(&r, 100);
	pthread_create(&thread, NULL, produce, &r);
	while (want <= RING_ITEMS) {
		got = (uintptr_t)ring_pop(&r);
		if (got && got != want++)
			break;
	}
	pthread_join(thread, NULL);
	EQ_INT(want, RING_ITEMS + 1);
	OK(ring_is_empty(&r));
	ring_fini(&r);
}

static struct loop *loop;
static int expired_order[4], nexpired, nmail;
static struct timer timers[4];

static void on_timer(struct timer *t)
{
	expired_order[nexpired++] = (int)(t - timers);
	if (nexpired == 3)
		loop_stop(loop);
}

struct letter {
	struct mail mail;
	int number;
};

static void on_mail(struct mail *m)
{
	struct letter *l = (struct letter *)m;

	OK(l->number == nmail);
	nmail++;
	mem_free(l);
	if (nmail == 1000)
		loop_stop(loop);
}

static void *post(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		struct letter *l = mem_zalloc(sizeof(*l));

		l->number = i;
		loop_post(loop, &l->mail, on_mail);
	}
	return NULL;
}

static void loops(void)
{
	pthread_t thread;
	int64_t from_ns;

	loop = loop_new("test");
	from_ns = loop_now_ns(loop);
	loop_timer_set(loop, &timers[0], from_ns + 3 * NS_PER_MS, on_timer);
	loop_timer_set(loop, &timers[1], from_ns + 1 * NS_PER_MS, on_timer);
	loop_timer_set(loop, &timers[2], from_ns + 2 * NS_PER_MS, on_timer);
	loop_timer_set(loop, &timers[3], from_ns + 1 * NS_PER_MS, on_timer);
	loop_timer_del(loop, &timers[3]);
	loop_run(loop);
	EQ_INT(nexpired, 3);
	EQ_INT(expired_order[0], 1);
	EQ_INT(expired_order[1], 2);
	EQ_INT(expired_order[2], 0);
	pthread_create(&thread, NULL, post, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
	EQ_INT(nmail, 1000);
	loop_free(loop);
}

#define GIFTS 30
#define GIFT_ROUNDS 100

static struct loop *other;
static int ngiven, patience;
static _Atomic int ntaken;

static void on_gift(struct mail *m)
{
	mem_free(m);
	if (atomic_fetch_add(&ntaken, 1) + 1 == GIFTS * GIFT_ROUNDS)
		loop_stop(other);
}

/* The other loop has nothing else to do: it must be woken for every round of gifts, and for the last
 * one before it is waited for. */
static void give(struct timer *t)
{
	if (atomic_load(&ntaken) == ngiven) {
		for (int i = 0; i < GIFTS; i++)
			loop_post(other, mem_zalloc(sizeof(struct mail)), on_gift);
		ngiven += GIFTS;
	}
	if (ngiven < GIFTS * GIFT_ROUNDS && --patience) {
		loop_timer_in(loop, t, NS_PER_MS / 4, give);
		return;
	}
	loop_join(other);
	loop_stop(loop);
}

static void loops_that_wake_each_other(void)
{
	struct timer t = { 0 };

	loop = loop_new("giver");
	other = loop_new("taker");
	loop_start(other);
	patience = 40000;
	loop_timer_in(loop, &t, 0, give);
	loop_run(loop);
	OK(patience > 0);
	EQ_INT(atomic_load(&ntaken), GIFTS * GIFT_ROUNDS);
	loop_free(other);
	loop_free(loop);
}

int main(void)
{
	RUN(sizes);
	RUN(durations);
	RUN(numbers);
	RUN(cutting);
	RUN(utf8);
	RUN(utf8_places);
	RUN(buffers);
	RUN(arenas);
	RUN(rings);
	RUN(loops);
	RUN(loops_that_wake_each_other);
	return test_end();
}
