/* SPDX-License-Identifier: Apache-2.0 */
/* Finding what Loki refused: what it costs in requests, and where it ends up. */
#include "loki_world.h"

#include <sys/stat.h>

#include "outputs/loki/letter.h"

static struct world w;

/* Judges that are worse to work with than the real one. */
enum { HONEST, SILENT, NAMES_THE_STREAM, ADDS_SERVICE_NAME, BAD_LABELS_REFUSE_ALL, METADATA_500 };

/* Entries that are bad; their streams in *ret_streams. */
static size_t bad_entries(const struct push *p, bool by_labels)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += by_labels ? is_bad_stream(p->entries[i].labels)
			       : is_bad_line(p->entries[i].line);
	return n;
}

static int judge_by_kind(struct world *world, const struct push *p, struct buf *text)
{
	int status;

	switch (world->kind) {
	case SILENT: /* stores the good ones, and does not say which were bad, nor how many */
		status = judge_honestly(world, p, text);
		buf_clear(text);
		return status;
	case NAMES_THE_STREAM: /* the ingester's way: one stream, no count */
		status = judge_honestly(world, p, text);
		if (status != 204) {
			struct str first = STR_NONE;

			for (size_t i = 0; i < p->n && !first.n; i++)
				if (is_bad_line(p->entries[i].line))
					first = p->entries[i].labels;
			buf_clear(text);
			buf_printf(text, "something new about stream '" STR_FMT "'\n",
				   STR_ARG(first));
		}
		return status;
	case ADDS_SERVICE_NAME:
		status = judge_honestly(world, p, text);
		if (status != 204) {
			buf_clear(text);
			buf_c(text, "entry for stream '{job=\"bad\", service_name=\"bad\"}' has "
				    "timestamp "
				    "too old: A\n");
		}
		return status;
	case BAD_LABELS_REFUSE_ALL: /* a label text that does not parse: nothing is stored */
		if (!bad_entries(p, true))
			return judge_honestly(world, p, text);
		buf_c(text, "couldn't parse labels: 1:4: parse error: unexpected \"b\"\n");
		return 400;
	case METADATA_500:
		if (!bad_entries(p, false))
			return judge_honestly(world, p, text);
		buf_c(text, "normalization for label name \"_\" resulted in invalid name \"_\"\n");
		return 500;
	default:
		return judge_honestly(world, p, text);
	}
}

static unsigned log2_up(uint64_t n)
{
	return n < 2 ? 0 : (unsigned)(64 - __builtin_clzll(n - 1));
}

/* n entries over nstreams, of which the ones in bad[] are refused; returns the requests it took. */
static unsigned cost(const char *name, int kind, uint64_t n, unsigned nstreams, const uint32_t *bad,
		     size_t nbad)
{
	struct batch *b;

	world_init(&w, name, (struct world_conf){ 0 });
	w.judge = judge_by_kind;
	w.kind = kind;
	b = world_batch(&w);
	for (uint32_t i = 0; i < n; i++) {
		bool is_bad = false;
		char line[40], job[24];

		for (size_t j = 0; j < nbad; j++)
			is_bad |= bad[j] == i;
		snprintf(line, sizeof(line), "%s %u", is_bad ? "BAD" : "good", i);
		snprintf(job, sizeof(job), "job%u", i % nstreams);
		world_add(&w, b, job, NULL, line);
	}
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
	EQ_INT(metric_value(w.flow->delivered), n - nbad);
	EQ_INT(w.nstored, n - nbad);
	EQ_INT(w.flow->dropped_total, nbad);
	EQ_INT(count_lines(world_dead_letters(&w)), nbad);
	EQ_INT(w.settled, 1);
	OK(w.max_calls == 1);
	world_fini(&w);
	return w.requests;
}

static void bound_on_requests(void)
{
	static const uint64_t sizes[] = { 1, 2, 3, 7, 64, 1000 };
	static const int kinds[] = { HONEST, SILENT, NAMES_THE_STREAM, METADATA_500 };
	uint32_t bad[64];
	uint64_t random = 1;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
			for (unsigned nstreams = 1; nstreams <= 100; nstreams *= 10) {
				uint64_t n = sizes[s];
				size_t nbad = n < 3 ? 1 : n < 64 ? 2 : 5;
				unsigned took, most;
				char row[64];

				for (size_t i = 0; i < nbad; i++) {
					random = random * 6364136223846793005u + 1;
					bad[i] = (uint32_t)((random >> 33) % (n / nbad) +
							    i * (n / nbad));
				}
				snprintf(row, sizeof(row), "kind %d, %d of %d in %u streams",
					 kinds[k], (int)nbad, (int)n, nstreams);
				ROW(row);
				took = cost("bound", kinds[k], n, nstreams, bad, nbad);
				most = 1 + (unsigned)nbad * (2 * log2_up(n) + 2);
				if (took > most)
					FAIL("%u requests, at most %u are allowed", took, most);
			}
		}
	}
}

static void a_lone_bad_entry(void)
{
	static const uint32_t bad[] = { 617 };

	EQ_INT(cost("lone", HONEST, 1000, 1, bad, 1), 21); /* 1 + 2 log2(1000) */
	EQ_INT(cost("first", HONEST, 1, 1, (uint32_t[]){ 0 }, 1), 1);
}

/* "5 errors like" of 5 entries: that is all of them, and no further question. */
static void all_refused_costs_one_request(void)
{
	uint32_t bad[500];

	for (uint32_t i = 0; i < 500; i++)
		bad[i] = i;
	EQ_INT(cost("all", HONEST, 500, 1, bad, 500), 1);
	EQ_INT(cost("all-streams", HONEST, 500, 7, bad, 500), 1);
	/* The first half: some questions until it stands alone. */
	OK(cost("half", HONEST, 1000, 1, bad, 500) <= 3);
	OK(cost("third", HONEST, 1500, 1, bad, 500) <= 2 * 11 + 1);
}

static void labels_are_refused_whole(void)
{
	static const int kinds[] = { HONEST, BAD_LABELS_REFUSE_ALL };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (int nblocks = 1; nblocks <= 4; nblocks += 3) {
			world_init(&w, "labels", (struct world_conf){ 0 });
			w.judge = judge_by_kind;
			w.kind = kinds[k];
			for (int j = 0; j < nblocks; j++) {
				struct batch *b = world_batch(&w);

				for (int i = 0; i < 1000; i++) {
					char job[24];

					snprintf(job, sizeof(job),
						 i % 10 == 3 ? "badlabels" : "job%d", i % 10);
					world_add(&w, b, job, NULL, "line");
				}
				world_give(&w, b, j == nblocks - 1);
			}
			EQ_INT(world_drain(&w), true);
			/* The stream named is taken out at once, or found among 10. */
			EQ_INT(w.nstored, nblocks * 900);
			EQ_INT(count_lines(world_dead_letters(&w)), nblocks * 100);
			OK(w.requests <= (kinds[k] == HONEST ? 3 : 2 * 4 + 1));
			world_fini(&w);
		}
	}
}

static void a_stream_named_with_service_name(void)
{
	struct batch *b;

	world_init(&w, "service-name", (struct world_conf){ 0 });
	w.judge = judge_by_kind;
	w.kind = ADDS_SERVICE_NAME;
	b = world_batch(&w);
	for (int i = 0; i < 1000; i++) {
		world_add(&w, b, "good", NULL, "line");
		if (i < 4)
			world_add(&w, b, "bad", NULL, i == 2 ? "BAD" : "line");
	}
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.requests, 3 + 2 * 2); /* all; the 1000; the 4: 2 and 2, 1 and 1 */
	world_fini(&w);
}

/* The parts of a refused request go before anything newer of their stream. */
static int judge_and_look(struct world *world, const struct push *p, struct buf *text)
{
	int64_t ended = metric_value(world->flow->delivered) + world->flow->dropped_total;

	for (size_t i = 0; i < p->n; i++)
		if (str_is(p->entries[i].line, "newer"))
			EQ_INT(ended, 100);
	return judge_by_kind(world, p, text);
}

static void a_split_is_finished_first(void)
{
	struct batch *b;

	world_init(&w, "finished", (struct world_conf){ 0 });
	w.judge = judge_and_look;
	w.kind = SILENT;
	b = world_batch(&w);
	for (int i = 0; i < 100; i++)
		world_add(&w, b, NULL, NULL, i == 50 ? "BAD" : "older");
	world_give(&w, b, true);
	loop_once(w.loop, 0);
	b = world_batch(&w);
	world_add(&w, b, NULL, NULL, "newer");
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 100);
	world_fini(&w);
}

static int judge_size(struct world *world, const struct push *p, struct buf *text)
{
	if (p->raw.n <= (size_t)world->kind)
		return judge_honestly(world, p, text);
	buf_c(text, "request body too large\n");
	return 413;
}

static void too_large_is_halved(void)
{
	static char line[10000], giant[200000];
	unsigned before;

	memset(line, 'x', sizeof(line) - 1);
	memset(giant, 'x', sizeof(giant) - 1);
	world_init(&w, "413", (struct world_conf){ .request_bytes = 1000000 });
	w.judge = judge_size;
	w.kind = 150000;
	for (int i = 0; i < 90; i++) {
		struct batch *b = world_batch(&w);

		world_add(&w, b, NULL, NULL, i == 70 ? giant : line);
		world_give(&w, b, i == 89);
	}
	EQ_INT(world_drain(&w), true);
	EQ_INT(w.nstored, 89);
	OK(world_is_in_order(&w));
	EQ_INT(w.flow->dropped_total, 1);
	OK(str_find(world_dead_letters(&w),
		    STR("\"status\":413,\"reason\":\"request body too large\"")) <
	   world_dead_letters(&w).n);
	/* It has learned. */
	before = w.requests;
	for (int i = 0; i < 90; i++) {
		struct batch *b = world_batch(&w);

		world_add(&w, b, NULL, NULL, line);
		world_give(&w, b, i == 89);
	}
	EQ_INT(world_drain(&w), true);
	OK(w.requests - before <= 10);
	EQ_INT(w.nstored, 179);
	world_fini(&w);
}

/* Dead letters */

static int refuse_all(struct world *world, const struct push *p, struct buf *text)
{
	(void)world;
	for (size_t i = 0; i < p->n; i++)
		buf_c(text, i ? "; " : "");
	buf_clear(text);
	buf_printf(text,
		   "%d errors like: entry for stream '{job=\"x\"}' has timestamp too old: \"A\"\n",
		   (int)p->n);
	return 400;
}

static void bury(const char *line, size_t n)
{
	struct batch *b = world_batch(&w);

	for (size_t i = 0; i < n; i++)
		world_add(&w, b, NULL, NULL, line);
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
}

static void dead_letters_say_why(void)
{
	struct batch *b;
	struct rec *r;
	struct stat st;

	world_init(&w, "letters", (struct world_conf){ 0 });
	w.judge = refuse_all;
	b = world_batch(&w);
	r = world_add(&w, b, "a\"b", "acme", "line \"1\"\n\t\303\274");
	rec_attr(b, r, key_intern(STR("trace")), ATTR_META, ATTR_STRING, STR("x\\y"));
	r->flags = REC_CUT;
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
	EQ_STR(world_dead_letters(&w),
	       "{\"time\":\"2026-11-21T15:45:44.000000000Z\",\"tenant\":\"acme\","
	       "\"labels\":\"{job=\\\"a\\\\\\\"b\\\"}\",\"line\":\"line \\\"1\\\"\\n\\t\303\274\","
	       "\"metadata\":{\"trace\":\"x\\\\y\",\"tailrace_flags\":\"cut\"},\"status\":400,"
	       "\"reason\":\"1 errors like: entry for stream '{job=\\\"x\\\"}' has timestamp too "
	       "old: \\\"A\\\"\"}\n");
	OK(stat(deadletter_path(w.dead), &st) == 0 && (st.st_mode & 0777) == 0600);
	EQ_INT(metric_value(metric_get(METRIC_DROPPED, "pipeline", w.flow->pipeline, "output",
				       w.flow->output, "reason", "loki_too_old", NULL)),
	       1);
	EQ_INT(metric_value(metric_get(METRIC_DEAD_LETTERS, "output", w.flow->output, NULL)), 1);
	world_fini(&w);
}

static void dead_letters_are_bounded(void)
{
	struct metric *lost;
	struct stat st;

	world_init(&w, "bounded", (struct world_conf){ .dead_bytes = 10000 });
	w.judge = refuse_all;
	lost = metric_get(METRIC_DEAD_LETTER_DROPPED, "output", w.flow->output, NULL);
	bury("a line that goes nowhere", 10);
	EQ_INT(metric_value(lost), 0);
	bury("a line that goes nowhere", 100);
	OK(metric_value(lost) > 50);
	OK(stat(deadletter_path(w.dead), &st) == 0 && st.st_size <= 10000 && st.st_size > 9000);
	EQ_INT(count_lines(world_dead_letters(&w)) + (size_t)metric_value(lost), 110);
	/* Moved away: there is room again. */
	unlink(deadletter_path(w.dead));
	bury("a line that goes nowhere", 10);
	EQ_INT(count_lines(world_dead_letters(&w)), 10);
	world_fini(&w);
}

/* Several files: the oldest letters make room, and are counted. */
static void dead_letters_are_rotated(void)
{
	struct metric *lost;
	struct buf path = BUF_INIT;
	size_t kept = 0;

	world_init(&w, "rotated", (struct world_conf){ .dead_bytes = 12000, .dead_files = 3 });
	w.judge = refuse_all;
	lost = metric_get(METRIC_DEAD_LETTER_DROPPED, "output", w.flow->output, NULL);
	bury("first", 20);
	EQ_INT(metric_value(lost), 0);
	bury("a line that goes nowhere", 200);
	bury("the last line", 1);
	OK(metric_value(lost) > 100);
	OK(str_find(world_dead_letters(&w), STR("the last line")) < world_dead_letters(&w).n);
	for (unsigned i = 4; i-- > 0;) {
		FILE *f;
		int c;

		deadletter_file(w.dead, i, &path);
		f = fopen(path.p, "r");
		EQ_INT(f != NULL, i < 3);
		while (f && (c = getc(f)) != EOF)
			kept += c == '\n';
		OK(!f || ftell(f) <= 4000);
		if (f)
			fclose(f);
		if (i)
			unlink(path.p);
	}
	EQ_INT(kept + (size_t)metric_value(lost), 221);
	buf_fini(&path);
	world_fini(&w);
}

/* What is in the way is said at the start, not when the first letter is lost. */
static void the_path_is_checked(void)
{
	char dir[] = "/tmp/tailrace-test-XXXXXX", path[128];
	struct err err = ERR_NONE;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dead-letters", dir);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/dead-letters/x.jsonl", dir);
	CHECK(mkdir(path, 0700) == 0);
	OK(!deadletter_new(dir, "x", 1000, 1, &err));
	OK(str_find(str_c(err.text), STR("a directory")) < strlen(err.text));
	OK(str_find(str_c(err.where), STR("x.jsonl")) < strlen(err.where));
	rmdir(path);
	CHECK(symlink("/dev/null", path) == 0);
	err = ERR_NONE;
	OK(!deadletter_new(dir, "x", 1000, 1, &err) && err.text[0]);
	unlink(path);
	snprintf(path, sizeof(path), "%s/dead-letters", dir);
	rmdir(path);
	rmdir(dir);
}

/* A letter read back is the entry it was. */
static void letters_are_read_back(void)
{
	static const char *const bad[] = {
		"",
		"x",
		"{}",
		"[]",
		"{\"time\":\"2026-11-21T15:45:44.000000000Z\",\"line\":\"x\"}",
		("{\"time\":\"2026-13-21T15:45:44.000000000Z\",\"labels\":\"{a=\\\"b\\\"}\","
		 "\"line\":\"x\"}"),
		"{\"time\":\"yesterday\",\"labels\":\"{a=\\\"b\\\"}\",\"line\":\"x\"}",
	};
	struct arena arena = ARENA_INIT;
	struct letter l;
	struct str rest, bytes, name, value;
	struct push_entry e;
	struct buf out = BUF_INIT;
	struct batch *b;
	struct rec *r;

	world_init(&w, "letters", (struct world_conf){ 0 });
	w.judge = refuse_all;
	b = world_batch(&w);
	r = world_add(&w, b, "a\"b", "acme", "line \"1\"\n\t\303\274");
	r->time_ns += 123456789;
	rec_attr(b, r, key_intern(STR("trace")), ATTR_META, ATTR_STRING, STR("x\\y"));
	rec_attr(b, r, key_intern(STR("other")), ATTR_META, ATTR_STRING, STR("{,:}\""));
	world_give(&w, b, true);
	EQ_INT(world_drain(&w), true);
	rest = world_dead_letters(&w);
	OK(letter_read(str_cut(&rest, '\n'), &arena, &l));
	EQ_INT(l.time_ns, T0 + 123456789);
	EQ_STR(l.labels, "{job=\"a\\\"b\"}");
	EQ_STR(l.tenant, "acme");
	EQ_INT(l.status, 400);
	letter_encode(&l, &arena, &out);
	bytes = buf_as_str(&out);
	OK(push_next_entry(&bytes, &e) && bytes.n == 0);
	EQ_INT(e.time_ns, T0 + 123456789);
	EQ_STR(e.line, "line \"1\"\n\t\303\274");
	OK(push_next_pair(&e.meta, &name, &value));
	EQ_STR(name, "trace");
	EQ_STR(value, "x\\y");
	OK(push_next_pair(&e.meta, &name, &value));
	EQ_STR(value, "{,:}\"");
	OK(!push_next_pair(&e.meta, &name, &value));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ROW(bad[i]);
		OK(!letter_read(str_c(bad[i]), &arena, &l));
	}
	buf_fini(&out);
	arena_fini(&arena);
	world_fini(&w);
}

static int fail_left;

static ssize_t failing_write(int fd, const void *buf, size_t n)
{
	if (fail_left-- > 0)
		return os_kernel.write(fd, buf, n / 2);
	errno = ENOSPC;
	return -1;
}

static void a_full_disk_leaves_whole_lines(void)
{
	FILE *f;

	world_init(&w, "disk", (struct world_conf){ 0 });
	w.judge = refuse_all;
	bury("first", 3);
	fail_left = 1;
	world_os.write = failing_write;
	bury("second", 3);
	world_os.write = os_kernel.write;
	EQ_INT(count_lines(world_dead_letters(&w)), 3);
	OK(str_ends(world_dead_letters(&w), STR("}\n")));
	EQ_INT(metric_value(metric_get(METRIC_DEAD_LETTER_DROPPED, "output", w.flow->output, NULL)),
	       3);
	/* Half a line, left behind by a kill. */
	f = fopen(deadletter_path(w.dead), "a");
	fputs("{\"time\":", f);
	fclose(f);
	bury("third", 1);
	EQ_INT(count_lines(world_dead_letters(&w)), 5);
	world_fini(&w);
}

static void no_symlink_is_followed(void)
{
	char target[128];

	world_init(&w, "symlink", (struct world_conf){ 0 });
	w.judge = refuse_all;
	snprintf(target, sizeof(target), "%s/target", w.dir);
	OK(symlink(target, deadletter_path(w.dead)) == 0);
	bury("line", 2);
	OK(access(target, F_OK) != 0);
	EQ_INT(w.flow->dropped_total, 2);
	EQ_INT(metric_value(metric_get(METRIC_DEAD_LETTER_DROPPED, "output", w.flow->output, NULL)),
	       2);
	world_fini(&w);
}

int main(void)
{
	world_begin();
	log_setup(LOG_LVL_ERROR + 1, LOG_LOGFMT);
	RUN(bound_on_requests);
	RUN(a_lone_bad_entry);
	RUN(all_refused_costs_one_request);
	RUN(labels_are_refused_whole);
	RUN(a_stream_named_with_service_name);
	RUN(a_split_is_finished_first);
	RUN(too_large_is_halved);
	RUN(dead_letters_say_why);
	RUN(dead_letters_are_bounded);
	RUN(dead_letters_are_rotated);
	RUN(the_path_is_checked);
	RUN(letters_are_read_back);
	RUN(a_full_disk_leaves_whole_lines);
	RUN(no_symlink_is_followed);
	return test_end();
}
