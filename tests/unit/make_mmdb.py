#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the databases of tests/golden/geoip: a search tree over prefixes and entries behind it, as the MaxMind DB file
format 2.0 has them."""

import ipaddress
import os
import struct


UINT16, UINT64 = 5, 9


def control(kind: int, size: int) -> bytes:
	extra = b""
	if size >= 29:
		size, extra = 29, bytes([size - 29])
	if kind > 7:
		return bytes([size, kind - 7]) + extra
	return bytes([kind << 5 | size]) + extra


def encode(value: object) -> bytes:
	if isinstance(value, bool):
		return control(14, int(value))
	if isinstance(value, str):
		return control(2, len(value.encode())) + value.encode()
	if isinstance(value, float):
		return control(3, 8) + struct.pack(">d", value)
	if isinstance(value, tuple):  # of another type than uint32
		kind, number = value
		data = number.to_bytes(8, "big").lstrip(b"\0")
		return control(kind, len(data)) + data
	if isinstance(value, int):
		data = value.to_bytes(4, "big").lstrip(b"\0")
		return control(6, len(data)) + data
	if isinstance(value, list):
		return control(11, len(value)) + b"".join(encode(v) for v in value)
	return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def database(kind: str, entries: dict[str, dict]) -> bytes:
	nodes, data, offsets = [[None, None]], b"", {}
	for prefix, entry in entries.items():
		net = ipaddress.ip_network(prefix)
		bits, length = int(net.network_address), net.prefixlen
		if net.version == 4:
			length += 96
		key, at = format(bits, "0128b")[:length], 0
		for bit in key[:-1]:
			if nodes[at][int(bit)] is None:
				nodes.append([None, None])
				nodes[at][int(bit)] = len(nodes) - 1
			at = nodes[at][int(bit)]
		offsets[at, int(key[-1])] = len(data)
		data += encode(entry)
	tree = b""
	for i, node in enumerate(nodes):
		for side in (0, 1):
			if (i, side) in offsets:
				value = len(nodes) + 16 + offsets[i, side]
			else:
				value = len(nodes) if node[side] is None else node[side]
			tree += value.to_bytes(3, "big")
	meta = encode({
		"binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0),
		"build_epoch": (UINT64, 1), "database_type": kind, "description": {"en": "for tests"}, "ip_version": (UINT16, 6),
		"languages": ["en"], "node_count": len(nodes), "record_size": (UINT16, 24),
	})
	return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + meta


CITY = {
	"192.0.2.0/24": {
		"city": {"names": {"de": "Musterstadt", "en": "Example City"}},
		"continent": {"code": "EU", "names": {"en": "Europe"}},
		"country": {"iso_code": "DE", "names": {"en": "Germany"}},
		"location": {"latitude": 51.5, "longitude": -0.25, "time_zone": "Europe/Berlin"},
		"postal": {"code": "01234"},
		"subdivisions": [
			{"iso_code": "A", "names": {"en": "Large"}},
			{"iso_code": "B", "names": {"en": "Small"}},
		],
		"traits": {"is_anonymous_proxy": True, "tags": ["x", "y"], "score": 7},
	},
	"2001:db8::/32": {"country": {"iso_code": "FR", "names": {"en": "France"}}, "city": {"names": {"en": ""}}},
}
ASN = {"198.51.100.0/25": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example GmbH"}}

if __name__ == "__main__":
	folder = os.path.join(os.path.dirname(__file__), "..", "golden", "geoip")
	os.makedirs(folder, exist_ok=True)
	for name, kind, entries in (("city", "GeoLite2-City", CITY), ("asn", "GeoLite2-ASN", ASN)):
		with open(os.path.join(folder, name + ".mmdb"), "wb") as f:
			f.write(database(kind, entries))
