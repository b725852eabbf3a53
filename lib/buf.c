/* SPDX-License-Identifier: Apache-2.0 */
/* Growable capped bytes. */
#include <stdarg.h>
#include <stdio.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

void buf_fini(struct buf *b)
{
	mem_free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->is_cut = false;
}

bool buf_reserve(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : (size_t)1 << 30;
	size_t cap = b->cap ? b->cap : 64;

	if (b->n > max || n > max - b->n) {
		b->is_cut = true;
		return false;
	}
	if (n <= b->cap - b->n && b->p)
		return true;
	while (cap < b->n + n)
		cap *= 2;
	b->p = mem_realloc(b->p, cap);
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

void buf_c(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_ch(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !buf_reserve(b, (size_t)n + 1))
		return;
	va_start(args, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, args);
	va_end(args);
	b->n += (size_t)n;
}

bool buf_escape(struct buf *b, char c)
{
	char as = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c;

	if (as == c && c != '"' && c != '\\')
		return false;
	buf_ch(b, '\\');
	buf_ch(b, as);
	return true;
}

void buf_json_str(struct buf *b, struct str s)
{
	size_t i = 0;

	buf_ch(b, '"');
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = utf8_valid_char(str_skip(s, i));

		if (n == 0) {
			buf_c(b, "\xef\xbf\xbd");
			i++;
			continue;
		}
		if (!buf_escape(b, (char)c)) {
			if (c < 0x20 || c == 0x7f)
				buf_printf(b, "\\u%04x", c);
			else
				buf_put(b, s.p + i, n);
		}
		i += n;
	}
	buf_ch(b, '"');
}

char *buf_cstr(struct buf *b)
{
	size_t n = b->n;

	if (n == b->cap) { /* one byte beyond the cap is for the NUL */
		b->p = mem_realloc(b->p, n + 1);
		b->cap = n + 1;
	}
	b->p[n] = 0;
	return b->p;
}
