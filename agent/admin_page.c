/* SPDX-License-Identifier: Apache-2.0 */
/* The page, and the policy that lets a browser run this script and no other. */
#include "agent/admin_impl.h"
#include "agent/page.h"
#include "lib/base64.h"
#include "lib/digest.h"

/* What stands between the tags, which the page has once each. */
static struct str between(struct str page, struct str open, struct str close)
{
	struct str rest = str_skip(page, str_find(page, open) + open.n);

	return str_sub(rest, 0, str_find(rest, close));
}

static void put_hash(struct buf *out, const char *what, struct str text)
{
	unsigned char hash[DIGEST_BYTES_MAX];
	size_t n = digest(DIGEST_SHA256, &text, 1, hash);

	buf_printf(out, "; %s 'sha256-", what);
	base64_encode(str_make((const char *)hash, n), out);
	buf_ch(out, '\'');
}

void admin_page(struct admin *a, struct http_conn *c, const struct http1_head *head)
{
	struct str page = str_make(page_html, page_html_bytes);
	struct buf fields = BUF_INIT;

	(void)a;
	(void)head;
	buf_c(&fields, "Content-Security-Policy: default-src 'none'");
	put_hash(&fields, "script-src", between(page, STR("<script>"), STR("</script>")));
	put_hash(&fields, "style-src", between(page, STR("<style>"), STR("</style>")));
	buf_c(&fields, "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		       "frame-ancestors 'none'\r\n"
		       "Cross-Origin-Resource-Policy: same-origin\r\n"
		       "Referrer-Policy: no-referrer\r\n"
		       "X-Content-Type-Options: nosniff\r\n"
		       "Cache-Control: no-store\r\n");
	http_answer(c, &(struct http_answer){ .status = 200,
					      .type = "text/html; charset=utf-8",
					      .body = page,
					      .fields = buf_cstr(&fields) });
	buf_fini(&fields);
}
