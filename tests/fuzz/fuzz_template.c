/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a template, and as the text it works on: it ends, within its limits. */
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/template/template.h"

static bool get(void *ctx, struct str name, struct str *ret)
{
	*ret = *(struct str *)ctx;
	return name.n == 1 && name.p[0] == 'a';
}

static void each(void *ctx, void (*add)(void *, struct str, struct str), void *arg)
{
	add(arg, STR("a"), *(struct str *)ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct template_runner *runner;
	struct str all = str_make((const char *)bytes, n), text = str_cut(&all, '\0');
	const struct template_data data = { &all, get, each };
	struct buf out = BUF_INIT;
	struct template *t;
	struct err err;

	if (!runner)
		runner = template_runner_new(pattern_scratch_new());
	if (n > 4096 || template_parse(text, &t, &err))
		return 0;
	template_run(t, runner, &data, 0, &out, &err);
	if (out.n > TEMPLATE_OUTPUT_MAX)
		__builtin_trap();
	buf_fini(&out);
	template_free(t);
	return 0;
}
