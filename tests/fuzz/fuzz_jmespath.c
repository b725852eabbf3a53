/* SPDX-License-Identifier: Apache-2.0 */
/* First line an expression, the rest a document: it ends, within its limits. */
#include "pipeline/jmespath/jmespath.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str rest = str_make((const char *)bytes, n), text = str_cut(&rest, '\n');
	struct value_json_style style = { .is_html_safe = true };
	struct arena arena = ARENA_INIT;
	struct buf out = BUF_INIT;
	struct jmespath *j;
	struct value doc, v;
	struct err err;

	out.max = 1 << 20;
	if (jmespath_compile(text, &j, &err))
		return 0;
	if (value_from_json(&arena, rest, 1 << 20, &doc) &&
	    jmespath_search(j, doc, &arena, 1 << 22, &v, &err))
		value_to_json(&out, v, style);
	buf_fini(&out);
	arena_fini(&arena);
	jmespath_free(j);
	return 0;
}
