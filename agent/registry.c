/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of plugins. Adding one = its folder or file, and one line here. */
#include "agent/registry.h"
#include "inputs/input.h"
#include "outputs/output.h"
#include "pipeline/stage.h"

#define INPUTS(X)                                                                                  \
	X(input_beats)                                                                             \
	X(input_elasticsearch)                                                                     \
	X(input_file)                                                                              \
	X(input_loki)                                                                              \
	X(input_otlp)                                                                              \
	X(input_syslog)

#define STAGES(X)                                                                                  \
	X(stage_cri)                                                                               \
	X(stage_decolorize)                                                                        \
	X(stage_dedup)                                                                             \
	X(stage_docker)                                                                            \
	X(stage_drop)                                                                              \
	X(stage_eventlogmessage)                                                                   \
	X(stage_geoip)                                                                             \
	X(stage_json)                                                                              \
	X(stage_keep)                                                                              \
	X(stage_label_drop)                                                                        \
	X(stage_label_keep)                                                                        \
	X(stage_labels)                                                                            \
	X(stage_level)                                                                             \
	X(stage_limit)                                                                             \
	X(stage_logfmt)                                                                            \
	X(stage_match)                                                                             \
	X(stage_metrics)                                                                           \
	X(stage_multiline)                                                                         \
	X(stage_output)                                                                            \
	X(stage_pack)                                                                              \
	X(stage_redact)                                                                            \
	X(stage_regex)                                                                             \
	X(stage_replace)                                                                           \
	X(stage_sampling)                                                                          \
	X(stage_static_labels)                                                                     \
	X(stage_structured_metadata)                                                               \
	X(stage_structured_metadata_drop)                                                          \
	X(stage_template)                                                                          \
	X(stage_tenant)                                                                            \
	X(stage_timestamp)                                                                         \
	X(stage_unpack)

#define OUTPUTS(X)                                                                                 \
	X(output_loki)                                                                             \
	X(output_stdout)                                                                           \
	X(output_file)

/* Plugins of the test program (tests/plugins); empty in the product. */
extern const struct input_ops *const test_inputs[] __attribute__((weak));
extern const struct stage_ops *const test_stages[] __attribute__((weak));

#define DECLARE_INPUT(x) extern const struct input_ops x;
#define DECLARE_STAGE(x) extern const struct stage_ops x;
#define DECLARE_OUTPUT(x) extern const struct output_ops x;
INPUTS(DECLARE_INPUT)
STAGES(DECLARE_STAGE)
OUTPUTS(DECLARE_OUTPUT)

#define REFER(x) &x,
static const struct input_ops *const inputs[] = { INPUTS(REFER) };
static const struct stage_ops *const stages[] = { STAGES(REFER) };
static const struct output_ops *const outputs[] = { OUTPUTS(REFER) };

static struct conf_plugin plugins[64];
static size_t nplugins;

static void add(enum conf_plugin_kind kind, const char *name, const char *alias,
		const char *summary, const char *doc, const struct conf_table *conf,
		const void *ops)
{
	CHECK(nplugins < ARRAY_LEN(plugins));
	plugins[nplugins++] = (struct conf_plugin){ kind, name, alias, summary, doc, conf, ops };
}

static void add_input(const struct input_ops *o)
{
	add(CONF_INPUT, o->name, NULL, o->summary, o->doc, o->conf, o);
}

static void add_stage(const struct stage_ops *o)
{
	add(CONF_STAGE, o->name, o->alias, o->summary, o->doc, o->conf, o);
}

const struct conf_plugin *registry(size_t *ret_n)
{
	if (!nplugins) {
		for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
			add_input(inputs[i]);
		for (size_t i = 0; i < ARRAY_LEN(stages); i++)
			add_stage(stages[i]);
		for (size_t i = 0; i < ARRAY_LEN(outputs); i++)
			add(CONF_OUTPUT, outputs[i]->name, NULL, outputs[i]->summary,
			    outputs[i]->doc, outputs[i]->conf, outputs[i]);
		for (size_t i = 0; test_inputs && test_inputs[i]; i++)
			add_input(test_inputs[i]);
		for (size_t i = 0; test_stages && test_stages[i]; i++)
			add_stage(test_stages[i]);
	}
	*ret_n = nplugins;
	return plugins;
}
