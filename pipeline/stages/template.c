/* SPDX-License-Identifier: Apache-2.0 */
/* Stage template: an extracted value made by a Go template. */
#include "lib/clock.h"
#include "pipeline/stages/fill.h"
#include "pipeline/stages/names.h"

struct template_conf {
	struct str source;
	struct str template;
};

static void template_check(struct conf_doc *doc, const struct conf_node *node, const void *arg)
{
	const struct template_conf *conf = arg;

	check_template(doc, node, "template", conf->template);
}

static const struct conf_field template_fields[] = {
	CONF_STR(struct template_conf, source, NULL,
		 "Extracted value that gets the result; what it held before is `.Value`. It need "
		 "not exist. An empty result removes it.",
		 .flags = CONF_REQUIRED | CONF_NONEMPTY, .example = "level"),
	CONF_STR(struct template_conf, template, "",
		 "Go text/template. Extracted values are `.name`, the line is `.Entry`.",
		 .example = "'{{ ToLower .Value }}'"),
};
static const struct conf_table template_table =
	CONF_TABLE(struct template_conf, template_fields, .check = template_check);

struct template_state {
	struct template *template;
	struct template_runner *runner;
	struct buf result;
	uint16_t key;
	struct metric *errors;
};

static int template_open(struct stage *s, struct err *err)
{
	const struct template_conf *conf = s->conf;
	struct template_state *t = s->state;
	int rc = intern_name(conf->source, &t->key, err);

	t->errors = stage_errors(s);
	t->runner = template_runner_new(chain_scratch(s->chain));
	return rc ? rc : template_parse(conf->template, &t->template, err);
}

static void template_stage_run(struct stage *s, struct batch *b)
{
	struct template_state *t = s->state;
	int64_t now_ns = clock_wall_ns(), failed = 0;

	BATCH_FOR(b, r)
	{
		struct fill fill = { b, r, STR_NONE, r->line };
		const struct template_data data = { &fill, fill_get, fill_each };

		if (!rec_get_str(b, r, t->key, &fill.value))
			fill.value = STR_NONE;
		buf_clear(&t->result);
		if (template_run(t->template, t->runner, &data, now_ns, &t->result, NULL)) {
			failed++;
			continue;
		}
		rec_attr(b, r, t->key, ATTR_EXTRACTED, t->result.n ? ATTR_STRING : ATTR_NULL,
			 fill_result(b, &t->result));
	}
	if (failed)
		metric_add(t->errors, failed);
}

static void template_close(struct stage *s)
{
	struct template_state *t = s->state;

	template_free(t->template);
	template_runner_free(t->runner);
	buf_fini(&t->result);
}

const struct stage_ops stage_template = {
	.name = "template",
	.summary = "makes an extracted value by a Go template",
	.doc = "Language and functions are those of Go's text/template with sprig and Promtail's "
	       "own "
	       "(`ToLower`, `ToUpper`, `Replace`, `Trim`, `TrimLeft`, `TrimRight`, `TrimPrefix`, "
	       "`TrimSuffix`, `TrimSpace`, `Hash`, `Sha2Hash`, `regexReplaceAll`, "
	       "`regexReplaceAllLiteral`). A function that is not there, or takes another number "
	       "of "
	       "arguments, is an error at load. Not offered on purpose: random values (a line that "
	       "is "
	       "read again must stay the same), the environment, files and network, keys and "
	       "certificates.\n\n"
	       "A value that is not there prints `<no value>`; give it to a function that wants "
	       "text "
	       "and the record passes unchanged, which is counted. `{{ .name | default \"x\" }}` "
	       "helps.\n",
	.conf = &template_table,
	.state_size = sizeof(struct template_state),
	.open = template_open,
	.run = template_stage_run,
	.close = template_close,
};
