/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of events: what is cut out of them is the same however they are split; actions, and the answer to them. */
#include "tests/unit/test.h"

#include "inputs/beats/bulk.h"
#include "lib/mem.h"

/* "doc|doc|" in pieces of step bytes; every `later`-th comes again. Cut ones end in "..". */
static void told(struct str in, size_t step, bool is_lines, size_t max, unsigned later,
		 struct buf *out)
{
	struct docs d;
	struct str doc;
	unsigned n = 0;
	int got = 0;

	docs_init(&d, is_lines, max);
	buf_clear(out);
	while (in.n && got >= 0) {
		struct str piece = str_sub(in, 0, step), avail;
		char *exact = mem_dup(piece.p, piece.n);

		in = str_skip(in, piece.n);
		avail = str_make(exact, piece.n);
		while ((got = docs_next(&d, &avail, &doc)) > 0) {
			if (later && ++n % later == 0) {
				docs_later(&d, &avail);
				continue;
			}
			buf_str(out, doc);
			buf_c(out, d.is_cut ? "..|" : "|");
			docs_take(&d);
		}
		mem_free(exact);
	}
	if (got >= 0 && (got = docs_end(&d, &doc)) > 0) {
		buf_str(out, doc);
		buf_c(out, d.is_cut ? "..|" : "|");
		docs_take(&d);
	}
	if (got < 0)
		buf_c(out, "BAD");
	docs_fini(&d);
}

static void documents(void)
{
	static const struct {
		const char *in, *want;
		bool is_lines;
	} rows[] = {
		{ "a\nb\n", "a|b|", true },
		{ "a\r\n\r\n\n b\nc", "a|b|c|", true },
		{ "\n\n", "", true },
		{ "", "", true },
		{ "0123456789\n", "0123456789|", true },
		{ "0123456789abc\nx\n", "0123456789..|x|", true },
		{ "{\"a\":1}\n{\"b\":{}}\n", "{\"a\":1}|{\"b\":{}}|", false },
		{ "{\"a\":1}{}{}", "{\"a\":1}|{}|{}|", false },
		{ "[{\"a\":1},\n{} ]\n", "{\"a\":1}|{}|", false },
		{ "{\n\"a\":\n1}", "{\n\"a\":\n1}|", false },
		{ "{\"}\":[]}", "{\"}\":[]}|", false },
		{ "{\"\\\"\":\"\"}", "{\"\\\"\":\"\"}|", false },
		{ "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\"..|", false },
		{ "[]", "", false },
		{ "{\"a\":1", "BAD", false },
		{ "{}hello", "{}|BAD", false },
		{ "hello", "BAD", false },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 20; step++)
			for (unsigned later = 0; later < 4; later += 2) {
				ROW(rows[i].in);
				told(str_c(rows[i].in), step, rows[i].is_lines, 10, later, &out);
				EQ_STR(buf_as_str(&out), rows[i].want);
			}
	buf_fini(&out);
}

static void actions(void)
{
	static const struct {
		const char *line;
		enum bulk_action want;
	} rows[] = {
		{ "{\"create\":{\"_index\":\"a\"}}", BULK_CREATE },
		{ "{\"index\":{}}", BULK_INDEX },
		{ " { \"delete\" : { \"_id\" : \"1\" } } ", BULK_DELETE },
		{ "{\"update\":{\"_id\":\"1\"}}", BULK_UPDATE },
		{ "{\"message\":\"x\"}", BULK_NONE },
		{ "{\"create\":1}", BULK_NONE },
		{ "{\"create\":{}", BULK_NONE },
		{ "{\"create\":{}}x", BULK_NONE },
		{ "{\"create\":{},\"index\":{}}", BULK_NONE },
		{ "{}", BULK_NONE },
		{ "[]", BULK_NONE },
		{ "x", BULK_NONE },
		{ "", BULK_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i].line);
		EQ_INT(bulk_action(str_c(rows[i].line)), rows[i].want);
	}
}

static void answers(void)
{
	struct bulk_items items = { 0 };
	struct buf out = BUF_INIT;
	size_t bytes = 0;

	bulk_answer(&items, &out);
	EQ_STR(buf_as_str(&out), "{\"took\":0,\"errors\":false,\"items\":[]}");
	buf_clear(&out);
	bulk_add(&items, BULK_CREATE, 201);
	bulk_add(&items, BULK_CREATE, 201);
	bulk_add(&items, BULK_INDEX, 201);
	bulk_answer(&items, &out);
	EQ_STR(buf_as_str(&out),
	       "{\"took\":0,\"errors\":false,\"items\":[{\"create\":{\"status\":201}},"
	       "{\"create\":{\"status\":201}},{\"index\":{\"status\":201}}]}");
	EQ_INT(items.n, 2);
	bulk_fini(&items);
	for (unsigned i = 0; i < 100; i++)
		bytes += bulk_add(&items, BULK_DELETE, i % 2 ? 404 : 201);
	EQ_INT(items.nitems, 100);
	EQ_INT(bytes, items.cap * sizeof(*items.runs));
	buf_clear(&out);
	bulk_answer(&items, &out);
	OK(str_starts(buf_as_str(&out), STR("{\"took\":0,\"errors\":true,\"items\":[")));
	bulk_fini(&items);
	buf_fini(&out);
}

int main(void)
{
	RUN(documents);
	RUN(actions);
	RUN(answers);
	return test_end();
}
