/* SPDX-License-Identifier: Apache-2.0 */
/* Events of any bytes: slices stay within their batch, every name is found, and what is JSON is never called
 * something else. */
#include "inputs/beats/event.h"
#include "lib/check.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct event_reader *e, struct str doc)
{
	struct source source = { .magic = SOURCE_MAGIC };
	struct batch *b = batch_new(NULL, &source, 2 * doc.n, true);
	struct str text = arena_dup(&b->arena, doc);
	struct json_paths *paths = json_paths_new();
	struct json_value values[8];
	unsigned flags = event_read(e, b, text);
	const struct rec *r = &b->recs[0];
	struct attr found;
	size_t sum = r->line.n;

	CHECK(b->nrecs == 1);
	CHECK((json_extract(paths, doc, values) == JSON_OBJECT) == !(flags & EVENT_UNPARSED));
	for (unsigned i = 0; i < r->nattrs; i++) {
		struct str name = attr_name(&r->attrs[i]), value = attr_value(&r->attrs[i]);

		CHECK(rec_find(b, r, name, &found));
		for (size_t k = 0; k < name.n; k++)
			sum += (unsigned char)name.p[k];
		for (size_t k = 0; k < value.n; k++)
			sum += (unsigned char)value.p[k];
	}
	CHECK(sum + 1);
	json_paths_free(paths);
	batch_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct event_reader e;

	if (!e.names)
		e.names = event_names_new(&(struct conf_map){ 0 });
	e.now_ns = 1;
	for (int keeps = 0; keeps < 2; keeps++) {
		e.keeps_json = keeps;
		check(&e, str_make((const char *)data, n));
	}
	return 0;
}
