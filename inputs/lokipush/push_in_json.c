/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes as JSON: {"streams": [{"stream": {..}, "values": [["<ns>", "line", {..}], ..]}, ..]}. Unknown keys
 * are passed over; keys may stand in any order, the last of a name counts. */
#include "inputs/lokipush/push_in_impl.h"
#include "pipeline/json_scan.h"

static bool take_string(struct str *s, struct push_in_text *ret)
{
	bool is_escaped;

	if (!json_take_string(s, &ret->raw, &is_escaped))
		return false;
	ret->form = is_escaped ? PUSH_IN_JSON : PUSH_IN_PLAIN;
	return true;
}

/* Of an object: the values of two keys, as they stand; p is NULL without. False: malformed. */
static bool take_object(struct str *s, struct str key1, struct str *ret1, struct str key2,
			struct str *ret2)
{
	struct push_in_text key;
	struct str value;
	bool is_begun = false;
	int got;

	*ret1 = *ret2 = STR_NONE;
	if (!json_take(s, '{'))
		return false;
	while ((got = json_next_item(s, '}', &is_begun)) > 0) {
		if (!take_string(s, &key) || !json_take(s, ':') || !json_take_value(s, &value))
			return false;
		if (str_eq(key.raw, key1))
			*ret1 = value;
		else if (str_eq(key.raw, key2))
			*ret2 = value;
	}
	return got == 0;
}

void push_in_json_init(struct push_in *in, struct str body)
{
	struct str none;

	if (!take_object(&body, STR("streams"), &in->streams, STR_NONE, &none))
		push_in_bad(in, "the JSON is malformed");
	json_skip_space(&body);
	if (!in->why && body.n)
		push_in_bad(in, "something follows the JSON");
	if (!in->why && !json_take(&in->streams, '['))
		push_in_bad(in, "\"streams\" is no array");
}

static enum push_in_result next_stream(struct push_in *in)
{
	struct str stream, values;
	int got = json_next_item(&in->streams, ']', &in->is_begun);

	if (got == 0) {
		in->is_over = true;
		return PUSH_IN_END;
	}
	if (got < 0 || !take_object(&in->streams, STR("stream"), &stream, STR("values"), &values))
		return push_in_bad(in, "a stream is malformed");
	in->label_text = stream;
	if (!json_take(&stream, '{'))
		return push_in_bad(in, "a stream has no object \"stream\" with its labels");
	if (!json_take(&values, '['))
		return push_in_bad(in, "a stream has no array \"values\"");
	in->labels = (struct push_in_pairs){ .rest = stream, .form = PUSH_IN_PAIRS_OBJECT };
	in->entries = values;
	in->entries_begun = false;
	return PUSH_IN_STREAM;
}

static bool read_time(struct str *s, int64_t *ret_ns)
{
	struct push_in_text text = { 0 };

	json_skip_space(s);
	if (s->n && s->p[0] == '"')
		return take_string(s, &text) && str_i64(text.raw, ret_ns);
	return json_take_word(s, &text.raw) && str_i64(text.raw, ret_ns);
}

static bool read_entry(struct str *s, struct push_in_entry *ret)
{
	struct str meta = STR_NONE;

	*ret = (struct push_in_entry){ 0 };
	if (!json_take(s, '[') || !read_time(s, &ret->time_ns) || !json_take(s, ',') ||
	    !take_string(s, &ret->line))
		return false;
	if (json_take(s, ',')) {
		if (!json_take_value(s, &meta) || !json_take(&meta, '{'))
			return false;
	}
	ret->meta = (struct push_in_pairs){ .rest = meta, .form = PUSH_IN_PAIRS_OBJECT };
	return json_take(s, ']');
}

enum push_in_result push_in_json_next(struct push_in *in, struct push_in_entry *ret)
{
	int got = in->entries.n ? json_next_item(&in->entries, ']', &in->entries_begun) : 0;

	if (got > 0 && read_entry(&in->entries, ret))
		return PUSH_IN_ENTRY;
	if (got)
		return push_in_bad(
			in, "an entry is malformed: it must be [\"<ns>\", \"line\", {metadata}]");
	in->entries = STR_NONE;
	return in->is_over ? PUSH_IN_END : next_stream(in);
}

/* Values must be strings. */
int push_in_json_pair(struct push_in_pairs *pairs, struct push_in_text *name,
		      struct push_in_text *value)
{
	int got = pairs->rest.n ? json_next_item(&pairs->rest, '}', &pairs->is_begun) : 0;

	if (got <= 0) {
		pairs->rest = STR_NONE;
		return got;
	}
	return take_string(&pairs->rest, name) && json_take(&pairs->rest, ':') &&
			       take_string(&pairs->rest, value)
		       ? 1
		       : -1;
}
