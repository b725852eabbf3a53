/* SPDX-License-Identifier: Apache-2.0 */
/* An OTLP request as text: by the walk, by protobuf-c, and as JSON that must be read as the same. */
#ifndef TESTS_UNIT_OTLP_TOLD_H
#define TESTS_UNIT_OTLP_TOLD_H

#include <math.h>

#include "inputs/otlp/json_in.h"
#include "inputs/otlp/walk.h"
#include "lib/base64.h"
#include "lib/buf.h"

static inline double told_double(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline void tell_bytes(struct buf *out, struct str s)
{
	buf_printf(out, "%zu:", s.n);
	buf_str(out, s);
}

static inline void tell_double(struct buf *out, double x)
{
	if (isnan(x))
		buf_c(out, "NaN");
	else
		buf_printf(out, "%.17g", x);
}

/* By the walk */

static inline void tell_any(struct buf *out, const struct otlp_any *v)
{
	struct str rest = v->bytes, key;
	struct otlp_any any;

	switch (v->field) {
	case ANY_STRING:
	case ANY_BYTES:
		buf_ch(out, v->field == ANY_STRING ? 's' : 'b');
		tell_bytes(out, v->bytes);
		break;
	case ANY_BOOL:
		buf_c(out, v->bits ? "true" : "false");
		break;
	case ANY_INT:
		buf_printf(out, "%lld", (long long)v->bits);
		break;
	case ANY_DOUBLE:
		buf_ch(out, 'd');
		tell_double(out, told_double(v->bits));
		break;
	case ANY_ARRAY:
		buf_ch(out, '[');
		while (otlp_item(&rest, &any)) {
			tell_any(out, &any);
			buf_ch(out, ',');
		}
		buf_ch(out, ']');
		break;
	case ANY_LIST:
		buf_ch(out, '{');
		while (otlp_pair(&rest, 1, &key, &any)) {
			tell_bytes(out, key);
			buf_ch(out, '=');
			tell_any(out, &any);
			buf_ch(out, ',');
		}
		buf_ch(out, '}');
		break;
	default:
		buf_ch(out, '-');
	}
}

static inline void tell_pairs(struct buf *out, struct str message, uint32_t number)
{
	struct otlp_any any;
	struct str key;

	while (otlp_pair(&message, number, &key, &any)) {
		buf_ch(out, ' ');
		tell_bytes(out, key);
		buf_ch(out, '=');
		tell_any(out, &any);
	}
}

static inline void tell_log(struct buf *out, const struct otlp_log *l)
{
	struct otlp_any any;

	buf_printf(out, "L %llu %llu %d %u %u ", (unsigned long long)l->time_ns,
		   (unsigned long long)l->observed_ns, l->severity, l->dropped, l->flags);
	tell_bytes(out, l->severity_text);
	tell_bytes(out, l->trace_id);
	tell_bytes(out, l->span_id);
	tell_bytes(out, l->event_name);
	otlp_any(l->body, &any);
	tell_any(out, &any);
	tell_pairs(out, l->message, LOG_ATTRIBUTES);
	buf_ch(out, '\n');
}

static inline void tell_walk(struct buf *out, struct str body)
{
	struct otlp_scope scope;
	struct otlp_walk w;
	struct otlp_log log;
	enum otlp_step at;

	otlp_walk_init(&w, body);
	while ((at = otlp_next(&w, &log)) != OTLP_END) {
		if (at == OTLP_NEW_RESOURCE) {
			buf_ch(out, 'R');
			tell_pairs(out, w.resource, RESOURCE_ATTRIBUTES);
			buf_ch(out, '\n');
		} else if (at == OTLP_NEW_SCOPE) {
			otlp_scope(w.scope, &scope);
			buf_printf(out, "S %u ", scope.dropped);
			tell_bytes(out, scope.name);
			tell_bytes(out, scope.version);
			tell_pairs(out, w.scope, SCOPE_ATTRIBUTES);
			buf_ch(out, '\n');
		} else {
			tell_log(out, &log);
		}
	}
}

/* As JSON, by the walk */

static inline void json_text_of(struct buf *out, struct str s)
{
	buf_ch(out, '"');
	for (size_t i = 0; i < s.n; i++) { /* any bytes: what is no JSON is not made better here */
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_ch(out, '\\');
		buf_ch(out, s.p[i]);
	}
	buf_ch(out, '"');
}

static inline void json_hex_of(struct buf *out, const char *name, struct str s)
{
	buf_printf(out, ",\"%s\":\"", name);
	for (size_t i = 0; i < s.n; i++)
		buf_printf(out, i % 2 ? "%02X" : "%02x", (unsigned char)s.p[i]);
	buf_ch(out, '"');
}

static inline void json_pairs_of(struct buf *out, const char *name, struct str message,
				 uint32_t number);

static inline void json_any_of(struct buf *out, const struct otlp_any *v)
{
	struct str rest = v->bytes;
	struct otlp_any any;
	const char *comma = "";
	double x;

	buf_ch(out, '{');
	switch (v->field) {
	case ANY_STRING:
		buf_c(out, "\"stringValue\":");
		json_text_of(out, v->bytes);
		break;
	case ANY_BYTES:
		buf_c(out, "\"bytes_value\":\"");
		base64_encode(v->bytes, out);
		buf_ch(out, '"');
		break;
	case ANY_BOOL:
		buf_printf(out, "\"boolValue\":%s", v->bits ? "true" : "false");
		break;
	case ANY_INT:
		buf_printf(out, v->bits & 1 ? "\"intValue\":%lld" : "\"intValue\":\"%lld\"",
			   (long long)v->bits);
		break;
	case ANY_DOUBLE:
		x = told_double(v->bits);
		if (isfinite(x))
			buf_printf(out, "\"doubleValue\":%.17g", x);
		else
			buf_printf(out, "\"doubleValue\":\"%s\"",
				   isnan(x) ? "NaN"
				   : x > 0  ? "Infinity"
					    : "-Infinity");
		break;
	case ANY_ARRAY:
		buf_c(out, "\"arrayValue\":{\"values\":[");
		for (; otlp_item(&rest, &any); comma = ",") {
			buf_c(out, comma);
			json_any_of(out, &any);
		}
		buf_c(out, "]}");
		break;
	case ANY_LIST:
		buf_c(out, "\"kvlistValue\":{");
		json_pairs_of(out, "values", v->bytes, 1);
		buf_ch(out, '}');
		break;
	default:
		break;
	}
	buf_ch(out, '}');
}

static inline void json_pairs_of(struct buf *out, const char *name, struct str message,
				 uint32_t number)
{
	const char *comma = "";
	struct otlp_any any;
	struct str key;

	buf_printf(out, "\"%s\":[", name);
	for (; otlp_pair(&message, number, &key, &any); comma = ",") {
		buf_printf(out, "%s{\"key\":", comma);
		json_text_of(out, key);
		buf_c(out, ",\"value\":");
		json_any_of(out, &any);
		buf_ch(out, '}');
	}
	buf_ch(out, ']');
}

static inline void json_log_of(struct buf *out, const struct otlp_log *l)
{
	struct otlp_any any;

	buf_printf(out,
		   "{\"timeUnixNano\":\"%llu\",\"observedTimeUnixNano\":%llu,\"severityNumber\":%d,"
		   "\"droppedAttributesCount\":%u,\"flags\":%u,\"severityText\":",
		   (unsigned long long)l->time_ns, (unsigned long long)l->observed_ns, l->severity,
		   l->dropped, l->flags);
	json_text_of(out, l->severity_text);
	json_hex_of(out, "traceId", l->trace_id);
	json_hex_of(out, "spanId", l->span_id);
	buf_c(out, ",\"eventName\":");
	json_text_of(out, l->event_name);
	buf_c(out, ",\"body\":");
	otlp_any(l->body, &any);
	json_any_of(out, &any);
	buf_ch(out, ',');
	json_pairs_of(out, "attributes", l->message, LOG_ATTRIBUTES);
	buf_ch(out, '}');
}

static inline void json_of(struct buf *out, struct str body)
{
	static const char ends[][8] = { "", "]}", "]}]}" };
	const char *comma_log = "", *comma_scope = "", *comma_resource = "";
	struct otlp_scope scope;
	struct otlp_walk w;
	struct otlp_log log;
	enum otlp_step at;
	unsigned depth = 0;

	otlp_walk_init(&w, body);
	buf_c(out, "{\"resourceLogs\":[");
	while ((at = otlp_next(&w, &log)) != OTLP_END) {
		if (at == OTLP_NEW_RESOURCE) {
			buf_printf(out, "%s%s{\"resource\":{", ends[depth], comma_resource);
			json_pairs_of(out, "attributes", w.resource, RESOURCE_ATTRIBUTES);
			buf_c(out, "},\"scopeLogs\":[");
			comma_resource = ",";
			comma_scope = "";
			depth = 1;
		} else if (at == OTLP_NEW_SCOPE) {
			otlp_scope(w.scope, &scope);
			buf_printf(out, "%s%s{\"scope\":{\"name\":", depth == 2 ? "]}" : "",
				   comma_scope);
			json_text_of(out, scope.name);
			buf_c(out, ",\"version\":");
			json_text_of(out, scope.version);
			buf_printf(out, ",\"droppedAttributesCount\":\"%u\",", scope.dropped);
			json_pairs_of(out, "attributes", w.scope, SCOPE_ATTRIBUTES);
			buf_c(out, "},\"logRecords\":[");
			comma_scope = ",";
			comma_log = "";
			depth = 2;
		} else {
			buf_c(out, comma_log);
			json_log_of(out, &log);
			comma_log = ",";
		}
	}
	buf_printf(out, "%s]}", ends[depth]);
}

#ifdef HAVE_ORACLE
#include "otlp.pb-c.h"

/* By protobuf-c */

static inline struct str oracle_str(ProtobufCBinaryData b)
{
	return str_make((const char *)b.data, b.len);
}

static inline void oracle_any(struct buf *out, const Otlp__AnyValue *v)
{
	if (!v) {
		buf_ch(out, '-');
		return;
	}
	switch (v->value_case) {
	case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
		buf_ch(out, 's');
		tell_bytes(out, oracle_str(v->string_value));
		break;
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		buf_ch(out, 'b');
		tell_bytes(out, oracle_str(v->bytes_value));
		break;
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		buf_c(out, v->bool_value ? "true" : "false");
		break;
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		buf_printf(out, "%lld", (long long)v->int_value);
		break;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		buf_ch(out, 'd');
		tell_double(out, v->double_value);
		break;
	case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
		buf_ch(out, '[');
		for (size_t i = 0; i < v->array_value->n_values; i++) {
			oracle_any(out, v->array_value->values[i]);
			buf_ch(out, ',');
		}
		buf_ch(out, ']');
		break;
	case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
		buf_ch(out, '{');
		for (size_t i = 0; i < v->kvlist_value->n_values; i++) {
			tell_bytes(out, oracle_str(v->kvlist_value->values[i]->key));
			buf_ch(out, '=');
			oracle_any(out, v->kvlist_value->values[i]->value);
			buf_ch(out, ',');
		}
		buf_ch(out, '}');
		break;
	default:
		buf_ch(out, '-');
	}
}

static inline void oracle_pairs(struct buf *out, Otlp__KeyValue *const *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_ch(out, ' ');
		tell_bytes(out, oracle_str(pairs[i]->key));
		buf_ch(out, '=');
		oracle_any(out, pairs[i]->value);
	}
}

static inline void oracle_scope_logs(struct buf *out, const Otlp__ScopeLogs *s)
{
	Otlp__InstrumentationScope none = OTLP__INSTRUMENTATION_SCOPE__INIT;
	const Otlp__InstrumentationScope *scope = s->scope ? s->scope : &none;

	buf_printf(out, "S %u ", scope->dropped_attributes_count);
	tell_bytes(out, oracle_str(scope->name));
	tell_bytes(out, oracle_str(scope->version));
	oracle_pairs(out, scope->attributes, scope->n_attributes);
	buf_ch(out, '\n');
	for (size_t i = 0; i < s->n_log_records; i++) {
		const Otlp__LogRecord *l = s->log_records[i];

		buf_printf(out, "L %llu %llu %d %u %u ", (unsigned long long)l->time_unix_nano,
			   (unsigned long long)l->observed_time_unix_nano, l->severity_number,
			   l->dropped_attributes_count, l->flags);
		tell_bytes(out, oracle_str(l->severity_text));
		tell_bytes(out, oracle_str(l->trace_id));
		tell_bytes(out, oracle_str(l->span_id));
		tell_bytes(out, oracle_str(l->event_name));
		oracle_any(out, l->body);
		oracle_pairs(out, l->attributes, l->n_attributes);
		buf_ch(out, '\n');
	}
}

/* False: protobuf-c does not take it. */
static inline bool tell_oracle(struct buf *out, struct str body)
{
	Otlp__ExportLogsServiceRequest *r =
		otlp__export_logs_service_request__unpack(NULL, body.n, (const uint8_t *)body.p);

	if (!r)
		return false;
	for (size_t i = 0; i < r->n_resource_logs; i++) {
		const Otlp__ResourceLogs *l = r->resource_logs[i];

		buf_ch(out, 'R');
		if (l->resource)
			oracle_pairs(out, l->resource->attributes, l->resource->n_attributes);
		buf_ch(out, '\n');
		for (size_t k = 0; k < l->n_scope_logs; k++)
			oracle_scope_logs(out, l->scope_logs[k]);
	}
	otlp__export_logs_service_request__free_unpacked(r, NULL);
	return true;
}
#endif

#endif
