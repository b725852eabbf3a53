/* SPDX-License-Identifier: Apache-2.0 */
/* Single option values: text in, C value out, with the sentence that says what was expected. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "lib/conf_doc_impl.h"

enum conf_type conf_item_type(enum conf_type list)
{
	switch (list) {
	case CONF_T_LIST:
		return CONF_T_STR;
	case CONF_T_SIZES:
		return CONF_T_SIZE;
	case CONF_T_ADDRS:
		return CONF_T_ADDR;
	case CONF_T_FLAGS:
		return CONF_T_ENUM;
	default:
		return CONF_T_NODE;
	}
}

size_t conf_item_size(enum conf_type list)
{
	switch (list) {
	case CONF_T_LIST:
		return sizeof(struct str);
	case CONF_T_SIZES:
		return sizeof(size_t);
	case CONF_T_ADDRS:
		return sizeof(struct conf_addr);
	default:
		return sizeof(int);
	}
}

bool conf_parse_bool(struct str text, bool *ret)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_ieq(text, str_c(words[i]))) {
			*ret = i & 1;
			return true;
		}
	}
	return false;
}

bool conf_parse_rate(struct str text, double *ret)
{
	size_t slash = str_chr(text, '/');
	struct str number = str_trim(str_sub(text, 0, slash));
	struct str unit = str_trim(str_skip(text, slash + 1));
	double per = 1, v;
	uint64_t bytes;

	if (slash < text.n) {
		if (str_is(unit, "m"))
			per = 60;
		else if (str_is(unit, "h"))
			per = 3600;
		else if (!str_is(unit, "s"))
			return false;
	}
	if (!str_double(number, &v)) {
		if (!str_size(number, &bytes))
			return false;
		v = (double)bytes;
	}
	if (!isfinite(v))
		return false;
	*ret = v / per;
	return true;
}

/* ---- addresses and URLs ---- */

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
}

static bool parse_host_port(struct str rest, struct str *ret_host, uint16_t *ret_port,
			    struct err *err)
{
	size_t colon = rest.n;
	uint64_t port;
	struct str host;

	while (colon > 0 && rest.p[colon - 1] != ':' && rest.p[colon - 1] != ']')
		colon--;
	if (colon == 0 || rest.p[colon - 1] != ':') {
		err_set(err, -EINVAL, "has no port; write host:port");
		return false;
	}
	if (!str_u64(str_skip(rest, colon), &port) || port > 65535) {
		err_set(err, -EINVAL, "has no valid port (0 to 65535)");
		return false;
	}
	host = str_sub(rest, 0, colon - 1);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host = str_sub(host, 1, host.n - 1);
	} else if (str_chr(host, ':') < host.n) {
		err_set(err, -EINVAL, "has an IPv6 address without brackets; write [::1]:514");
		return false;
	}
	if (str_is(host, "*"))
		host = str_sub(host, 0, 0);
	for (size_t i = 0; i < host.n; i++) {
		if (!is_host_char(host.p[i])) {
			err_set(err, -EINVAL, "has a host that is neither a name nor a number");
			return false;
		}
	}
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return true;
}

static const struct {
	unsigned bit;
	const char *prefix;
} schemes[] = {
	{ CONF_UDP, "udp://" },
	{ CONF_TCP, "tcp://" },
	{ CONF_UNIX, "unix://" },
	{ CONF_UNIXGRAM, "unixgram://" },
	{ CONF_TLS, "tls://" },
	{ CONF_SYSTEMD, "systemd://" },
	{ CONF_SYSTEMD_TLS, "systemd+tls://" },
};

static void scheme_list(unsigned allowed, char *out, size_t n)
{
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (allowed & schemes[i].bit)
			used += (size_t)snprintf(out + used, n - used, "%s%s", used ? " or " : "",
						 schemes[i].prefix);
}

static unsigned scheme_cut(struct str *text, unsigned allowed)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (str_starts(*text, str_c(schemes[i].prefix))) {
			*text = str_skip(*text, strlen(schemes[i].prefix));
			return schemes[i].bit;
		}
	}
	/* A single possible scheme need not be written. */
	return str_find(*text, STR("://")) == text->n && (allowed & (allowed - 1)) == 0 ? allowed
											: 0;
}

bool conf_parse_addr(struct str text, unsigned allowed, struct conf_addr *ret, struct err *err)
{
	struct conf_addr addr = { .text = text };
	char names[128];

	addr.scheme = scheme_cut(&text, allowed);
	if (!(addr.scheme & allowed)) {
		scheme_list(allowed, names, sizeof(names));
		err_set(err, -EINVAL, "must begin with %s", names);
		return false;
	}
	if (addr.scheme & (CONF_UNIX | CONF_UNIXGRAM)) {
		/* sun_path has 108 bytes with its NUL. */
		if (text.n < 2 || text.p[0] != '/' || text.n > 107) {
			err_set(err, -EINVAL, "must name an absolute path of at most 107 bytes");
			return false;
		}
		addr.path = text;
	} else if (addr.scheme & (CONF_SYSTEMD | CONF_SYSTEMD_TLS)) {
		if (text.n == 0 || text.n > 255 || str_chr(text, ':') < text.n) {
			err_set(err, -EINVAL, "must name a socket (FileDescriptorName=)");
			return false;
		}
		addr.path = text;
	} else if (!parse_host_port(text, &addr.host, &addr.port, err)) {
		return false;
	}
	*ret = addr;
	return true;
}

bool conf_parse_url(struct str text, struct err *err)
{
	struct str rest, host;
	size_t end = 0, at;
	uint64_t port;

	if (str_starts(text, STR("http://")))
		rest = str_skip(text, 7);
	else if (str_starts(text, STR("https://")))
		rest = str_skip(text, 8);
	else
		return err_set(err, -EINVAL, "must begin with http:// or https://"), false;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return err_set(err, -EINVAL, "has a space or control character"), false;
	while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?' && rest.p[end] != '#')
		end++;
	host = str_sub(rest, 0, end);
	while ((at = str_chr(host, '@')) < host.n)
		host = str_skip(host, at + 1);
	if (host.n && host.p[0] == '[')
		at = str_chr(host, ']') + 1;
	else
		at = str_chr(host, ':');
	if (at == 0 || host.n == 0 || at > host.n)
		return err_set(err, -EINVAL, "has no host"), false;
	if (at < host.n && (host.p[at] != ':' || !str_u64(str_skip(host, at + 1), &port) ||
			    port == 0 || port > 65535))
		return err_set(err, -EINVAL, "has no valid port (1 to 65535)"), false;
	return true;
}

/* ---- numbers with bounds ---- */

static bool int_text(enum conf_type type, struct str text, int64_t *ret)
{
	uint64_t bytes;

	if (type == CONF_T_TIME)
		return str_duration(text, ret);
	if (type == CONF_T_INT)
		return str_i64(text, ret);
	if (!str_size(text, &bytes) || bytes > INT64_MAX)
		return false;
	*ret = (int64_t)bytes;
	return true;
}

/* Bounds are ours: one that does not parse is a bug in the table. */
static int64_t int_bound(enum conf_type type, const char *text)
{
	int64_t v = 0;

	CHECK(int_text(type, str_c(text), &v));
	return v;
}

static bool real_text(enum conf_type type, struct str text, double *ret)
{
	return type == CONF_T_RATE ? conf_parse_rate(text, ret)
				   : str_double(text, ret) && isfinite(*ret);
}

static double real_bound(enum conf_type type, const char *text)
{
	double v = 0;

	CHECK(real_text(type, str_c(text), &v));
	return v;
}

static bool out_of_bounds(const struct conf_field *f, struct str text, bool is_low, struct err *why)
{
	if (f->min && f->max)
		err_set(why, -ERANGE, "is " STR_FMT ", must be from %s to %s", STR_ARG(text),
			f->min, f->max);
	else
		err_set(why, -ERANGE, "is " STR_FMT ", must be at %s %s", STR_ARG(text),
			is_low ? "least" : "most", is_low ? f->min : f->max);
	return false;
}

static bool parse_int(const struct conf_field *f, enum conf_type type, struct str text, void *at,
		      struct err *why)
{
	static const char *const expected[] = {
		[CONF_T_INT] = "a whole number",
		[CONF_T_SIZE] = "a size (digits and a unit: 64KiB, 1MiB)",
		[CONF_T_TIME] = "a duration (digits and a unit: 500ms, 10s, 5m)",
	};
	int64_t v;

	if (!int_text(type, text, &v)) {
		err_set(why, -EINVAL, "'" STR_FMT "' is not %s", STR_ARG(text), expected[type]);
		return false;
	}
	if (f->min && v < int_bound(type, f->min))
		return out_of_bounds(f, text, true, why);
	if (f->max && v > int_bound(type, f->max))
		return out_of_bounds(f, text, false, why);
	if (f->is_unsigned && v < 0) {
		err_set(why, -ERANGE, "is " STR_FMT ", must not be negative", STR_ARG(text));
		return false;
	}
	if (type == CONF_T_INT && f->size == sizeof(int)) {
		/* The table's bounds keep it in range; without bounds the type does. */
		if (v < INT32_MIN || v > (f->is_unsigned ? (int64_t)UINT32_MAX : INT32_MAX)) {
			err_set(why, -ERANGE, "'" STR_FMT "' is too large", STR_ARG(text));
			return false;
		}
		*(int *)at = (int)v;
	} else {
		*(int64_t *)at = v;
	}
	return true;
}

static bool parse_real(const struct conf_field *f, enum conf_type type, struct str text, void *at,
		       struct err *why)
{
	double v;

	if (!real_text(type, text, &v)) {
		err_set(why, -EINVAL, "'" STR_FMT "' is not %s", STR_ARG(text),
			type == CONF_T_RATE ? "a rate (per second: 100, 10/m, 1MiB/s)"
					    : "a number");
		return false;
	}
	if (f->min && v < real_bound(type, f->min))
		return out_of_bounds(f, text, true, why);
	if (f->max && v > real_bound(type, f->max))
		return out_of_bounds(f, text, false, why);
	*(double *)at = v;
	return true;
}

/* ---- names ---- */

static const char *enum_name(const void *names, size_t i)
{
	return ((const struct conf_enum *)names)[i].name;
}

static bool parse_enum(const struct conf_field *f, struct str text, void *at, struct err *why)
{
	const char *nearest;
	size_t used;

	for (const struct conf_enum *e = f->names; e->name; e++) {
		if (str_ieq(text, str_c(e->name))) {
			*(int *)at = e->value;
			return true;
		}
	}
	err_set(why, -EINVAL, "'" STR_FMT "' is not one of", STR_ARG(text));
	for (const struct conf_enum *e = f->names; e->name; e++) {
		used = strlen(why->text);
		snprintf(why->text + used, sizeof(why->text) - used, "%s %s",
			 e == f->names ? "" : ",", e->name);
	}
	nearest = conf_nearest(text, enum_name, f->names);
	used = strlen(why->text);
	if (nearest)
		snprintf(why->text + used, sizeof(why->text) - used, " (did you mean '%s'?)",
			 nearest);
	return false;
}

static bool parse_addr(struct conf_doc *doc, const struct conf_field *f, struct str text,
		       struct conf_addr *at, struct err *why)
{
	struct conf_addr addr;
	struct err part = ERR_NONE;

	if (str_is(text, "none") && !(f->flags & CONF_REQUIRED)) {
		*at = (struct conf_addr){ 0 };
		return true;
	}
	if (!conf_parse_addr(text, f->schemes, &addr, &part)) {
		err_set(why, -EINVAL, "'" STR_FMT "' %s", STR_ARG(text), part.text);
		return false;
	}
	if (addr.host.n)
		addr.host = conf_dup(doc, addr.host); /* for its NUL */
	*at = addr;
	return true;
}

static bool parse_secret(struct str text, struct secret *at, struct err *why)
{
	struct secret secret = secret_parse(text);

	if (secret.ref.n == 0) {
		err_set(why, -EINVAL, "the secret is empty");
		return false;
	}
	*at = secret;
	return true;
}

bool conf_value_parse(struct conf_doc *doc, const struct conf_field *f, enum conf_type type,
		      struct str text, void *at, struct err *why)
{
	switch (type) {
	case CONF_T_STR:
		*(struct str *)at = text;
		return true;
	case CONF_T_URL:
		if (!conf_parse_url(text, why))
			return false;
		*(struct str *)at = text;
		return true;
	case CONF_T_BOOL:
		if (conf_parse_bool(text, at))
			return true;
		err_set(why, -EINVAL, "'" STR_FMT "' is neither true nor false", STR_ARG(text));
		return false;
	case CONF_T_INT:
	case CONF_T_SIZE:
	case CONF_T_TIME:
		return parse_int(f, type, text, at, why);
	case CONF_T_DOUBLE:
	case CONF_T_RATE:
		return parse_real(f, type, text, at, why);
	case CONF_T_ENUM:
		return parse_enum(f, text, at, why);
	case CONF_T_ADDR:
		return parse_addr(doc, f, text, at, why);
	case CONF_T_SECRET:
		return parse_secret(text, at, why);
	default:
		err_set(why, -EINVAL, "cannot be a single value");
		return false;
	}
}
