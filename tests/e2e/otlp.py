# SPDX-License-Identifier: Apache-2.0
"""OTLP logs in plain Python: requests written as OTLP's JSON, encoded as protobuf apart from the agent's own code."""

from __future__ import annotations

import base64
import http.client
import json
import struct
from dataclasses import dataclass

# message: {name: (number, kind)}; a kind that is a message's name may stand once, in a list any number of times
MESSAGES = {
	"Request": {"resourceLogs": (1, ["ResourceLogs"])},
	"ResourceLogs": {"resource": (1, "Resource"), "scopeLogs": (2, ["ScopeLogs"]), "schemaUrl": (3, "string")},
	"Resource": {"attributes": (1, ["Pair"]), "droppedAttributesCount": (2, "varint")},
	"ScopeLogs": {"scope": (1, "Scope"), "logRecords": (2, ["Log"]), "schemaUrl": (3, "string")},
	"Scope": {"name": (1, "string"), "version": (2, "string"), "attributes": (3, ["Pair"]),
		"droppedAttributesCount": (4, "varint")},
	"Log": {"timeUnixNano": (1, "fixed64"), "severityNumber": (2, "varint"), "severityText": (3, "string"),
		"body": (5, "Any"), "attributes": (6, ["Pair"]), "droppedAttributesCount": (7, "varint"), "flags": (8, "fixed32"),
		"traceId": (9, "hex"), "spanId": (10, "hex"), "observedTimeUnixNano": (11, "fixed64"), "eventName": (12, "string")},
	"Pair": {"key": (1, "string"), "value": (2, "Any")},
	"Any": {"stringValue": (1, "string"), "boolValue": (2, "varint"), "intValue": (3, "varint"), "doubleValue": (4, "double"),
		"arrayValue": (5, "Array"), "kvlistValue": (6, "List"), "bytesValue": (7, "base64")},
	"Array": {"values": (1, ["Any"])},
	"List": {"values": (1, ["Pair"])},
}


def varint(value: int) -> bytes:
	value &= (1 << 64) - 1
	out = bytearray()
	while value > 0x7F:
		out.append(value & 0x7F | 0x80)
		value >>= 7
	return bytes(out + bytes([value]))


def _bytes(number: int, value: bytes) -> bytes:
	return varint(number << 3 | 2) + varint(len(value)) + value


def encode(value: dict, message: str = "Request") -> bytes:
	out = b""
	for name, item in value.items():
		number, kind = MESSAGES[message][name]
		if isinstance(kind, list):
			out += b"".join(_bytes(number, encode(one, kind[0])) for one in item)
		elif kind in MESSAGES:
			out += _bytes(number, encode(item, kind))
		elif kind == "varint":
			out += varint(number << 3) + varint(int(item))
		elif kind == "fixed64":
			out += varint(number << 3 | 1) + struct.pack("<Q", int(item))
		elif kind == "double":
			out += varint(number << 3 | 1) + struct.pack("<d", float(item))
		elif kind == "fixed32":
			out += varint(number << 3 | 5) + struct.pack("<I", int(item))
		else:
			text = {"string": str.encode, "hex": bytes.fromhex, "base64": base64.b64decode}[kind](item)
			out += _bytes(number, text)
	return out


def any_value(value) -> dict:
	"""A Python value as an AnyValue; None has none."""
	if value is None:
		return {}
	if isinstance(value, bool):
		return {"boolValue": value}
	if isinstance(value, int):
		return {"intValue": str(value)}
	if isinstance(value, float):
		return {"doubleValue": value if value - value == 0 else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]}
	if isinstance(value, bytes):
		return {"bytesValue": base64.b64encode(value).decode()}
	if isinstance(value, list):
		return {"arrayValue": {"values": [any_value(v) for v in value]}}
	if isinstance(value, dict):
		return {"kvlistValue": {"values": pairs(value)}}
	return {"stringValue": value}


def pairs(values: dict) -> list[dict]:
	return [{"key": k, "value": any_value(v)} for k, v in values.items()]


def record(body, at: int, attributes: dict | None = None, **more) -> dict:
	return {"timeUnixNano": str(at), "body": any_value(body), "attributes": pairs(attributes or {})} | more


def request(records: list[dict], resource: dict | None = None, scope: dict | None = None) -> dict:
	return {"resourceLogs": [{"resource": {"attributes": pairs({"service.name": "shop"} if resource is None else resource)},
		"scopeLogs": [{"scope": scope or {}, "logRecords": records}]}]}


@dataclass
class Answer:
	status: int
	body: bytes
	headers: dict[str, str]


PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def post(url: str, body: dict | bytes, kind: str = PROTOBUF, path: str = "/v1/logs", headers: dict | None = None) -> Answer:
	"""url: http://host:port"""
	if isinstance(body, dict):
		body = encode(body) if kind.startswith(PROTOBUF) else json.dumps(body).encode()
	conn = http.client.HTTPConnection(url.split("/")[2], timeout=30)
	try:
		conn.request("POST", path, body, {"Content-Type": kind} | (headers or {}))
		answer = conn.getresponse()
		return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})
	finally:
		conn.close()
