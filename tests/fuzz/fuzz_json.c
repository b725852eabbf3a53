/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: first line an expression, the rest a document. Values lie inside the document, text fits the
 * size that was promised, and what is valid stays valid with the same values when it is written
 * without white space and read again. */
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct str text_of(const struct json_value *v, char **ret_out)
{
	size_t size = json_text_size(v);
	struct str text = STR_NONE;

	*ret_out = size ? mem_alloc(size) : NULL;
	if (json_text(v, *ret_out, &text))
		CHECK(!*ret_out || text.p != *ret_out || text.n <= size);
	return text;
}

static void check_values(const struct json_paths *paths, const struct json_value *values,
			 struct str doc)
{
	for (size_t i = 1; i < json_paths_slots(paths); i++) {
		const struct json_value *v = &values[i];
		char *out;

		CHECK(v->type <= JSON_ARRAY && (!v->is_escaped || v->type == JSON_STRING));
		if (v->type != JSON_ABSENT)
			CHECK(v->raw.p >= doc.p && v->raw.p + v->raw.n <= doc.p + doc.n);
		text_of(v, &out);
		mem_free(out);
	}
}

/* The whole document as text, read again, has equal texts. */
static void check_again(const struct json_paths *paths, const struct json_value *values)
{
	struct json_value *again = mem_array(json_paths_slots(paths), sizeof(*again));
	char *doc_out, *out, *out_again;
	struct str doc = text_of(&values[1], &doc_out);

	CHECK(json_extract(paths, doc, again) == values[1].type);
	for (size_t i = 1; i < json_paths_slots(paths); i++) {
		struct str text = text_of(&values[i], &out);

		CHECK(again[i].type == values[i].type);
		CHECK(str_eq(text_of(&again[i], &out_again), text));
		mem_free(out);
		mem_free(out_again);
	}
	mem_free(doc_out);
	mem_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str doc = str_make((const char *)data, n), expression = str_cut(&doc, '\n');
	struct json_paths *paths = json_paths_new();
	struct json_value *values;
	int slot = json_paths_add(paths, expression);

	CHECK(slot != 0);
	json_paths_add(paths, STR("a"));
	json_paths_add(paths, STR("a.b"));
	json_paths_add(paths, STR("a[1].c"));
	CHECK(slot < 0 || json_paths_add(paths, expression) == slot);
	values = mem_array(json_paths_slots(paths), sizeof(*values));
	if (json_extract(paths, doc, values) > 0) {
		check_values(paths, values, doc);
		if (values[1].type == JSON_OBJECT || values[1].type == JSON_ARRAY)
			check_again(paths, values);
	}
	mem_free(values);
	json_paths_free(paths);
	return 0;
}
