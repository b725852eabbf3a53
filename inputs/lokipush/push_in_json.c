/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes as JSON: {"streams": [{"stream": {..}, "values": [["<ns>", "line", {..}], ..]}, ..]}. Unknown keys
 * are passed over; keys may stand in any order, the last of a name counts. */
#include "inputs/lokipush/push_in_impl.h"
#include "pipeline/json.h"

static bool take_string(struct str *s, struct push_in_text *ret)
{
	bool is_escaped;

	if (!take(s, '"') || !json_string(*s, &ret->raw, &is_escaped))
		return false;
	*s = str_skip(*s, ret->raw.n + 1);
	ret->form = is_escaped ? PUSH_IN_JSON : PUSH_IN_PLAIN;
	return true;
}

/* A number, true, false or null, or what looks like it. */
static bool take_word(struct str *s, struct str *ret)
{
	size_t n = 0;

	skip_space(s);
	while (n < s->n &&
	       ((s->p[n] >= '0' && s->p[n] <= '9') || (s->p[n] >= 'a' && s->p[n] <= 'z') ||
		s->p[n] == '-' || s->p[n] == '+' || s->p[n] == '.' || s->p[n] == 'E'))
		n++;
	*ret = str_sub(*s, 0, n);
	*s = str_skip(*s, n);
	return n > 0;
}

/* Passes over any value; *ret is what it is made of. What is within objects is not looked at closely. */
static bool skip_value(struct str *s, struct str *ret)
{
	struct push_in_text text;
	struct str word;
	unsigned depth = 0;
	const char *begin;

	skip_space(s);
	begin = s->p;
	do {
		if (take(s, '{') || take(s, '[')) {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if (depth && (take(s, '}') || take(s, ']'))) {
			depth--;
		} else if (!(depth && (take(s, ',') || take(s, ':'))) && !take_string(s, &text) &&
			   !take_word(s, &word)) {
			return false;
		}
	} while (depth);
	*ret = str_make(begin, (size_t)(s->p - begin));
	return true;
}

/* The next element of an array or object whose opening was taken: 1; 0 behind its end; -1. */
static int next_item(struct str *s, char end, bool *is_begun)
{
	if (take(s, end))
		return 0;
	if (*is_begun && !take(s, ','))
		return -1;
	*is_begun = true;
	return 1;
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
	if (!take(s, '{'))
		return false;
	while ((got = next_item(s, '}', &is_begun)) > 0) {
		if (!take_string(s, &key) || !take(s, ':') || !skip_value(s, &value))
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
	skip_space(&body);
	if (!in->why && body.n)
		push_in_bad(in, "something follows the JSON");
	if (!in->why && !take(&in->streams, '['))
		push_in_bad(in, "\"streams\" is no array");
}

static enum push_in_result next_stream(struct push_in *in)
{
	struct str stream, values;
	int got = next_item(&in->streams, ']', &in->is_begun);

	if (got == 0) {
		in->is_over = true;
		return PUSH_IN_END;
	}
	if (got < 0 || !take_object(&in->streams, STR("stream"), &stream, STR("values"), &values))
		return push_in_bad(in, "a stream is malformed");
	in->label_text = stream;
	if (!take(&stream, '{'))
		return push_in_bad(in, "a stream has no object \"stream\" with its labels");
	if (!take(&values, '['))
		return push_in_bad(in, "a stream has no array \"values\"");
	in->labels = (struct push_in_pairs){ .rest = stream, .form = PUSH_IN_PAIRS_OBJECT };
	in->entries = values;
	in->entries_begun = false;
	return PUSH_IN_STREAM;
}

static bool read_time(struct str *s, int64_t *ret_ns)
{
	struct push_in_text text = { 0 };

	skip_space(s);
	if (s->n && s->p[0] == '"')
		return take_string(s, &text) && str_i64(text.raw, ret_ns);
	return take_word(s, &text.raw) && str_i64(text.raw, ret_ns);
}

static bool read_entry(struct str *s, struct push_in_entry *ret)
{
	struct str meta = STR_NONE;

	*ret = (struct push_in_entry){ 0 };
	if (!take(s, '[') || !read_time(s, &ret->time_ns) || !take(s, ',') ||
	    !take_string(s, &ret->line))
		return false;
	if (take(s, ',')) {
		if (!skip_value(s, &meta) || !take(&meta, '{'))
			return false;
	}
	ret->meta = (struct push_in_pairs){ .rest = meta, .form = PUSH_IN_PAIRS_OBJECT };
	return take(s, ']');
}

enum push_in_result push_in_json_next(struct push_in *in, struct push_in_entry *ret)
{
	int got = in->entries.n ? next_item(&in->entries, ']', &in->entries_begun) : 0;

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
	int got = pairs->rest.n ? next_item(&pairs->rest, '}', &pairs->is_begun) : 0;

	if (got <= 0) {
		pairs->rest = STR_NONE;
		return got;
	}
	return take_string(&pairs->rest, name) && take(&pairs->rest, ':') &&
			       take_string(&pairs->rest, value)
		       ? 1
		       : -1;
}
