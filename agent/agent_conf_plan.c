/* SPDX-License-Identifier: Apache-2.0 */
/* Names into indices: which inputs and outputs the enabled pipelines use, and the plan of it. */
#include "agent/agent_conf_impl.h"
#include "agent/registry.h"

struct names {
	const struct config_item *items;
	size_t n;
};

static const char *nth_name(const void *ctx, size_t i)
{
	const struct names *names = ctx;

	return i < names->n ? names->items[i].name : NULL;
}

/* The node of the i-th name of a list option, for the place of an error. */
static const struct conf_node *name_node(const struct conf_node *pipeline, const char *option,
					 size_t i)
{
	const struct conf_node *list = conf_get(pipeline, option);

	return list && list->kind == CONF_SEQ && i < list->n ? list->items[i] : list;
}

static struct config_item *find(struct config *c, struct names names, const char *kind,
				struct str name, const struct conf_node *at)
{
	const char *nearest;

	for (size_t i = 0; i < names.n; i++)
		if (str_is(name, names.items[i].name))
			return (struct config_item *)&names.items[i];
	nearest = conf_nearest(name, nth_name, &names);
	if (nearest)
		conf_error(c->doc, at, "there is no %s '" STR_FMT "' (did you mean '%s'?)", kind,
			   STR_ARG(name), nearest);
	else
		conf_error(c->doc, at, "there is no %s '" STR_FMT "'", kind, STR_ARG(name));
	return NULL;
}

static bool is_repeated(const struct conf_list *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(list->items[k], list->items[i]))
			return true;
	return false;
}

/* Leaves only the names of what is enabled in the list; says what was left out. Returns the number
 * of names that stand for something at all. */
static size_t keep_enabled(struct config *c, const struct config_pipeline *p, const char *option,
			   struct conf_list *list, struct names names, const char *kind)
{
	size_t n = 0, known = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_node *at = name_node(p->node, option, i);
		struct config_item *item = find(c, names, kind, list->items[i], at);

		if (!item)
			continue;
		known++;
		if (is_repeated(list, i))
			conf_error(c->doc, at, "'" STR_FMT "' is named twice",
				   STR_ARG(list->items[i]));
		else if (!item->item.enabled)
			conf_notice(c->doc, at, "the %s '%s' is switched off and left out", kind,
				    item->name);
		else
			list->items[n++] = list->items[i];
	}
	list->n = n;
	return known;
}

/* Resolved lists of one pipeline, still as names. */
struct ends {
	struct conf_list from, to;
};

static struct conf_list copy_list(struct config *c, const struct conf_list *list)
{
	struct conf_list copy = { list->n, conf_alloc(c->doc, list->n * sizeof(struct str)) };

	if (list->n)
		memcpy(copy.items, list->items, list->n * sizeof(struct str));
	return copy;
}

/* True when the pipeline is to run. */
static bool resolve_ends(struct config *c, const struct config_pipeline *p, struct ends *ends)
{
	struct names inputs = { c->inputs, c->ninputs }, outputs = { c->outputs, c->noutputs };
	size_t known;

	ends->from = copy_list(c, &p->conf.from);
	ends->to = copy_list(c, &p->conf.to);
	keep_enabled(c, p, "from", &ends->from, inputs, "input");
	known = keep_enabled(c, p, "to", &ends->to, outputs, "output");
	if (!p->conf.enabled)
		return false;
	if (known && ends->to.n == 0)
		conf_error(c->doc, conf_get(p->node, "to"),
			   "every output it names is switched off; switch the pipeline off as well "
			   "(enabled: false)");
	if (ends->from.n == 0)
		conf_notice(c->doc, p->node,
			    "every input it names is switched off: the pipeline does not run");
	return ends->from.n && ends->to.n;
}

/* Marks what a pipeline uses. */
static void use(struct config *c, const struct config_pipeline *p, const struct ends *ends)
{
	for (size_t i = 0; i < ends->from.n; i++) {
		for (size_t k = 0; k < c->ninputs; k++) {
			if (!str_is(ends->from.items[i], c->inputs[k].name))
				continue;
			if (c->inputs[k].is_used)
				conf_error(c->doc, conf_get(p->node, "from"),
					   "the input '%s' feeds another pipeline already",
					   c->inputs[k].name);
			c->inputs[k].is_used = true;
		}
	}
	for (size_t i = 0; i < ends->to.n; i++)
		for (size_t k = 0; k < c->noutputs; k++)
			if (str_is(ends->to.items[i], c->outputs[k].name))
				c->outputs[k].is_used = true;
}

static void note_unused(struct config *c, const struct config_item *items, size_t n,
			const char *kind)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].item.enabled && !items[i].is_used)
			conf_notice(c->doc, items[i].node, "no pipeline uses this %s", kind);
}

/* ---- the plan ---- */

static const size_t *indices(struct config *c, const struct conf_list *names,
			     const struct config_item *items, size_t n)
{
	size_t *list = conf_alloc(c->doc, names->n * sizeof(*list));

	for (size_t i = 0; i < names->n; i++)
		for (size_t k = 0; k < n; k++)
			if (str_is(names->items[i], items[k].name))
				list[i] = items[k].plan_index;
	return list;
}

/* The stages an input's options stand for, as if they had been written. */
static const struct conf_stages *input_stages(struct config *c, const struct config_item *item)
{
	const struct input_ops *ops = item->plugin->ops;
	struct input_stage list[INPUT_STAGES_MAX];
	size_t n = ops->stages ? ops->stages(c->doc, item->conf, list) : 0, nplugins;
	const struct conf_plugin *plugins = registry(&nplugins);
	struct conf_stages *stages;

	if (!n)
		return NULL;
	stages = conf_alloc(c->doc, sizeof(*stages));
	stages->node = item->node;
	stages->items = conf_alloc(c->doc, n * sizeof(*stages->items));
	for (; stages->n < n; stages->n++) {
		struct conf_stage *s = &stages->items[stages->n];

		s->plugin = conf_plugin_find(plugins, nplugins, CONF_STAGE,
					     str_c(list[stages->n].name));
		s->node = item->node;
		s->conf = (void *)(uintptr_t)list[stages->n].conf;
		CHECK(s->plugin);
	}
	return stages;
}

static void plan_items(struct config *c)
{
	struct plan_input *inputs = conf_alloc(c->doc, c->ninputs * sizeof(*inputs));
	struct plan_output *outputs = conf_alloc(c->doc, c->noutputs * sizeof(*outputs));

	for (size_t i = 0; i < c->ninputs; i++) {
		struct config_item *item = &c->inputs[i];

		if (!item->is_used)
			continue;
		item->plan_index = c->plan.ninputs++;
		inputs[item->plan_index] = (struct plan_input){ item->name, item->plugin->ops,
								item->conf, input_stages(c, item) };
	}
	for (size_t i = 0; i < c->noutputs; i++) {
		struct config_item *item = &c->outputs[i];

		if (!item->is_used)
			continue;
		item->plan_index = c->plan.noutputs++;
		outputs[item->plan_index] =
			(struct plan_output){ item->name, item->plugin->ops, item->conf,
					      item->item.when_full == WHEN_FULL_BLOCK };
	}
	c->plan.inputs = inputs;
	c->plan.outputs = outputs;
}

static void plan_pipelines(struct config *c, const struct ends *ends, const bool *runs)
{
	struct plan_pipeline *pipelines = conf_alloc(c->doc, c->npipelines * sizeof(*pipelines));

	for (size_t i = 0; i < c->npipelines; i++) {
		const struct config_pipeline *p = &c->pipelines[i];

		if (!runs[i])
			continue;
		pipelines[c->plan.npipelines++] = (struct plan_pipeline){
			.name = p->name,
			.nfrom = ends[i].from.n,
			.nto = ends[i].to.n,
			.from = indices(c, &ends[i].from, c->inputs, c->ninputs),
			.to = indices(c, &ends[i].to, c->outputs, c->noutputs),
			.stages = &p->conf.stages,
			.max_streams = p->conf.max_streams,
			.label_limits = { .max_labels = p->conf.max_labels,
					  .max_new_values = p->conf.max_label_values,
					  .window_ns = p->conf.label_window_ns },
		};
	}
	c->plan.pipelines = pipelines;
}

/* Relative to state_dir. */
void config_find_socket(struct config *c)
{
	struct str socket = c->agent.admin.socket;
	struct buf path = BUF_INIT;
	char *copy;

	if (str_is(socket, "none"))
		return;
	if (!str_starts(socket, STR("/")))
		buf_printf(&path, STR_FMT "/", STR_ARG(c->agent.state_dir));
	buf_str(&path, socket);
	copy = conf_alloc(c->doc, path.n + 1);
	memcpy(copy, buf_cstr(&path), path.n + 1);
	buf_fini(&path);
	c->plan.admin_socket = copy;
}

void config_resolve(struct config *c)
{
	struct ends *ends = conf_alloc(c->doc, c->npipelines * sizeof(*ends));
	bool *runs = conf_alloc(c->doc, c->npipelines * sizeof(*runs));
	bool any = false;

	for (size_t i = 0; i < c->npipelines; i++) {
		runs[i] = resolve_ends(c, &c->pipelines[i], &ends[i]);
		any |= runs[i];
		if (runs[i])
			use(c, &c->pipelines[i], &ends[i]);
	}
	note_unused(c, c->inputs, c->ninputs, "input");
	note_unused(c, c->outputs, c->noutputs, "output");
	if (!any && conf_error_count(c->doc) == 0)
		conf_error(c->doc, c->root, "no pipeline is switched on: there is nothing to do");
	if (conf_error_count(c->doc))
		return;
	plan_items(c);
	plan_pipelines(c, ends, runs);
	c->plan.threads = c->agent.threads;
	c->plan.memory_bytes = c->agent.memory_bytes;
	c->plan.state_dir = c->agent.state_dir.p;
	c->plan.hostname = c->agent.hostname.p;
	c->plan.config = c;
	c->plan.admin = c->agent.admin.listen;
	c->plan.admin_group = c->agent.admin.group.p;
	c->plan.shutdown_timeout_ns = c->agent.shutdown_timeout_ns;
}
