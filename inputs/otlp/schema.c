/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of OTLP's messages by number and by name. */
#include "inputs/otlp/schema.h"
#include "lib/check.h"

#define FIELDS_MAX 12

#define ONE(n, m, camel, snake)                                                                    \
	{                                                                                          \
		n, OTLP_ONE, m, camel, snake                                                       \
	}
#define MANY(n, m, camel, snake)                                                                   \
	{                                                                                          \
		n, OTLP_MANY, m, camel, snake                                                      \
	}
#define PLAIN(n, k, camel, snake)                                                                  \
	{                                                                                          \
		n, k, 0, camel, snake                                                              \
	}

/* What is not listed (schema_url, entity_refs, key_strindex, ...) says nothing that Loki would keep. */
static const struct otlp_field fields[OTLP_MESSAGES][FIELDS_MAX] = {
	[OTLP_REQUEST] = {
		MANY(1, OTLP_RESOURCE_LOGS, "resourceLogs", "resource_logs"),
	},
	[OTLP_RESOURCE_LOGS] = {
		ONE(RESOURCE_LOGS_RESOURCE, OTLP_RESOURCE, "resource", "resource"),
		MANY(RESOURCE_LOGS_SCOPES, OTLP_SCOPE_LOGS, "scopeLogs", "scope_logs"),
	},
	[OTLP_RESOURCE] = {
		MANY(RESOURCE_ATTRIBUTES, OTLP_PAIR, "attributes", "attributes"),
	},
	[OTLP_SCOPE_LOGS] = {
		ONE(SCOPE_LOGS_SCOPE, OTLP_SCOPE, "scope", "scope"),
		MANY(SCOPE_LOGS_RECORDS, OTLP_LOG, "logRecords", "log_records"),
	},
	[OTLP_SCOPE] = {
		PLAIN(SCOPE_NAME, OTLP_STRING, "name", "name"),
		PLAIN(SCOPE_VERSION, OTLP_STRING, "version", "version"),
		MANY(SCOPE_ATTRIBUTES, OTLP_PAIR, "attributes", "attributes"),
		PLAIN(SCOPE_DROPPED, OTLP_UINT32, "droppedAttributesCount",
		      "dropped_attributes_count"),
	},
	[OTLP_LOG] = {
		PLAIN(LOG_TIME, OTLP_FIXED64, "timeUnixNano", "time_unix_nano"),
		PLAIN(LOG_SEVERITY, OTLP_SEVERITY, "severityNumber", "severity_number"),
		PLAIN(LOG_SEVERITY_TEXT, OTLP_STRING, "severityText", "severity_text"),
		ONE(LOG_BODY, OTLP_ANY, "body", "body"),
		MANY(LOG_ATTRIBUTES, OTLP_PAIR, "attributes", "attributes"),
		PLAIN(LOG_DROPPED, OTLP_UINT32, "droppedAttributesCount",
		      "dropped_attributes_count"),
		PLAIN(LOG_FLAGS, OTLP_FIXED32, "flags", "flags"),
		PLAIN(LOG_TRACE_ID, OTLP_HEX, "traceId", "trace_id"),
		PLAIN(LOG_SPAN_ID, OTLP_HEX, "spanId", "span_id"),
		PLAIN(LOG_OBSERVED, OTLP_FIXED64, "observedTimeUnixNano",
		      "observed_time_unix_nano"),
		PLAIN(LOG_EVENT_NAME, OTLP_STRING, "eventName", "event_name"),
	},
	[OTLP_PAIR] = {
		PLAIN(PAIR_KEY, OTLP_STRING, "key", "key"),
		ONE(PAIR_VALUE, OTLP_ANY, "value", "value"),
	},
	[OTLP_ANY] = {
		PLAIN(ANY_STRING, OTLP_STRING, "stringValue", "string_value"),
		PLAIN(ANY_BOOL, OTLP_BOOL, "boolValue", "bool_value"),
		PLAIN(ANY_INT, OTLP_INT, "intValue", "int_value"),
		PLAIN(ANY_DOUBLE, OTLP_DOUBLE, "doubleValue", "double_value"),
		ONE(ANY_ARRAY, OTLP_ARRAY, "arrayValue", "array_value"),
		ONE(ANY_LIST, OTLP_LIST, "kvlistValue", "kvlist_value"),
		PLAIN(ANY_BYTES, OTLP_BASE64, "bytesValue", "bytes_value"),
	},
	[OTLP_ARRAY] = {
		MANY(1, OTLP_ANY, "values", "values"),
	},
	[OTLP_LIST] = {
		MANY(1, OTLP_PAIR, "values", "values"),
	},
};

const struct otlp_field *otlp_field(enum otlp_message m, uint32_t number)
{
	for (const struct otlp_field *f = fields[m]; f < fields[m] + FIELDS_MAX && f->number; f++)
		if (f->number == number)
			return f;
	return NULL;
}

const struct otlp_field *otlp_field_named(enum otlp_message m, struct str name)
{
	for (const struct otlp_field *f = fields[m]; f < fields[m] + FIELDS_MAX && f->number; f++)
		if (str_is(name, f->name) || str_is(name, f->proto_name))
			return f;
	return NULL;
}

enum wire_type otlp_wire_type(const struct otlp_field *f)
{
	switch ((enum otlp_kind)f->kind) {
	case OTLP_ONE:
	case OTLP_MANY:
	case OTLP_STRING:
	case OTLP_BASE64:
	case OTLP_HEX:
		return WIRE_BYTES;
	case OTLP_INT:
	case OTLP_UINT32:
	case OTLP_SEVERITY:
	case OTLP_BOOL:
		return WIRE_VARINT;
	case OTLP_FIXED64:
	case OTLP_DOUBLE:
		return WIRE_64;
	case OTLP_FIXED32:
		break;
	}
	return WIRE_32;
}

int otlp_severity_named(struct str name)
{
	static const char *const levels[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
	struct str rest = name;
	char step = '1';

	if (!str_starts(name, STR("SEVERITY_NUMBER_")))
		return -1;
	rest = str_skip(name, sizeof("SEVERITY_NUMBER_") - 1);
	if (str_is(rest, "UNSPECIFIED"))
		return 0;
	if (rest.n && rest.p[rest.n - 1] >= '2' && rest.p[rest.n - 1] <= '4')
		step = rest.p[--rest.n];
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_is(rest, levels[i]))
			return (int)(i * 4) + step - '0';
	return -1;
}
