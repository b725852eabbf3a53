# SPDX-License-Identifier: Apache-2.0
"""Calls with the real gRPC of Python, as they are written on standard input: a JSON array of
{target, method, body (hex), metadata, timeout, gzip, ca}. Prints for each {code, details, body, retry_s}; those of one
target share a channel, and with "together" all begin before the first answer is waited for."""

import json
import sys

import grpc

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


def retry_s(error) -> int | None:
	for key, value in error.trailing_metadata() or ():
		if key == "grpc-status-details-bin":
			at = value.index(b"google.rpc.RetryInfo")
			return value[at:].split(b"\x12", 1)[1][4]  # length, tag, length, tag, seconds
	return None


def main() -> None:
	calls = json.load(sys.stdin)
	channels, begun = {}, []
	for call in calls:
		key = (call["target"], call.get("ca"))
		if key not in channels:
			channels[key] = grpc.secure_channel(
				call["target"], grpc.ssl_channel_credentials(open(call["ca"], "rb").read())
			) if call.get("ca") else grpc.insecure_channel(call["target"])
		method = channels[key].unary_unary(call.get("method", EXPORT))
		begun.append(method.future(
			bytes.fromhex(call["body"]), timeout=call.get("timeout", 30), metadata=list(call.get("metadata", {}).items()),
			compression=grpc.Compression.Gzip if call.get("gzip") else None, wait_for_ready=True))
		if not call.get("together"):
			begun[-1].exception()
	out = []
	for one in begun:
		error = one.exception()
		out.append({"code": one.code().name, "details": one.details(), "body": None if error else one.result().hex(),
			"retry_s": retry_s(error) if error else None})
	json.dump(out, sys.stdout)


main()
