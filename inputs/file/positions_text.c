/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a position file. Each is eight hex digits of CRC-32C over what follows the space,
 * then a letter and its fields, numbers in hex without leading zeros:
 *
 *	V version files next                     first line; files that follow, next number
 *	I time                                   in use: the first scan was finished then; 1: once
 *	F number dev ino btime seen path         a file; path with %xx for bytes outside 21..7e and %
 *	B number time                            its content began later than the file
 *	A number size time done                  it is compressed: the file's size and time of change when it
 *	                                         was looked at; what follows is about its content
 *	H number length hash                     its beginning
 *	S number offset marker last next {raw last}*   settled up to offset; times used (uniq.h)
 *	R number start end t0 lines marker       a range on its way
 *	T number                                 rewritten: starts again at 0
 *	D number                                 gone
 */
#include <endian.h>

#include "inputs/file/positions.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

#define TIME_MAX_NS INT64_C(7000000000000000000) /* the year 2191: so that times can be added to */
#define RANGE_LINES_MAX (1u << 20)

/* ---- writing ------------------------------------------------------------------------------ */

static const char hex_digits[] = "0123456789abcdef";

/* Eight digits, the highest in the lowest byte. All at once: a busy input writes a hundred thousand
 * numbers a second. */
static uint64_t hex8(uint32_t v)
{
	uint64_t x = v, letters;

	x = (x & 0xffff0000) << 16 | (x & 0xffff);
	x = (x & 0x0000ff000000ff00) << 8 | (x & 0x000000ff000000ff);
	x = (x & 0x00f000f000f000f0) << 4 | (x & 0x000f000f000f000f);
	letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
	return htobe64(x + 0x3030303030303030 + letters * ('a' - '9' - 1));
}

static void put(struct buf *out, uint64_t v)
{
	size_t n = v ? (67 - (size_t)__builtin_clzll(v)) / 4 : 1;
	uint64_t digits[4] = { hex8((uint32_t)(v >> 32)), hex8((uint32_t)v) };

	if (!buf_reserve(out, 1 + 16))
		return;
	out->p[out->n] = ' ';
	memcpy(out->p + out->n + 1, (char *)digits + 16 - n, 16); /* n of them count */
	out->n += 1 + n;
}

static size_t begin(struct buf *out, char type, uint64_t num)
{
	size_t at = out->n;

	buf_put(out, "00000000 ", 9);
	buf_ch(out, type);
	put(out, num);
	return at;
}

static void end(struct buf *out, size_t at)
{
	uint32_t crc;

	if (out->is_cut)
		return;
	crc = crc32c(str_make(out->p + at + 9, out->n - at - 9));
	memcpy(out->p + at, &(uint64_t){ hex8(crc) }, 8);
	buf_ch(out, '\n');
}

static void put_path(struct buf *out, struct str path)
{
	buf_ch(out, ' ');
	for (size_t i = 0; i < path.n; i++) {
		uint8_t c = (uint8_t)path.p[i];

		if (c > 0x20 && c < 0x7f && c != '%') {
			buf_ch(out, path.p[i]);
			continue;
		}
		buf_ch(out, '%');
		buf_ch(out, hex_digits[c >> 4]);
		buf_ch(out, hex_digits[c & 15]);
	}
}

void positions_render_file(const struct pos *p, struct buf *out)
{
	size_t at = begin(out, 'F', p->num);

	put(out, p->file.dev);
	put(out, p->file.ino);
	put(out, (uint64_t)p->file.btime_ns);
	put(out, (uint64_t)p->seen_s);
	put_path(out, p->path);
	end(out, at);
}

void positions_render_head(const struct pos *p, struct buf *out)
{
	size_t at = begin(out, 'H', p->num);

	put(out, p->head_n);
	put(out, p->head);
	end(out, at);
}

void positions_render_range(const struct pos *p, const struct pos_range *r, struct buf *out)
{
	size_t at = begin(out, 'R', p->num);

	put(out, r->start);
	put(out, r->end);
	put(out, (uint64_t)r->t0_ns);
	put(out, r->n);
	put(out, r->marker);
	end(out, at);
}

void positions_render_settled(const struct pos *p, struct buf *out)
{
	size_t at = begin(out, 'S', p->num);

	put(out, p->offset);
	put(out, p->marker);
	put(out, (uint64_t)p->last_ns);
	put(out, p->uniq.next);
	for (size_t i = 0; i < UNIQ_SLOTS && p->uniq.slot[i].raw_ns; i++) {
		put(out, (uint64_t)p->uniq.slot[i].raw_ns);
		put(out, (uint64_t)p->uniq.slot[i].last_ns);
	}
	end(out, at);
}

void positions_render_event(const struct pos *p, char type, struct buf *out)
{
	end(out, begin(out, type, p->num));
}

void positions_render_begun(const struct positions *ps, struct buf *out)
{
	end(out, begin(out, 'I', ps->begun_s ? (uint64_t)ps->begun_s : 1));
}

void positions_render_archive(const struct pos *p, struct buf *out)
{
	size_t at = begin(out, 'A', p->num);

	put(out, p->archive->size);
	put(out, (uint64_t)p->archive->mtime_ns);
	put(out, p->archive->is_done);
	end(out, at);
}

void positions_render_born(const struct pos *p, struct buf *out)
{
	size_t at = begin(out, 'B', p->num);

	put(out, (uint64_t)p->born_ns);
	end(out, at);
}

void positions_render(const struct positions *ps, struct buf *out)
{
	size_t at = begin(out, 'V', POS_VERSION);

	put(out, ps->n);
	put(out, ps->next_num);
	end(out, at);
	if (ps->is_begun)
		positions_render_begun(ps, out);
	for (const struct pos *p = ps->first; p; p = p->next) {
		positions_render_file(p, out);
		if (p->born_ns != p->file.btime_ns)
			positions_render_born(p, out);
		if (p->archive)
			positions_render_archive(p, out);
		if (p->head_n)
			positions_render_head(p, out);
		positions_render_settled(p, out);
		for (size_t i = 0; i < p->nranges; i++)
			positions_render_range(p, &p->ranges[p->first_range + i], out);
	}
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool parse_hex(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *digit = memchr(hex_digits, s.p[i], 16);

		if (!digit)
			return false;
		v = v << 4 | (uint64_t)(digit - hex_digits);
	}
	*ret = v;
	return true;
}

/* n numbers; false when there are fewer or other text. */
static bool take(struct str *fields, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!fields->p || !parse_hex(str_cut(fields, ' '), &ret[i]))
			return false;
	return true;
}

static bool is_time(uint64_t v)
{
	return v <= (uint64_t)TIME_MAX_NS;
}

static struct pos *by_num(struct positions *ps, uint64_t num)
{
	struct map_node *n = map_first(&ps->by_num, num);

	return n ? container_of(n, struct pos, by_num) : NULL;
}

static bool parse_path(struct str text, char *out, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint64_t c = (uint8_t)text.p[i];

		if (n == POS_PATH_MAX)
			return false;
		if (c == '%') {
			if (text.n - i < 3 || !parse_hex(str_sub(text, i + 1, i + 3), &c))
				return false;
			i += 2;
		}
		if (c == 0)
			return false;
		out[n++] = (char)c;
	}
	*ret_n = n;
	return n > 1 && out[0] == '/';
}

static bool apply_file(struct positions *ps, uint64_t num, struct str fields)
{
	char path[POS_PATH_MAX];
	uint64_t v[4];
	size_t n;
	struct pos *p;

	if (!take(&fields, v, 4) || !fields.p || !parse_path(fields, path, &n))
		return false;
	p = pos_insert(ps, num, &(struct file_id){ v[0], v[1], (int64_t)v[2] }, str_make(path, n));
	if (!p)
		return false;
	p->seen_s = (int64_t)v[3];
	ps->header.read++;
	if (num >= ps->next_num)
		ps->next_num = num + 1;
	return true;
}

static bool apply_version(struct positions *ps, uint64_t version, struct str fields)
{
	uint64_t v[2] = { 0 };

	if (version == 0 || (version == POS_VERSION &&
			     (!take(&fields, v, 2) || v[0] > POS_MAX || v[1] > INT64_MAX)))
		return false;
	if (v[1] > ps->next_num)
		ps->next_num = v[1];
	ps->header.version = version;
	ps->header.files = v[0];
	ps->header.next = v[1];
	ps->is_begun |= version == 1;
	return true;
}

static bool apply_begun(struct positions *ps, uint64_t at_s)
{
	if (at_s > (uint64_t)TIME_MAX_NS)
		return false;
	ps->is_begun = true;
	ps->begun_s = at_s > 1 ? (int64_t)at_s : 0;
	return true;
}

static bool apply_archive(struct pos *p, struct str fields)
{
	uint64_t v[3];

	if (!take(&fields, v, 3) || fields.p || v[0] > INT64_MAX || v[1] > INT64_MAX || v[2] > 1)
		return false;
	if (!p->archive)
		p->archive = mem_zalloc(sizeof(*p->archive));
	*p->archive = (struct pos_archive){ v[0], (int64_t)v[1], v[2] == 1 };
	return true;
}

static bool apply_born(struct pos *p, struct str fields)
{
	uint64_t v;

	if (!take(&fields, &v, 1) || fields.p || !is_time(v))
		return false;
	p->born_ns = (int64_t)v;
	return true;
}

static bool apply_head(struct pos *p, struct str fields)
{
	uint64_t v[2];

	if (!take(&fields, v, 2) || fields.p || v[0] > HEAD_BYTES)
		return false;
	p->head_n = (uint32_t)v[0];
	p->head = v[1];
	return true;
}

static bool apply_settled(struct pos *p, struct str fields)
{
	struct uniq uniq = { 0 };
	uint64_t v[4], slot[2];

	if (!take(&fields, v, 4) || v[0] > INT64_MAX || v[0] < p->offset || !is_time(v[2]) ||
	    v[3] >= UNIQ_SLOTS)
		return false;
	for (size_t i = 0; fields.p; i++) {
		if (i == UNIQ_SLOTS || !take(&fields, slot, 2) || !is_time(slot[0]) ||
		    !is_time(slot[1]) || slot[0] > slot[1] || slot[0] == 0)
			return false;
		uniq.slot[i].raw_ns = (int64_t)slot[0];
		uniq.slot[i].last_ns = (int64_t)slot[1];
	}
	uniq.next = (uint32_t)v[3];
	p->uniq = uniq;
	pos_settle(p, v[0], v[1], (int64_t)v[2]);
	return true;
}

static bool apply_range(struct pos *p, struct str fields)
{
	uint64_t v[5];

	if (!take(&fields, v, 5) || fields.p || v[0] >= v[1] || v[1] > INT64_MAX ||
	    !is_time(v[2]) || v[3] > RANGE_LINES_MAX)
		return false;
	return pos_add_range(
		p, &(struct pos_range){ v[0], v[1], (int64_t)v[2], (uint32_t)v[3], v[4] });
}

bool positions_apply(struct positions *ps, struct str line)
{
	struct str rest = line, crc_text = str_cut(&rest, ' '), type;
	uint64_t crc, num;
	struct pos *p;

	if (crc_text.n != 8 || !parse_hex(crc_text, &crc) || !rest.p || crc != crc32c(rest))
		return false;
	type = str_cut(&rest, ' ');
	if (type.n != 1 || !take(&rest, &num, 1))
		return false;
	if (type.p[0] == 'V')
		return apply_version(ps, num, rest);
	if (type.p[0] == 'I')
		return apply_begun(ps, num);
	if (num > INT64_MAX)
		return false;
	if (num > ps->header.highest)
		ps->header.highest = num;
	if (type.p[0] == 'F')
		return apply_file(ps, num, rest);
	p = by_num(ps, num);
	if (!p)
		return false;
	switch (type.p[0]) {
	case 'A':
		return apply_archive(p, rest);
	case 'B':
		return apply_born(p, rest);
	case 'H':
		return apply_head(p, rest);
	case 'S':
		return apply_settled(p, rest);
	case 'R':
		return apply_range(p, rest);
	case 'T':
		pos_restart(p);
		return true;
	case 'D':
		pos_remove(ps, p);
		return true;
	default:
		return false;
	}
}
