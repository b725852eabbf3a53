/* SPDX-License-Identifier: Apache-2.0 */
/* Stage eventlogmessage: the `key: value` lines of a Windows event's message become extracted. */
#include "pipeline/stages/names.h"

struct eventlogmessage_conf {
	struct str source;
	bool drop_invalid_labels, overwrite_existing;
};

static const struct conf_field eventlogmessage_fields[] = {
	CONF_STR(struct eventlogmessage_conf, source, "message",
		 "Extracted value that holds the message.", .flags = CONF_NONEMPTY),
	CONF_BOOL(struct eventlogmessage_conf, drop_invalid_labels, "false",
		  "Skips keys that are no label names. Otherwise each byte that must not be in one "
		  "becomes `_`."),
	CONF_BOOL(struct eventlogmessage_conf, overwrite_existing, "false",
		  "Replaces values that exist. Otherwise the new one gets `_extracted` behind its "
		  "name."),
};
static const struct conf_table eventlogmessage_table =
	CONF_TABLE(struct eventlogmessage_conf, eventlogmessage_fields);

struct eventlogmessage {
	uint16_t key;
	struct metric *errors;
};

static int eventlogmessage_open(struct stage *s, struct err *err)
{
	const struct eventlogmessage_conf *conf = s->conf;
	struct eventlogmessage *e = s->state;

	e->errors = stage_errors(s);
	return intern_name(conf->source, &e->key, err);
}

#define SUFFIX "_extracted"

static void set(const struct eventlogmessage_conf *conf, struct batch *b, struct rec *r,
		struct str key, struct str value)
{
	char name[LABEL_NAME_MAX + sizeof(SUFFIX)];
	struct attr old;

	if (!label_name_is_valid(key) || key.n > LABEL_NAME_MAX) {
		if (conf->drop_invalid_labels)
			return;
		key = label_name_sanitise(key, name);
	}
	if (!conf->overwrite_existing && rec_find(b, r, key, &old)) {
		memmove(name, key.p, key.n);
		memcpy(name + key.n, SUFFIX, sizeof(SUFFIX) - 1);
		key = str_make(name, key.n + sizeof(SUFFIX) - 1);
	}
	rec_attr_inline(b, r, key, ATTR_EXTRACTED, value);
}

/* Lines end in CRLF; what has no colon is the heading of a section. */
static bool read_message(const struct eventlogmessage_conf *conf, struct batch *b, struct rec *r,
			 struct str text)
{
	bool is_fine = true;

	while (text.p && text.n) {
		size_t end = str_find(text, STR("\r\n")), colon;
		struct str line = str_sub(text, 0, end);

		text = str_skip(text, end + 2);
		colon = str_chr(line, ':');
		if (colon < line.n)
			set(conf, b, r, str_trim(str_sub(line, 0, colon)),
			    str_trim(str_skip(line, colon + 1)));
		else
			is_fine &= str_trim(line).n == 0;
	}
	return is_fine;
}

static void eventlogmessage_run(struct stage *s, struct batch *b)
{
	const struct eventlogmessage_conf *conf = s->conf;
	const struct eventlogmessage *e = s->state;
	int64_t odd = 0;
	struct str text;

	BATCH_FOR(b, r)
	if (rec_get_str(b, r, e->key, &text))
		odd += !read_message(conf, b, r, text);
	if (odd)
		metric_add(e->errors, odd);
}

const struct stage_ops stage_eventlogmessage = {
	.name = "eventlogmessage",
	.summary = "extracts the `key: value` lines of a Windows event's message",
	.conf = &eventlogmessage_table,
	.state_size = sizeof(struct eventlogmessage),
	.open = eventlogmessage_open,
	.run = eventlogmessage_run,
};
