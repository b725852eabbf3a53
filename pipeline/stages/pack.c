/* SPDX-License-Identifier: Apache-2.0 */
/* Stage pack: moves labels and extracted values into the line, as a JSON object. */
#include <stdlib.h>

#include "lib/clock.h"
#include "pipeline/stages/names.h"
#include "pipeline/value.h"

struct pack_conf {
	struct conf_list labels;
	bool ingest_timestamp;
};

static const struct conf_field pack_fields[] = {
	CONF_LIST(
		struct pack_conf, labels, NULL,
		"Names of extracted values (the labels that the input set are among them). Those a "
		"record has go into the object, and the label of that name is removed.",
		.example = "[pod, container]"),
	CONF_BOOL(struct pack_conf, ingest_timestamp, "true",
		  "Gives the record the present time: without the labels, lines of several streams "
		  "come together in one, and would be out of order."),
};
static const struct conf_table pack_table = CONF_TABLE(struct pack_conf, pack_fields);

struct pack {
	size_t n;
	struct name_pair *names; /* sorted by name */
	struct label *changes;   /* scratch */
	struct buf text;
};

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct name_pair *)a)->name, ((const struct name_pair *)b)->name);
}

static int pack_open(struct stage *s, struct err *err)
{
	const struct pack_conf *conf = s->conf;
	struct pack *p = s->state;
	int rc = 0;

	p->names = mem_array(conf->labels.n + 1, sizeof(*p->names));
	p->changes = mem_array(conf->labels.n + 1, sizeof(*p->changes));
	for (; p->n < conf->labels.n && rc == 0; p->n++) {
		p->names[p->n].name = conf->labels.items[p->n];
		rc = intern_name(p->names[p->n].name, &p->names[p->n].source_key, err);
	}
	if (p->n)
		qsort(p->names, p->n, sizeof(*p->names), by_name);
	return rc;
}

static void put(struct buf *out, struct str s)
{
	const struct value_json_style style = { .is_html_safe = true };

	value_to_json(out, value_str(s), style);
}

static void pack_run(struct stage *s, struct batch *b)
{
	const struct pack_conf *conf = s->conf;
	struct pack *p = s->state;
	int64_t now_ns = clock_wall_ns();

	BATCH_FOR(b, r)
	{
		size_t n = 0;
		struct str value;

		buf_clear(&p->text);
		buf_ch(&p->text, '{');
		for (size_t i = 0; i < p->n; i++) {
			if (!rec_get_str(b, r, p->names[i].source_key, &value))
				continue;
			put(&p->text, p->names[i].name);
			buf_ch(&p->text, ':');
			put(&p->text, value);
			buf_ch(&p->text, ',');
			if (labels_get(rec_labels(b, r), p->names[i].name).p)
				p->changes[n++] = (struct label){ p->names[i].name, STR_NONE };
		}
		put(&p->text, STR("_entry"));
		buf_ch(&p->text, ':');
		put(&p->text, r->line);
		buf_ch(&p->text, '}');
		r->line = arena_dup(&b->arena, buf_as_str(&p->text));
		if (n)
			chain_set_labels(s->chain, b, r, p->changes, n);
		if (conf->ingest_timestamp)
			r->time_ns = now_ns;
	}
}

static void pack_close(struct stage *s)
{
	struct pack *p = s->state;

	mem_free(p->names);
	mem_free(p->changes);
	buf_fini(&p->text);
}

const struct stage_ops stage_pack = {
	.name = "pack",
	.summary = "moves labels and values into the line, as a JSON object",
	.doc = "The object has the names in alphabetical order and the old line as `_entry`. "
	       "LogQL's "
	       "`unpack` turns it back, and so does the stage `unpack`.\n",
	.conf = &pack_table,
	.state_size = sizeof(struct pack),
	.open = pack_open,
	.run = pack_run,
	.close = pack_close,
};
