/* SPDX-License-Identifier: Apache-2.0 */
/* What of gRPC has no state (grpc/grpc doc/PROTOCOL-HTTP2.md). */
#ifndef INPUTS_OTLP_GRPC_H
#define INPUTS_OTLP_GRPC_H

#include "lib/str.h"

/* grpc-timeout: at most 8 digits and a unit (H M S m u n). False: malformed. */
bool grpc_timeout(struct str text, int64_t *ret_ns);

#endif
