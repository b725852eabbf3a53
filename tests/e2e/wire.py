# SPDX-License-Identifier: Apache-2.0
"""Loki's push body in plain Python: protobuf and snappy, written and read apart from the agent's own code.

Being a second, independent implementation is its whole use: what the agent wrote is read here, and what is
written here is read by the real Loki. The shapes are those of Loki's pkg/push/push.proto.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


class WireError(ValueError):
	"""Bytes that are not what the format says."""


@dataclass(frozen=True)
class Entry:
	ts: int  # nanoseconds since 1970
	line: str
	meta: tuple[tuple[str, str], ...] = ()  # structured metadata, in the order sent

	@property
	def meta_dict(self) -> dict[str, str]:
		return dict(self.meta)


@dataclass
class Stream:
	labels: dict[str, str]
	entries: list[Entry] = field(default_factory=list)
	label_text: str = ""  # as it stood on the wire


# --- labels -------------------------------------------------------------------------------------------------

_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_LABEL = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)', re.S)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.S)


def format_labels(labels: dict[str, str]) -> str:
	"""{a="b", c="d"}, sorted by name, quoted as Go does it."""
	quoted = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
	pairs = (f'{name}="{"".join(quoted.get(c, c) for c in value)}"' for name, value in sorted(labels.items()))
	return "{" + ", ".join(pairs) + "}"


def _unescape(match: re.Match) -> str:
	esc = match.group(1)
	if esc[0] in "xuU" and len(esc) > 1:
		return chr(int(esc[1:], 16))
	if len(esc) == 3:
		return chr(int(esc, 8))
	if esc not in _ESCAPES:
		raise WireError(f"unknown escape \\{esc} in a label value")
	return _ESCAPES[esc]


def parse_labels(text: str) -> dict[str, str]:
	"""Strict: an invalid name, a bad escape or a duplicate is an error, as it is for Loki."""
	if not (text.startswith("{") and text.endswith("}")):
		raise WireError(f"labels without braces: {text!r}")
	body, at, labels = text[1:-1], 0, {}
	while at < len(body):
		match = _LABEL.match(body, at)
		if not match:
			raise WireError(f"labels that Loki would refuse: {text!r}")
		name, value = match.group(1), _ESCAPE.sub(_unescape, match.group(2))
		if name in labels:
			raise WireError(f"label {name!r} twice in {text!r}")
		labels[name] = value
		at = match.end()
	return labels


# --- protobuf -----------------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
	value &= (1 << 64) - 1  # negative int64: ten bytes, as protobuf has it
	out = bytearray()
	while value > 0x7F:
		out.append(value & 0x7F | 0x80)
		value >>= 7
	out.append(value)
	return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
	value = shift = 0
	while True:
		if at >= len(data):
			raise WireError("varint cut off")
		byte = data[at]
		at += 1
		value |= (byte & 0x7F) << shift
		if byte < 0x80:
			return value & ((1 << 64) - 1), at
		shift += 7
		if shift > 63:
			raise WireError("varint longer than ten bytes")


def _bytes_field(number: int, payload: bytes) -> bytes:
	return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _fields(data: bytes):
	"""Yields (field number, value): an int for varints and fixed sizes, bytes for the rest."""
	at = 0
	while at < len(data):
		key, at = _read_varint(data, at)
		number, kind = key >> 3, key & 7
		if number == 0:
			raise WireError("field number 0")
		if kind == 0:
			value, at = _read_varint(data, at)
		elif kind == 2:
			size, at = _read_varint(data, at)
			if size > len(data) - at:
				raise WireError("field longer than its message")
			value, at = data[at : at + size], at + size
		elif kind in (1, 5):
			size = 8 if kind == 1 else 4
			if size > len(data) - at:
				raise WireError("fixed field cut off")
			value, at = int.from_bytes(data[at : at + size], "little"), at + size
		else:
			raise WireError(f"wire type {kind}")
		yield number, value


def _signed(value: int) -> int:
	return value - (1 << 64) if value >> 63 else value


def encode_entry(entry: Entry) -> bytes:
	seconds, nanos = divmod(entry.ts, 1_000_000_000)
	stamp = b""
	if seconds:
		stamp += b"\x08" + _varint(seconds)
	if nanos:
		stamp += b"\x10" + _varint(nanos)
	out = _bytes_field(1, stamp) + _bytes_field(2, entry.line.encode())
	for name, value in entry.meta:
		out += _bytes_field(3, _bytes_field(1, name.encode()) + _bytes_field(2, value.encode()))
	return out


def encode_push(streams: list[Stream]) -> bytes:
	"""PushRequest, not compressed. A stream's label_text, when set, goes out as it is: for refusals."""
	out = []
	for stream in streams:
		body = [_bytes_field(1, (stream.label_text or format_labels(stream.labels)).encode())]
		body += (_bytes_field(2, encode_entry(entry)) for entry in stream.entries)
		out.append(_bytes_field(1, b"".join(body)))
	return b"".join(out)


def _decode_pair(data: bytes) -> tuple[str, str]:
	name = value = ""
	for number, payload in _fields(data):
		if number == 1:
			name = payload.decode()
		elif number == 2:
			value = payload.decode()
		else:
			raise WireError(f"unknown field {number} in LabelPair")
	return name, value


def _decode_entry(data: bytes) -> Entry:
	seconds = nanos = 0
	line, meta, stamps = b"", [], 0
	for number, payload in _fields(data):
		if number == 1:
			stamps += 1
			for part, value in _fields(payload):
				if part == 1:
					seconds = _signed(value)
				elif part == 2:
					nanos = _signed(value)
				else:
					raise WireError(f"unknown field {part} in Timestamp")
		elif number == 2:
			line = payload
		elif number == 3:
			meta.append(_decode_pair(payload))
		else:
			raise WireError(f"field {number} in an entry: a client never sends it")
	if stamps != 1:
		raise WireError(f"{stamps} timestamps in one entry")
	if not 0 <= nanos < 1_000_000_000:
		raise WireError(f"nanos out of range: {nanos}")
	return Entry(seconds * 1_000_000_000 + nanos, line.decode(), tuple(meta))


def decode_push(data: bytes) -> list[Stream]:
	"""Strict: unknown fields, invalid UTF-8 and labels that Loki would refuse raise."""
	streams = []
	for number, payload in _fields(data):
		if number != 1:
			raise WireError(f"field {number} in PushRequest: a client never sends it")
		stream = Stream({})
		for part, value in _fields(payload):
			if part == 1:
				stream.label_text = value.decode()
				stream.labels = parse_labels(stream.label_text)
			elif part == 2:
				stream.entries.append(_decode_entry(value))
			else:
				raise WireError(f"field {part} in Stream: a client never sends it")
		streams.append(stream)
	return streams


# --- snappy, block format -----------------------------------------------------------------------------------


def snappy_encode(data: bytes) -> bytes:
	"""A valid block made of literals only: larger than the input, which is fine for a test."""
	out = bytearray(_varint(len(data)))
	for at in range(0, len(data), 65536):
		piece = data[at : at + 65536]
		out.append(61 << 2)  # literal, length - 1 in the next two bytes
		out += (len(piece) - 1).to_bytes(2, "little")
		out += piece
	return bytes(out)


def snappy_decode(block: bytes, limit: int = 64 << 20) -> bytes:
	size, at = _read_varint(block, 0)
	if size > limit:
		raise WireError(f"snappy block claims {size} bytes")
	out = bytearray()
	while at < len(block):
		tag = block[at]
		at += 1
		kind = tag & 3
		if kind == 0:
			length = tag >> 2
			if length >= 60:
				extra = length - 59
				length = int.from_bytes(block[at : at + extra], "little")
				at += extra
			length += 1
			if at + length > len(block):
				raise WireError("snappy literal cut off")
			out += block[at : at + length]
			at += length
			continue
		if kind == 1:
			length, width = (tag >> 2 & 7) + 4, 1
		else:
			length, width = (tag >> 2) + 1, 2 if kind == 2 else 4
		if at + width > len(block):
			raise WireError("snappy copy cut off")
		offset = int.from_bytes(block[at : at + width], "little")
		at += width
		if kind == 1:
			offset |= (tag >> 5) << 8
		if offset == 0 or offset > len(out):
			raise WireError("snappy copy from before the start")
		start = len(out) - offset
		if offset >= length:
			out += out[start : start + length]
		else:  # overlapping: repeats the last `offset` bytes
			pattern = bytes(out[start:])
			out += (pattern * (length // offset + 1))[:length]
		if len(out) > size:
			raise WireError("snappy block longer than it claims")
	if len(out) != size:
		raise WireError(f"snappy block claims {size} bytes and has {len(out)}")
	return bytes(out)
