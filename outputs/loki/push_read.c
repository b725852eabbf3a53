/* SPDX-License-Identifier: Apache-2.0 */
/* Reading entries back: to split a request, and to write a refused one down as text. */
#include "lib/clock.h"
#include "outputs/loki/push.h"
#include "lib/wire.h"

bool push_next_raw(struct str *bytes, struct str *ret_raw)
{
	struct str all = *bytes, entry;

	if (!wire_get_bytes(bytes, WIRE_TAG_BYTES(2), &entry))
		return false;
	*ret_raw = str_sub(all, 0, all.n - bytes->n);
	return true;
}

static bool read_moment(struct str s, int64_t *ret_ns)
{
	uint64_t seconds = 0, ns = 0;

	if (s.n && (uint8_t)s.p[0] == WIRE_TAG_VARINT(1)) {
		s = str_skip(s, 1);
		if (!wire_get(&s, &seconds))
			return false;
	}
	if (s.n && (uint8_t)s.p[0] == WIRE_TAG_VARINT(2)) {
		s = str_skip(s, 1);
		if (!wire_get(&s, &ns))
			return false;
	}
	*ret_ns = (int64_t)(seconds * (uint64_t)NS_PER_S + ns); /* wraps, as no time of ours does */
	return s.n == 0;
}

bool push_next_entry(struct str *bytes, struct push_entry *ret)
{
	struct str all = *bytes, entry, stamp;

	*ret = (struct push_entry){ 0 };
	if (!wire_get_bytes(bytes, WIRE_TAG_BYTES(2), &entry))
		return false;
	ret->raw = str_sub(all, 0, all.n - bytes->n);
	if (!wire_get_bytes(&entry, WIRE_TAG_BYTES(1), &stamp) ||
	    !read_moment(stamp, &ret->time_ns)) {
		*bytes = all;
		return false;
	}
	wire_get_bytes(&entry, WIRE_TAG_BYTES(2), &ret->line);
	ret->meta = entry;
	return true;
}

bool push_next_pair(struct str *meta, struct str *ret_name, struct str *ret_value)
{
	struct str pair;

	*ret_name = *ret_value = STR_NONE;
	if (!wire_get_bytes(meta, WIRE_TAG_BYTES(3), &pair))
		return false;
	wire_get_bytes(&pair, WIRE_TAG_BYTES(1), ret_name);
	wire_get_bytes(&pair, WIRE_TAG_BYTES(2), ret_value);
	return pair.n == 0;
}
