/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines and credentials. */
#include <errno.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "outputs/loki/headers.h"
#include "outputs/loki/loki.h"

/* Those that are ours, or that would change where a message ends. */
static const char *const reserved[] = {
	"authorization",
	"content-type",
	"content-length",
	"content-encoding",
	"host",
	"user-agent",
	"transfer-encoding",
	"x-scope-orgid",
	"connection",
	"expect",
	"upgrade",
	"te",
	"trailer",
	"proxy-authorization",
};

bool header_name_is_allowed(struct str name)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (str_ieq(name, str_c(reserved[i])))
			return false;
	return name.n && name.n <= 256;
}

bool header_value_is_valid(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return str_trim(value).n && value.n <= 4096;
}

/* Takes the text over; the buffer is empty afterwards. */
static void put_line(struct headers *h, struct buf *line)
{
	CHECK(h->n < HEADERS_MAX);
	h->lines[h->n++] = mem_strdup(buf_cstr(line));
	secret_wipe(line);
}

static void put_base64(struct buf *out, struct str s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		struct str three = str_sub(s, i, i + 3);
		uint32_t bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < three.n ? (unsigned char)three.p[j] : 0);
		for (size_t j = 0; j < 4; j++)
			buf_ch(out, j <= three.n ? digits[bits >> (18 - 6 * j) & 63] : '=');
	}
}

void headers_basic(struct headers *h, struct str username, struct str password)
{
	struct buf line = BUF_INIT, both = BUF_INIT;

	/* In one piece: nothing is left behind by growing. */
	buf_reserve(&both, username.n + password.n + 2);
	buf_str(&both, username);
	buf_ch(&both, ':');
	buf_str(&both, password);
	buf_reserve(&line, 2 * both.n + 64);
	buf_c(&line, "Authorization: Basic ");
	put_base64(&line, buf_as_str(&both));
	secret_wipe(&both);
	put_line(h, &line);
}

void headers_bearer(struct headers *h, struct str token)
{
	struct buf line = BUF_INIT;

	buf_reserve(&line, token.n + 64);
	buf_c(&line, "Authorization: Bearer ");
	buf_str(&line, token);
	put_line(h, &line);
}

struct headers *headers_for_form(void)
{
	struct headers *h = mem_zalloc(sizeof(*h));
	struct buf line = BUF_INIT;

	buf_c(&line, "Content-Type: application/x-www-form-urlencoded");
	put_line(h, &line);
	buf_c(&line, "Accept: application/json");
	put_line(h, &line);
	return h;
}

static int put_credentials(struct headers *h, const struct loki_conf *conf, struct err *err)
{
	bool is_basic = secret_is_set(&conf->basic_auth.password);
	struct buf secret = BUF_INIT;

	if (!is_basic && !secret_is_set(&conf->bearer_token))
		return 0;
	if (secret_read(is_basic ? &conf->basic_auth.password : &conf->bearer_token, &secret, err) <
	    0) {
		secret_wipe(&secret);
		return err->code;
	}
	if (!is_basic && !header_value_is_valid(buf_as_str(&secret))) {
		secret_wipe(&secret);
		return err_set(err, -EINVAL,
			       "bearer_token is empty, too long or has a line break in it");
	}
	if (is_basic)
		headers_basic(h, conf->basic_auth.username, buf_as_str(&secret));
	else
		headers_bearer(h, buf_as_str(&secret));
	secret_wipe(&secret);
	return 0;
}

struct headers *headers_new(const struct loki_conf *conf, struct err *err)
{
	struct headers *h = mem_zalloc(sizeof(*h));
	struct buf line = BUF_INIT;

	buf_c(&line, "Content-Type: application/x-protobuf");
	put_line(h, &line);
	/* Loki answers 100-continue late or never; without it a body goes out at once. */
	buf_c(&line, "Expect:");
	put_line(h, &line);
	for (size_t i = 0; i < conf->headers.n; i++) {
		const struct conf_pair *p = &conf->headers.items[i];

		if (h->n >= HEADERS_MAX - 1 || !header_name_is_allowed(p->key) ||
		    !header_value_is_valid(p->value)) {
			err_set(err, -EINVAL, "header " STR_FMT " cannot be sent", STR_ARG(p->key));
			headers_free(h);
			return NULL;
		}
		buf_printf(&line, STR_FMT ": ", STR_ARG(p->key));
		buf_str(&line, str_trim(p->value));
		put_line(h, &line);
	}
	if (put_credentials(h, conf, err) < 0) {
		headers_free(h);
		return NULL;
	}
	return h;
}

void headers_free(struct headers *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		explicit_bzero(h->lines[i], strlen(h->lines[i]));
		mem_free(h->lines[i]);
	}
	mem_free(h);
}

bool headers_are_equal(const struct headers *a, const struct headers *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(str_c(a->lines[i]), str_c(b->lines[i])))
			return false;
	return true;
}
