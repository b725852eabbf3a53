/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt: pairs lie inside the text in order, extraction agrees with walking, and pairs written
 * again in quotes read the same. */
#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/logfmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct str text_of(const struct logfmt_value *v, char **ret_out)
{
	size_t size = logfmt_unescape_size(v);
	struct str text;

	*ret_out = mem_alloc(size + 1);
	text = logfmt_unescape(v, *ret_out);
	CHECK(text.n <= size || text.p == v->raw.p);
	return text;
}

static void check_quoted(struct str key, struct str value)
{
	struct buf b = BUF_INIT;
	struct logfmt_value again;
	struct logfmt l;
	struct str key_again;
	char *out;

	if (utf8_is_valid(value)) {
		buf_str(&b, key);
		buf_ch(&b, '=');
		buf_json_str(&b, value);
		l = logfmt_start(buf_as_str(&b));
		CHECK(logfmt_next(&l, &key_again, &again) && str_eq(key_again, key));
		CHECK(str_eq(text_of(&again, &out), value));
		mem_free(out);
		CHECK(!logfmt_next(&l, &key_again, &again) && !l.is_broken);
	}
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_make((const char *)data, n), key;
	struct logfmt_fields *fields = logfmt_fields_new();
	struct logfmt l = logfmt_start(text);
	struct logfmt_value value, last = { 0 }, got;
	const char *at = text.p;

	logfmt_fields_add(fields, STR("a"));
	while (logfmt_next(&l, &key, &value)) {
		char *out;

		CHECK(key.n > 0 && key.p >= at && value.raw.p >= key.p + key.n);
		at = value.raw.p + value.raw.n;
		CHECK(at <= text.p + n);
		check_quoted(key, text_of(&value, &out));
		mem_free(out);
		if (str_is(key, "a"))
			last = value;
	}
	CHECK(logfmt_extract(fields, text, &got) == !l.is_broken);
	CHECK(got.raw.p == last.raw.p && got.raw.n == last.raw.n);
	logfmt_fields_free(fields);
	return 0;
}
