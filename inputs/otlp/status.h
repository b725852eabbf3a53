/* SPDX-License-Identifier: Apache-2.0 */
/* google.rpc.Status, what OTLP answers when it refuses; and the codes of gRPC. */
#ifndef INPUTS_OTLP_STATUS_H
#define INPUTS_OTLP_STATUS_H

#include "lib/buf.h"

enum grpc_code {
	GRPC_OK = 0,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16,
};

/* Appends it as protobuf or JSON; with a RetryInfo when retry_s is not 0. */
void otlp_status(struct buf *out, bool is_json, enum grpc_code code, struct str message,
		 unsigned retry_s);
/* What a status of HTTP means. */
enum grpc_code otlp_code_of_http(unsigned status);

#endif
