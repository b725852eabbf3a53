/* SPDX-License-Identifier: Apache-2.0 */
/* google.rpc.Status {1: code, 2: message, 3: details} with google.rpc.RetryInfo {1: Duration {1: seconds}}. */
#include "inputs/otlp/status.h"

#include "lib/wire.h"

#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"

static void put_bytes(struct buf *out, unsigned field, struct str s)
{
	uint8_t head[1 + WIRE_VARINT_MAX];

	buf_put(out, head, (size_t)(wire_put_head(head, WIRE_TAG_BYTES(field), s.n) - head));
	buf_str(out, s);
}

static void put_proto(struct buf *out, enum grpc_code code, struct str message, unsigned retry_s)
{
	uint8_t info[16], *p = info + 2;
	struct buf any = BUF_INIT;

	buf_ch(out, WIRE_TAG_VARINT(1));
	buf_ch(out, (char)code);
	put_bytes(out, 2, message);
	if (!retry_s)
		return;
	*p++ = WIRE_TAG_VARINT(1);
	p = wire_put(p, retry_s);
	info[0] = WIRE_TAG_BYTES(1);
	info[1] = (uint8_t)(p - info - 2);
	put_bytes(&any, 1, STR(RETRY_INFO));
	put_bytes(&any, 2, str_make((const char *)info, (size_t)(p - info)));
	put_bytes(out, 3, buf_as_str(&any));
	buf_fini(&any);
}

void otlp_status(struct buf *out, bool is_json, enum grpc_code code, struct str message,
		 unsigned retry_s)
{
	if (!is_json) {
		put_proto(out, code, message, retry_s);
		return;
	}
	buf_printf(out, "{\"code\":%d,\"message\":", (int)code);
	buf_json_str(out, message);
	if (retry_s)
		buf_printf(out,
			   ",\"details\":[{\"@type\":\"" RETRY_INFO "\",\"retryDelay\":\"%us\"}]",
			   retry_s);
	buf_ch(out, '}');
}

enum grpc_code otlp_code_of_http(unsigned status)
{
	switch (status) {
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 404:
	case 405:
	case 415:
		return GRPC_UNIMPLEMENTED;
	case 408:
		return GRPC_DEADLINE_EXCEEDED;
	case 413:
		return GRPC_RESOURCE_EXHAUSTED;
	case 429:
	case 503:
		return GRPC_UNAVAILABLE;
	default:
		return status < 500 ? GRPC_INVALID_ARGUMENT : GRPC_INTERNAL;
	}
}
