/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's protobuf, checked once and then read in place. */
#include "inputs/otlp/walk.h"

struct open_message {
	struct str rest;
	enum otlp_message type;
	uint32_t seen; /* fields of OTLP_ONE, as bits by number */
};

static bool has_values(enum otlp_message m)
{
	return m == OTLP_RESOURCE || m == OTLP_SCOPE || m == OTLP_LOG;
}

const char *otlp_check(struct str body)
{
	struct open_message stack[OTLP_DEPTH_MAX] = { { body, OTLP_REQUEST, 0 } };
	size_t depth = 1, nvalues = 0;

	while (depth) {
		struct open_message *top = &stack[depth - 1];
		const struct otlp_field *known;
		struct wire_field f;
		int got = wire_next(&top->rest, &f);

		if (got < 0)
			return "the protobuf is malformed";
		if (!got) {
			depth--;
			continue;
		}
		known = otlp_field(top->type, f.number);
		if (!known)
			continue;
		if (otlp_wire_type(known) != f.type)
			return "a field has another wire type than OTLP gives it";
		if (known->kind != OTLP_ONE && known->kind != OTLP_MANY)
			continue;
		if (known->kind == OTLP_ONE && top->seen & 1u << f.number)
			return "a message stands twice where it may stand once";
		if (known->kind == OTLP_ONE)
			top->seen |= 1u << f.number;
		if (has_values(known->message))
			nvalues = 0;
		if (known->message == OTLP_ANY && ++nvalues > OTLP_VALUES_MAX)
			return "a record has too many values";
		if (known->message == OTLP_PAIR && ++nvalues > OTLP_VALUES_MAX)
			return "a record has too many attributes";
		if (depth == OTLP_DEPTH_MAX)
			return "a value is nested too deeply";
		stack[depth++] =
			(struct open_message){ f.bytes, (enum otlp_message)known->message, 0 };
	}
	return NULL;
}

void otlp_walk_init(struct otlp_walk *w, struct str body)
{
	*w = (struct otlp_walk){ .resources = body };
}

/* The next message in fields of that number. */
static bool next_message(struct str *rest, uint32_t number, struct str *ret)
{
	struct wire_field f;

	while (wire_next(rest, &f) > 0) {
		if (f.number != number || f.type != WIRE_BYTES)
			continue;
		*ret = f.bytes;
		return true;
	}
	return false;
}

static struct str only_message(struct str message, uint32_t number)
{
	struct str found;

	return next_message(&message, number, &found) ? found : STR_NONE;
}

static void read_log(struct str message, struct otlp_log *ret)
{
	struct wire_field f;

	*ret = (struct otlp_log){ .message = message };
	while (wire_next(&message, &f) > 0) {
		switch (f.number) {
		case LOG_TIME:
			ret->time_ns = f.value;
			break;
		case LOG_SEVERITY:
			ret->severity = (int32_t)f.value;
			break;
		case LOG_SEVERITY_TEXT:
			ret->severity_text = f.bytes;
			break;
		case LOG_BODY:
			ret->body = f.bytes;
			break;
		case LOG_DROPPED:
			ret->dropped = (uint32_t)f.value;
			break;
		case LOG_FLAGS:
			ret->flags = (uint32_t)f.value;
			break;
		case LOG_TRACE_ID:
			ret->trace_id = f.bytes;
			break;
		case LOG_SPAN_ID:
			ret->span_id = f.bytes;
			break;
		case LOG_OBSERVED:
			ret->observed_ns = f.value;
			break;
		case LOG_EVENT_NAME:
			ret->event_name = f.bytes;
			break;
		default:
			break;
		}
	}
}

enum otlp_step otlp_next(struct otlp_walk *w, struct otlp_log *ret)
{
	struct str message;

	if (next_message(&w->records, SCOPE_LOGS_RECORDS, &message)) {
		read_log(message, ret);
		return OTLP_RECORD;
	}
	if (next_message(&w->scopes, RESOURCE_LOGS_SCOPES, &w->records)) {
		w->scope = only_message(w->records, SCOPE_LOGS_SCOPE);
		return OTLP_NEW_SCOPE;
	}
	if (next_message(&w->resources, 1, &w->scopes)) {
		w->resource = only_message(w->scopes, RESOURCE_LOGS_RESOURCE);
		return OTLP_NEW_RESOURCE;
	}
	return OTLP_END;
}

void otlp_scope(struct str message, struct otlp_scope *ret)
{
	struct wire_field f;

	*ret = (struct otlp_scope){ 0 };
	while (wire_next(&message, &f) > 0) {
		if (f.number == SCOPE_NAME)
			ret->name = f.bytes;
		else if (f.number == SCOPE_VERSION)
			ret->version = f.bytes;
		else if (f.number == SCOPE_DROPPED)
			ret->dropped = (uint32_t)f.value;
	}
}

void otlp_any(struct str message, struct otlp_any *ret)
{
	struct wire_field f;

	*ret = (struct otlp_any){ 0 };
	while (wire_next(&message, &f) > 0) /* of several the last one counts: it is a oneof */
		if (f.number >= ANY_STRING && f.number <= ANY_BYTES)
			*ret = (struct otlp_any){ (uint8_t)f.number, f.value, f.bytes };
}

bool otlp_pair(struct str *rest, uint32_t number, struct str *key, struct otlp_any *value)
{
	struct str message, any = STR_NONE;
	struct wire_field f;

	if (!next_message(rest, number, &message))
		return false;
	*key = STR_NONE;
	while (wire_next(&message, &f) > 0) {
		if (f.number == PAIR_KEY)
			*key = f.bytes;
		else if (f.number == PAIR_VALUE)
			any = f.bytes;
	}
	otlp_any(any, value);
	return true;
}

bool otlp_item(struct str *rest, struct otlp_any *value)
{
	struct str message;

	if (!next_message(rest, 1, &message))
		return false;
	otlp_any(message, value);
	return true;
}
