/* SPDX-License-Identifier: Apache-2.0 */
/* Events become records: one pass over the JSON, values stay where they are. */
#include "inputs/beats/event.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/rfc3339.h"
#include "pipeline/level.h"
#include "pipeline/stages/labels.h"

/* What a field is for; of several for the same, the first in `roles` that is there. */
enum purpose { FOR_METADATA, FOR_TIME, FOR_LINE, FOR_LEVEL, FOR_SEVERITY, FOR_PLACE, FOR_LABEL };

static const char *const label_names[] = { "host",      "service_name", "app",
					   "namespace", "pod",          "container" };
enum { HOST, SERVICE_NAME, APP, NAMESPACE, POD, CONTAINER, NLABELS };

static const struct role {
	const char *name;
	enum purpose purpose;
	unsigned label;
} roles[] = {
	{ "@timestamp", FOR_TIME, 0 },
	{ "message", FOR_LINE, 0 },
	{ "log.level", FOR_LEVEL, 0 },
	{ "log.syslog.severity.code", FOR_SEVERITY, 0 },
	{ "syslog.priority", FOR_SEVERITY, 0 },
	{ "log.offset", FOR_PLACE, 0 },
	{ "host.name", FOR_LABEL, HOST },
	{ "host.hostname", FOR_LABEL, HOST },
	{ "agent.name", FOR_LABEL, HOST },
	{ "agent.hostname", FOR_LABEL, HOST },
	{ "beat.hostname", FOR_LABEL, HOST },
	{ "host", FOR_LABEL, HOST },
	{ "service.name", FOR_LABEL, SERVICE_NAME },
	{ "kubernetes.labels.app_kubernetes_io/name", FOR_LABEL, APP },
	{ "kubernetes.labels.app.kubernetes.io/name", FOR_LABEL, APP },
	{ "kubernetes.labels.app", FOR_LABEL, APP },
	{ "kubernetes.labels.k8s-app", FOR_LABEL, APP },
	{ "kubernetes.namespace", FOR_LABEL, NAMESPACE },
	{ "kubernetes.pod.name", FOR_LABEL, POD },
	{ "kubernetes.container.name", FOR_LABEL, CONTAINER },
	{ "container.name", FOR_LABEL, CONTAINER },
};

/* Others that are seen all the time: a number in place of a copy. */
static const char *const usual[] = {
	"@metadata.beat",
	"@metadata.type",
	"@metadata.version",
	"@metadata.pipeline",
	"agent.ephemeral_id",
	"agent.id",
	"agent.type",
	"agent.version",
	"cloud.account.id",
	"cloud.availability_zone",
	"cloud.instance.id",
	"cloud.instance.name",
	"cloud.machine.type",
	"cloud.project.id",
	"cloud.provider",
	"cloud.region",
	"cloud.service.name",
	"container.id",
	"container.image.name",
	"container.runtime",
	"data_stream.dataset",
	"data_stream.namespace",
	"data_stream.type",
	"ecs.version",
	"elastic_agent.id",
	"elastic_agent.snapshot",
	"elastic_agent.version",
	"error.message",
	"error.type",
	"event.category",
	"event.created",
	"event.dataset",
	"event.duration",
	"event.ingested",
	"event.kind",
	"event.module",
	"event.original",
	"event.outcome",
	"event.timezone",
	"fileset.name",
	"host.architecture",
	"host.containerized",
	"host.id",
	"host.ip",
	"host.mac",
	"host.os.codename",
	"host.os.family",
	"host.os.kernel",
	"host.os.name",
	"host.os.platform",
	"host.os.type",
	"host.os.version",
	"input.type",
	"kubernetes.deployment.name",
	"kubernetes.namespace_uid",
	"kubernetes.node.hostname",
	"kubernetes.node.name",
	"kubernetes.node.uid",
	"kubernetes.pod.ip",
	"kubernetes.pod.uid",
	"kubernetes.replicaset.name",
	"log.file.device_id",
	"log.file.fingerprint",
	"log.file.inode",
	"log.file.path",
	"log.flags",
	"log.logger",
	"log.source.address",
	"message_id",
	"process.name",
	"process.pid",
	"process.thread.name",
	"service.type",
	"span.id",
	"stream",
	"systemd.transport",
	"systemd.unit",
	"tags",
	"trace.id",
	"transaction.id",
	"url.path",
	"user.name",
};

/* Found by hash: open addressing, each name once. */
#define SLOTS 512
#define SEED 0x5eedu

struct known {
	struct str name; /* p == NULL: free */
	uint16_t key;
	uint8_t purpose, label, rank; /* a lower rank goes first */
};

struct event_names {
	struct known slots[SLOTS];
	uint16_t label_keys[NLABELS], level_key;
};

static size_t slot_of(struct str name)
{
	return (size_t)(str_hash(name, SEED) >> 20) % SLOTS;
}

static struct known *add(struct event_names *names, const char *name)
{
	size_t i = slot_of(str_c(name));

	while (names->slots[i].name.p)
		i = (i + 1) % SLOTS;
	names->slots[i].key = key_intern(str_c(name));
	names->slots[i].name = str_c(name);
	return &names->slots[i];
}

static const struct known *find(const struct event_names *names, struct str name)
{
	for (size_t i = slot_of(name); names->slots[i].name.p; i = (i + 1) % SLOTS)
		if (str_eq(names->slots[i].name, name))
			return &names->slots[i];
	return NULL;
}

static bool is_configured(const struct conf_map *configured, const char *label)
{
	for (size_t i = 0; i < configured->n; i++)
		if (str_is(configured->items[i].key, label))
			return true;
	return false;
}

struct event_names *event_names_new(const struct conf_map *configured)
{
	struct event_names *names = mem_zalloc(sizeof(*names));

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		add(names, usual[i]);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct known *known = add(names, roles[i].name);

		known->purpose = (uint8_t)roles[i].purpose;
		if (roles[i].purpose == FOR_LABEL &&
		    is_configured(configured, label_names[roles[i].label]))
			known->purpose = FOR_METADATA;
		known->label = (uint8_t)roles[i].label;
		known->rank = (uint8_t)i;
	}
	for (size_t i = 0; i < NLABELS; i++)
		names->label_keys[i] = key_intern(str_c(label_names[i]));
	names->level_key = key_intern(STR("detected_level"));
	return names;
}

void event_names_free(struct event_names *names)
{
	mem_free(names);
}

/* Reading */

#define NONE SIZE_MAX
#define NO_RANK 255

/* What was found of an event until now; places are of e->attrs. */
struct found {
	size_t n, line, labels[NLABELS];
	uint8_t label_ranks[NLABELS], level_rank;
	enum level level;
	int64_t time_ns;
	unsigned flags;
};

/* Its text, unescaped. */
static struct str text_of(struct batch *b, const struct json_value *v)
{
	if (v->type == JSON_STRING && v->is_escaped)
		return json_unescape(v->raw, arena_bytes(&b->arena, v->raw.n));
	return v->raw;
}

static enum attr_type type_of(const struct json_value *v)
{
	return v->type == JSON_NUMBER ? ATTR_NUMBER
	       : v->type == JSON_BOOL ? ATTR_BOOL
	       : v->type == JSON_NULL ? ATTR_NULL
				      : ATTR_STRING;
}

/* RFC 3339, or milliseconds since 1970, which Elasticsearch takes as well. */
static bool read_time(const struct json_value *v, struct str text, int64_t *ret_ns)
{
	int64_t ms;

	if (v->type == JSON_STRING && rfc3339_read(text, ret_ns))
		return true;
	if ((v->type != JSON_STRING && v->type != JSON_NUMBER) || !str_i64(text, &ms) ||
	    ms > INT64_MAX / NS_PER_MS || ms < 0)
		return false;
	*ret_ns = ms * NS_PER_MS;
	return true;
}

static void take_level(struct found *f, const struct known *known, struct str text)
{
	enum level level = LEVEL_UNKNOWN;
	int64_t severity;

	if (known->rank >= f->level_rank)
		return;
	if (known->purpose == FOR_LEVEL)
		level = level_of_value(text);
	else if (str_i64(text, &severity) && severity >= 0 && severity <= 7)
		level = level_of_severity((unsigned)severity);
	if (level == LEVEL_UNKNOWN)
		return;
	f->level = level;
	f->level_rank = known->rank;
}

/* What the field at f->n is for. True: it need not be sent. */
static bool take(struct found *f, const struct known *known, const struct json_value *v,
		 struct str text)
{
	switch ((enum purpose)known->purpose) {
	case FOR_METADATA:
		break;
	case FOR_TIME:
		if (!read_time(v, text, &f->time_ns))
			break;
		f->flags &= ~(unsigned)EVENT_NO_TIME;
		return true;
	case FOR_LINE:
		f->line = v->type == JSON_STRING ? f->n : NONE;
		break;
	case FOR_LEVEL:
	case FOR_SEVERITY:
		take_level(f, known, text);
		break;
	case FOR_PLACE:
		f->flags |= EVENT_HAS_PLACE;
		break;
	case FOR_LABEL:
		if (v->type == JSON_STRING && text.n &&
		    known->rank <= f->label_ranks[known->label]) {
			f->labels[known->label] = f->n;
			f->label_ranks[known->label] = known->rank;
		}
		break;
	}
	return false;
}

static void add_field(struct event_reader *e, struct batch *b, struct found *f, struct str name,
		      const struct json_value *v)
{
	const struct known *known = find(e->names, name);
	struct str text = v->type == JSON_NULL ? STR_NONE : text_of(b, v);
	struct attr *a = &e->attrs[f->n];
	bool is_sent = !str_starts(name, STR("@metadata."));

	if (known)
		*a = (struct attr){ .p = text.p, .n = (uint32_t)text.n, .key = known->key };
	else
		*a = attr_inline(b, name, text);
	a->type = (uint8_t)type_of(v);
	if (known && v->type != JSON_NULL)
		is_sent &= !take(f, known, v, text);
	a->kind = is_sent ? ATTR_META : ATTR_EXTRACTED;
	f->n++;
}

/* All of the object; negative: it is none. */
static int read_fields(struct event_reader *e, struct batch *b, struct str doc, struct found *f)
{
	struct json_value value;
	struct str name;
	int got;

	if (!json_flat_begin(&e->flat, doc))
		return JSON_MALFORMED;
	while ((got = json_flat_next(&e->flat, &name, &value)) > 0) {
		if (f->n == EVENT_FIELDS_MAX)
			f->flags |= EVENT_MANY_FIELDS;
		else
			add_field(e, b, f, name, &value);
	}
	return got;
}

/* Labels and line are told apart from what goes along as metadata. */
static void sort_out(struct event_reader *e, struct rec *r, struct found *f, struct str doc)
{
	bool is_whole = e->keeps_json || f->line == NONE;

	for (size_t i = 0; i < f->n && is_whole; i++)
		e->attrs[i].kind = ATTR_EXTRACTED;
	r->line = is_whole ? doc : attr_value(&e->attrs[f->line]);
	if (f->line != NONE)
		e->attrs[f->line].kind = ATTR_EXTRACTED;
	for (size_t i = 0; i < NLABELS; i++) {
		if (f->labels[i] == NONE)
			continue;
		e->attrs[f->labels[i]].kind = ATTR_EXTRACTED;
		e->attrs[f->n] = e->attrs[f->labels[i]];
		e->attrs[f->n++].key = e->names->label_keys[i];
	}
	if (f->level != LEVEL_UNKNOWN) {
		struct str name = level_name(f->level);

		e->attrs[f->n++] = (struct attr){ .p = name.p,
						  .n = (uint32_t)name.n,
						  .key = e->names->level_key,
						  .kind = ATTR_META };
	}
}

unsigned event_read(struct event_reader *e, struct batch *b, struct str doc)
{
	struct found f = {
		.line = NONE, .level_rank = NO_RANK, .time_ns = e->now_ns, .flags = EVENT_NO_TIME
	};
	struct rec *r = batch_add(b);
	struct attr *attrs;

	for (size_t i = 0; i < NLABELS; i++) {
		f.labels[i] = NONE;
		f.label_ranks[i] = NO_RANK;
	}
	r->time_ns = e->now_ns;
	r->line = doc;
	if (read_fields(e, b, doc, &f) < 0) {
		r->flags |= REC_UNPARSED;
		return EVENT_UNPARSED;
	}
	sort_out(e, r, &f, doc);
	r->time_ns = f.time_ns;
	if (f.flags & EVENT_NO_TIME)
		r->flags |= REC_TIME_GUESSED;
	attrs = rec_attrs_begin(b, f.n);
	memcpy(attrs, e->attrs, f.n * sizeof(*attrs));
	rec_attrs_end(b, r, attrs + f.n);
	return f.flags;
}

unsigned event_add(struct event_reader *e, struct batch *b, struct str doc, bool is_cut,
		   struct event_tally *tally)
{
	unsigned flags = EVENT_UNPARSED;

	if (is_cut) {
		struct rec *r = batch_add(b);

		r->line = doc;
		r->time_ns = e->now_ns;
		r->flags |= REC_CUT | REC_UNPARSED | REC_TIME_GUESSED;
		tally->cut++;
	} else {
		flags = event_read(e, b, doc);
		tally->unparsed += (flags & EVENT_UNPARSED) != 0;
	}
	tally->no_time += (flags & EVENT_NO_TIME) != 0;
	tally->many_fields += (flags & EVENT_MANY_FIELDS) != 0;
	return flags;
}

void event_tally_count(struct event_tally *tally, struct input *in)
{
	const struct {
		const char *reason;
		uint64_t n;
	} all[] = { { "unparsed", tally->unparsed },
		    { "cut", tally->cut },
		    { "time_guessed", tally->no_time },
		    { "too_many_fields", tally->many_fields } };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].n)
			input_count_flagged(in, all[i].reason, all[i].n);
	*tally = (struct event_tally){ 0 };
}

/* Labels */

size_t event_max(const struct input *in, size_t wanted)
{
	size_t eighth = (size_t)in->budget->total_bytes / 8;

	if (wanted <= eighth)
		return wanted;
	log_info("max_event is more than an eighth of what the pipeline has of memory",
		 KV_S("input", in->name), KV_I("largest_event_bytes", eighth));
	return eighth;
}

struct input_stage event_stage(struct conf_doc *doc, const struct conf_map *configured)
{
	struct labels_conf *conf = conf_alloc(doc, sizeof(*conf));
	struct conf_pair *pairs = conf_alloc(doc, NLABELS * sizeof(*pairs));
	size_t n = 0;

	for (size_t i = 0; i < NLABELS; i++)
		if (!is_configured(configured, label_names[i]))
			pairs[n++] = (struct conf_pair){ .key = str_c(label_names[i]) };
	conf->labels = (struct conf_map){ n, pairs };
	return (struct input_stage){ "labels", conf };
}

/* Equals */

#define EQUALS_MAX 65536 /* slots; half of them are used */

static void put_equal(struct event_equals *q, struct event_equal e)
{
	size_t i = e.hash & (q->cap - 1);

	while (q->slots[i].hash)
		i = (i + 1) & (q->cap - 1);
	q->slots[i] = e;
	q->n++;
}

static size_t grow(struct event_equals *q)
{
	struct event_equals old = *q;

	q->cap = old.cap ? 2 * old.cap : 64;
	q->slots = mem_array(q->cap, sizeof(*q->slots));
	memset(q->slots, 0, q->cap * sizeof(*q->slots));
	q->n = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].hash)
			put_equal(q, old.slots[i]);
	mem_free(old.slots);
	return (q->cap - old.cap) * sizeof(*q->slots);
}

size_t event_equals_part(struct event_equals *q, struct rec *r)
{
	uint64_t spread = (uint64_t)r->time_ns * 0x9e3779b97f4a7c15ULL;
	uint64_t hash = str_hash(r->line, spread) | 1;
	size_t more = 0;

	for (size_t i = hash & (q->cap - 1); q->cap && q->slots[i].hash;
	     i = (i + 1) & (q->cap - 1)) {
		if (q->slots[i].hash == hash) {
			r->time_ns += (int64_t)q->slots[i].n++;
			return 0;
		}
	}
	if (2 * (q->n + 1) > q->cap) {
		if (q->cap == EQUALS_MAX)
			return 0;
		more = grow(q);
	}
	put_equal(q, (struct event_equal){ hash, 1 });
	return more;
}

size_t event_equals_fini(struct event_equals *q)
{
	size_t bytes = q->cap * sizeof(*q->slots);

	mem_free(q->slots);
	*q = (struct event_equals){ 0 };
	return bytes;
}
