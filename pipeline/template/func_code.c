/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings, digests and paths. */
#include "lib/digest.h"
#include "pipeline/template/tree.h"

/* ---- digests ---- */

static int hex_digest(struct call *c, enum digest which, const struct str *parts, size_t n)
{
	unsigned char sum[DIGEST_BYTES_MAX];
	size_t length = digest(which, parts, n, sum);
	struct buf *out = call_buf(c);

	if (!length)
		return call_fail(c, "this system does not allow the algorithm");
	for (size_t i = 0; i < length; i++)
		buf_printf(out, "%02x", sum[i]);
	return call_text(c, out);
}

/* Promtail's: salt, then text. */
static int Hash_run(struct call *c)
{
	const struct str parts[] = { c->args[0].s, c->args[1].s };

	return hex_digest(c, DIGEST_SHA3_256, parts, 2);
}

static int Sha2Hash_run(struct call *c)
{
	const struct str parts[] = { c->args[0].s, c->args[1].s };

	return hex_digest(c, DIGEST_SHA256, parts, 2);
}

static int sha1sum_run(struct call *c)
{
	return hex_digest(c, DIGEST_SHA1, &c->args[0].s, 1);
}

static int sha256sum_run(struct call *c)
{
	return hex_digest(c, DIGEST_SHA256, &c->args[0].s, 1);
}

static int sha512sum_run(struct call *c)
{
	return hex_digest(c, DIGEST_SHA512, &c->args[0].s, 1);
}

/* RFC 1950 section 8.2, in decimal as sprig has it. */
static int adler32sum_run(struct call *c)
{
	struct str s = c->args[0].s;
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < s.n; i++) {
		a = (a + (unsigned char)s.p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return call_str(c, arena_printf(c->arena, "%u", b << 16 | a));
}

/* ---- base 64 and 32 (RFC 4648 sections 4 and 6): `bits` a letter, groups of `letters` ---- */

struct base {
	const char *alphabet;
	unsigned bits, letters;
};

static const struct base base64 = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4
};
static const struct base base32 = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8 };

static int encode(struct call *c, const struct base *base)
{
	struct str s = c->args[0].s;
	struct buf *out = call_buf(c);
	unsigned have = 0, mask = (1u << base->bits) - 1;
	uint32_t bits = 0;

	for (size_t i = 0; i < s.n; i++) {
		bits = bits << 8 | (unsigned char)s.p[i];
		for (have += 8; have >= base->bits; have -= base->bits)
			buf_ch(out, base->alphabet[bits >> (have - base->bits) & mask]);
	}
	if (have)
		buf_ch(out, base->alphabet[bits << (base->bits - have) & mask]);
	while (out->n % base->letters)
		buf_ch(out, '=');
	return call_text(c, out);
}

/* sprig's result for what cannot be decoded is the text of Go's error. */
static int not_decoded(struct call *c, const struct base *base, size_t at)
{
	return call_str(c, arena_printf(c->arena, "illegal base%d data at input byte %zu",
					1 << base->bits, at));
}

static int decode(struct call *c, const struct base *base)
{
	struct str s = c->args[0].s;
	struct buf *out = call_buf(c);
	size_t end = s.n, letters = 0;
	unsigned have = 0;
	uint32_t bits = 0;

	while (end && s.p[end - 1] == '=')
		end--;
	for (size_t i = 0; i < end; i++) {
		const char *hit = s.p[i] ? strchr(base->alphabet, s.p[i]) : NULL;

		if (s.p[i] == '\n' || s.p[i] == '\r')
			continue;
		if (!hit)
			return not_decoded(c, base, i);
		letters++;
		bits = bits << base->bits | (uint32_t)(hit - base->alphabet);
		have += base->bits;
		if (have >= 8) {
			have -= 8;
			buf_ch(out, (char)(bits >> have));
		}
	}
	if ((letters + s.n - end) % base->letters || s.n - end >= base->letters - 1 ||
	    have >= base->bits)
		return not_decoded(c, base, s.n);
	return call_text(c, out);
}

static int b64enc_run(struct call *c)
{
	return encode(c, &base64);
}

static int b64dec_run(struct call *c)
{
	return decode(c, &base64);
}

static int b32enc_run(struct call *c)
{
	return encode(c, &base32);
}

static int b32dec_run(struct call *c)
{
	return decode(c, &base32);
}

/* ---- paths: Go's package path ---- */

static int base_run(struct call *c)
{
	struct str s = c->args[0].s;
	size_t at;

	if (!s.n)
		return call_str(c, STR("."));
	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	if (!s.n)
		return call_str(c, STR("/"));
	for (at = s.n; at && s.p[at - 1] != '/'; at--)
		;
	return call_str(c, str_skip(s, at));
}

/* path.Clean: no empty, . and .. elements but leading ones of a relative path. */
static int clean(struct call *c, struct str s)
{
	bool is_rooted = s.n && s.p[0] == '/';
	struct buf *out = call_buf(c);
	size_t fixed; /* what .. cannot take away */

	if (is_rooted)
		buf_ch(out, '/');
	fixed = out->n;
	while (s.p && s.n) {
		struct str part = str_cut(&s, '/');

		if (!part.n || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			if (out->n > fixed) {
				while (out->n > fixed && out->p[out->n - 1] != '/')
					out->n--;
				if (out->n > fixed)
					out->n--;
				continue;
			}
			if (is_rooted)
				continue;
		}
		if (out->n > (size_t)is_rooted)
			buf_ch(out, '/');
		buf_str(out, part);
		if (str_is(part, ".."))
			fixed = out->n;
	}
	return out->n ? call_text(c, out) : call_str(c, STR("."));
}

static int clean_run(struct call *c)
{
	return clean(c, c->args[0].s);
}

static int dir_run(struct call *c)
{
	struct str s = c->args[0].s;

	while (s.n && s.p[s.n - 1] != '/')
		s.n--;
	return clean(c, s);
}

static int ext_run(struct call *c)
{
	struct str s = c->args[0].s;

	for (size_t i = s.n; i-- > 0 && s.p[i] != '/';)
		if (s.p[i] == '.')
			return call_str(c, str_skip(s, i));
	return call_str(c, STR(""));
}

static int isAbs_run(struct call *c)
{
	return call_bool(c, str_starts(c->args[0].s, STR("/")));
}

const struct template_func template_funcs_code[] = {
	{ "Hash", "ss", Hash_run },
	{ "Sha2Hash", "ss", Sha2Hash_run },
	{ "sha1sum", "s", sha1sum_run },
	{ "sha256sum", "s", sha256sum_run },
	{ "sha512sum", "s", sha512sum_run },
	{ "adler32sum", "s", adler32sum_run },
	{ "b64enc", "s", b64enc_run },
	{ "b64dec", "s", b64dec_run },
	{ "b32enc", "s", b32enc_run },
	{ "b32dec", "s", b32dec_run },
	{ "base", "s", base_run },
	{ "dir", "s", dir_run },
	{ "clean", "s", clean_run },
	{ "ext", "s", ext_run },
	{ "isAbs", "s", isAbs_run },
	{ "osBase", "s", base_run },
	{ "osDir", "s", dir_run },
	{ "osClean", "s", clean_run },
	{ "osExt", "s", ext_run },
	{ "osIsAbs", "s", isAbs_run },
	{ NULL, NULL, NULL },
};
