/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of OTLP logs as far as they are read (opentelemetry-proto 1.11: collector/logs/v1, logs/v1,
 * resource/v1, common/v1), for what checks protobuf and what turns JSON into it. */
#ifndef INPUTS_OTLP_SCHEMA_H
#define INPUTS_OTLP_SCHEMA_H

#include "lib/str.h"
#include "lib/wire.h"

enum otlp_message {
	OTLP_REQUEST, /* ExportLogsServiceRequest */
	OTLP_RESOURCE_LOGS,
	OTLP_RESOURCE,
	OTLP_SCOPE_LOGS,
	OTLP_SCOPE,
	OTLP_LOG,
	OTLP_PAIR, /* KeyValue */
	OTLP_ANY,
	OTLP_ARRAY,
	OTLP_LIST, /* KeyValueList */
	OTLP_MESSAGES,
};

enum otlp_kind {
	OTLP_ONE,  /* a message */
	OTLP_MANY, /* messages */
	OTLP_STRING,
	OTLP_BASE64, /* bytes; JSON: base64 */
	OTLP_HEX,    /* bytes; JSON: hexadecimal digits (the ids) */
	OTLP_INT,    /* int64 */
	OTLP_UINT32,
	OTLP_SEVERITY, /* an enum */
	OTLP_BOOL,
	OTLP_FIXED64,
	OTLP_FIXED32,
	OTLP_DOUBLE,
};

struct otlp_field {
	uint8_t number;
	uint8_t kind;    /* enum otlp_kind */
	uint8_t message; /* of OTLP_ONE and OTLP_MANY: enum otlp_message */
	const char *name, *proto_name;
};

/* NULL: passed over. */
const struct otlp_field *otlp_field(enum otlp_message m, uint32_t number);
/* By either of its names in JSON. */
const struct otlp_field *otlp_field_named(enum otlp_message m, struct str name);
enum wire_type otlp_wire_type(const struct otlp_field *f);
/* SEVERITY_NUMBER_INFO2 and so on; -1: there is none of that name. */
int otlp_severity_named(struct str name);

/* Names of fields, for who reads them. */
enum {
	RESOURCE_LOGS_RESOURCE = 1,
	RESOURCE_LOGS_SCOPES = 2,
	RESOURCE_ATTRIBUTES = 1,
	SCOPE_LOGS_SCOPE = 1,
	SCOPE_LOGS_RECORDS = 2,
	SCOPE_NAME = 1,
	SCOPE_VERSION = 2,
	SCOPE_ATTRIBUTES = 3,
	SCOPE_DROPPED = 4,
	LOG_TIME = 1,
	LOG_SEVERITY = 2,
	LOG_SEVERITY_TEXT = 3,
	LOG_BODY = 5,
	LOG_ATTRIBUTES = 6,
	LOG_DROPPED = 7,
	LOG_FLAGS = 8,
	LOG_TRACE_ID = 9,
	LOG_SPAN_ID = 10,
	LOG_OBSERVED = 11,
	LOG_EVENT_NAME = 12,
	PAIR_KEY = 1,
	PAIR_VALUE = 2,
	ANY_STRING = 1,
	ANY_BOOL = 2,
	ANY_INT = 3,
	ANY_DOUBLE = 4,
	ANY_ARRAY = 5,
	ANY_LIST = 6,
	ANY_BYTES = 7,
};

#endif
