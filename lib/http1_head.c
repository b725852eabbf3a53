/* SPDX-License-Identifier: Apache-2.0 */
/* What the lines of a request's head mean, and which of them are refused. */
#include "lib/http1_impl.h"

/* clang-format off */
static const bool token_bytes[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
	['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
	['`'] = true, ['|'] = true, ['~'] = true,
};
/* RFC 3986: pchar, '/', '?' and what square brackets are for in practice. */
static const bool target_bytes[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true, ['!'] = true, ['$'] = true,
	['&'] = true, ['\''] = true, ['('] = true, [')'] = true, ['*'] = true, ['+'] = true,
	[','] = true, [';'] = true, ['='] = true, [':'] = true, ['@'] = true, ['/'] = true,
	['?'] = true, ['%'] = true, ['['] = true, [']'] = true,
};
/* clang-format on */

static bool all_in(const bool table[256], struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!table[(unsigned char)s.p[i]])
			return false;
	return s.n > 0;
}

bool http1_is_token(struct str s)
{
	return all_in(token_bytes, s);
}

bool http1_is_token_byte(char c)
{
	return token_bytes[(unsigned char)c];
}

static bool bad(struct http1 *h, unsigned status, const char *why)
{
	http1_bad(h, status, why);
	return false;
}

/* Fields */

/* Visible, space, tab, and bytes above ASCII (RFC 9110 5.5). */
static bool is_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 ? s.p[i] != '\t' : s.p[i] == 0x7f)
			return false;
	return true;
}

bool http1_parse_field(struct http1 *h, struct str line, struct http1_field *ret)
{
	size_t colon = str_chr(line, ':');

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return bad(h, 400, "a header field is folded over lines");
	ret->name = str_sub(line, 0, colon);
	ret->value = str_trim(str_skip(line, colon + 1));
	if (colon == line.n)
		return bad(h, 400, "a header field has no colon");
	if (colon && (line.p[colon - 1] == ' ' || line.p[colon - 1] == '\t'))
		return bad(h, 400, "space stands in front of a header field's colon");
	if (!http1_is_token(ret->name))
		return bad(h, 400, "the name of a header field is malformed");
	if (!is_value(ret->value))
		return bad(h, 400, "the value of a header field has a control character");
	return true;
}

struct str http1_field(const struct http1_head *head, struct str name)
{
	for (unsigned i = 0; i < head->nfields; i++)
		if (str_ieq(head->fields[i].name, name))
			return head->fields[i].value;
	return STR_NONE;
}

bool http1_is_repeated(const struct http1_head *head, struct str name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < head->nfields; i++)
		n += str_ieq(head->fields[i].name, name);
	return n > 1;
}

/* The request line (RFC 9112 3) */

/* "http://host" in front of a path is as good as the path alone (RFC 9112 3.2.2). */
static struct str without_authority(struct str target)
{
	for (size_t i = 0; i < 2; i++) {
		struct str scheme = i ? STR("https://") : STR("http://");
		size_t at = scheme.n;

		if (!str_ieq(str_sub(target, 0, at), scheme))
			continue;
		while (at < target.n && target.p[at] != '/' && target.p[at] != '?')
			at++;
		return at > scheme.n ? str_skip(target, at) : target;
	}
	return target;
}

static bool parse_target(struct http1 *h, struct str target, struct http1_head *ret)
{
	struct str rest;

	if (!all_in(target_bytes, target))
		return bad(h, 400, "the request target is malformed");
	rest = without_authority(target);
	ret->path = str_sub(rest, 0, str_chr(rest, '?'));
	ret->query = str_skip(rest, ret->path.n + 1);
	if (!ret->path.n && rest.p != target.p) /* "http://host", "http://host?query" */
		ret->path = STR("/");
	if (!str_starts(ret->path, STR("/")) && !str_is(target, "*"))
		return bad(h, 400, "the request target is no path");
	return true;
}

static bool parse_version(struct http1 *h, struct str version, struct http1_head *ret)
{
	const char *p = version.p;

	if (version.n != 8 || !str_starts(version, STR("HTTP/")) || p[5] < '0' || p[5] > '9' ||
	    p[6] != '.' || p[7] < '0' || p[7] > '9')
		return bad(h, 400, "the request line is malformed");
	if (p[5] != '1')
		return bad(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	ret->minor = p[7] != '0';
	return true;
}

static bool parse_request_line(struct http1 *h, struct str line, struct http1_head *ret)
{
	struct str target;

	ret->method = str_cut(&line, ' ');
	target = str_cut(&line, ' ');
	if (!http1_is_token(ret->method))
		return bad(h, 400, "the request method is malformed");
	return parse_version(h, line, ret) && parse_target(h, target, ret);
}

/* Fields that mean something to the connection */

/* What was seen of them. */
struct framing {
	unsigned nhosts, nlengths, ncodings;
	bool is_chunked, closes, keeps;
};

static bool take_length(struct http1 *h, struct framing *f, struct str value,
			struct http1_head *ret)
{
	uint64_t n;

	if (f->nlengths++)
		return bad(h, 400, "there are several Content-Length");
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			return bad(h, 400, "Content-Length is not a number");
	if (!value.n)
		return bad(h, 400, "Content-Length is not a number");
	if (!str_u64(value, &n) || n > INT64_MAX)
		return bad(h, 413, "the body is too large");
	ret->body_bytes = (int64_t)n;
	return true;
}

static bool take_codings(struct http1 *h, struct framing *f, struct str list)
{
	f->ncodings++;
	while (list.p) {
		struct str coding = str_trim(str_cut(&list, ','));

		if (f->is_chunked)
			return bad(h, 400, "chunked is not the last Transfer-Encoding");
		if (!str_ieq(coding, STR("chunked")))
			return http1_is_token(coding)
				       ? bad(h, 501, "of Transfer-Encoding only chunked is known")
				       : bad(h, 400, "Transfer-Encoding is malformed");
		f->is_chunked = true;
	}
	return true;
}

static void take_connection(struct framing *f, struct str list)
{
	while (list.p) {
		struct str option = str_trim(str_cut(&list, ','));

		f->closes |= str_ieq(option, STR("close"));
		f->keeps |= str_ieq(option, STR("keep-alive"));
	}
}

static bool take_field(struct http1 *h, struct framing *f, const struct http1_field *field,
		       struct http1_head *ret)
{
	struct str name = field->name;

	if (str_ieq(name, STR("content-length")))
		return take_length(h, f, field->value, ret);
	if (str_ieq(name, STR("transfer-encoding")))
		return take_codings(h, f, field->value);
	if (str_ieq(name, STR("host"))) {
		f->nhosts++;
	} else if (str_ieq(name, STR("connection"))) {
		take_connection(f, field->value);
	} else if (str_ieq(name, STR("expect")) && ret->minor) {
		if (!str_ieq(field->value, STR("100-continue")))
			return bad(h, 417, "of Expect only 100-continue is known");
		ret->expects_continue = true;
	}
	return true;
}

static bool conclude(struct http1 *h, const struct framing *f, struct http1_head *ret)
{
	if (f->nhosts > 1 || (f->nhosts == 0 && ret->minor))
		return bad(h, 400, "there must be one Host field"); /* RFC 9112 3.2 */
	if (f->ncodings && f->nlengths)
		return bad(h, 400, "there are both Content-Length and Transfer-Encoding");
	if (f->ncodings && !f->is_chunked)
		return bad(h, 400, "Transfer-Encoding is malformed");
	if (f->ncodings && !ret->minor)
		return bad(h, 400, "HTTP/1.0 has no Transfer-Encoding");
	if (f->is_chunked)
		ret->body_bytes = -1;
	if (ret->body_bytes == 0)
		ret->expects_continue = false;
	ret->keeps_alive = !f->closes && (ret->minor || f->keeps);
	return true;
}

static struct str cut_line(struct str *lines)
{
	struct str line = str_cut(lines, '\n');

	return str_sub(line, 0, line.n - 1);
}

bool http1_parse_head(struct http1 *h, struct str lines, struct http1_head *ret)
{
	struct framing f = { 0 };
	struct str line;

	ret->nfields = 0;
	ret->body_bytes = 0;
	ret->expects_continue = false;
	if (!parse_request_line(h, cut_line(&lines), ret))
		return false;
	while ((line = cut_line(&lines)).n) {
		struct http1_field *field = &ret->fields[ret->nfields++];

		if (!http1_parse_field(h, line, field) || !take_field(h, &f, field, ret))
			return false;
	}
	return conclude(h, &f, ret);
}
