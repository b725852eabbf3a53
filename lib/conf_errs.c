/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting errors about the configuration, in the order of the files, and guessing what a
 * misspelt word was meant to be. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf_doc_impl.h"
#include "lib/mem.h"

static void add(struct conf_doc *doc, const char *file, uint32_t line, uint32_t col, bool is_notice,
		struct str text)
{
	*(is_notice ? &doc->notices : &doc->errors) += 1;
	if (doc->nerrs >= CONF_ERRORS_MAX)
		return;
	doc->errs = mem_realloc(doc->errs, (doc->nerrs + 1) * sizeof(doc->errs[0]));
	doc->errs[doc->nerrs++] = (struct conf_err){
		.file = file ? conf_dup(doc, str_c(file)).p : NULL,
		.line = line,
		.col = col,
		.is_notice = is_notice,
		.text = conf_dup(doc, text).p,
	};
}

/* Bytes of a configuration end in a terminal: a control character (C0, DEL, or C1 in UTF-8) must
 * not get there. */
static void mask_controls(struct buf *text)
{
	for (size_t i = 0; i < text->n; i++) {
		unsigned char c = (unsigned char)text->p[i];
		unsigned char next = i + 1 < text->n ? (unsigned char)text->p[i + 1] : 0;

		if (c < 0x20 || c == 0x7f)
			text->p[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			text->p[i] = text->p[i + 1] = '?';
	}
}

static void add_node(struct conf_doc *doc, const struct conf_node *node, bool is_notice,
		     const char *fmt, va_list args)
{
	struct buf text = { .max = 4096 };
	char sentence[2048];

	conf_path(node, &text);
	if (text.n)
		buf_c(&text, ": ");
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	buf_c(&text, sentence);
	mask_controls(&text);
	add(doc, node ? node->file : NULL, node ? node->line : 0, node ? node->col : 0, is_notice,
	    buf_as_str(&text));
	buf_fini(&text);
}

int conf_error(struct conf_doc *doc, const struct conf_node *node, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_node(doc, node, false, fmt, args);
	va_end(args);
	return -EINVAL;
}

void conf_notice(struct conf_doc *doc, const struct conf_node *node, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_node(doc, node, true, fmt, args);
	va_end(args);
}

int conf_error_at(struct conf_doc *doc, const char *file, uint32_t line, uint32_t col,
		  const char *fmt, ...)
{
	char sentence[2048];
	struct buf text = { .max = 4096 };
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	buf_c(&text, sentence);
	mask_controls(&text);
	add(doc, file, line, col, false, buf_as_str(&text));
	buf_fini(&text);
	return -EINVAL;
}

size_t conf_error_count(const struct conf_doc *doc)
{
	return doc->errors;
}

size_t conf_notice_count(const struct conf_doc *doc)
{
	return doc->notices;
}

/* Files in the order they were first named, so main file first; then by place. qsort is not
 * stable: the index decides among equals. */
struct sort_key {
	const struct conf_err *err;
	size_t file, index;
};

static int by_place(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->err->line != y->err->line)
		return x->err->line < y->err->line ? -1 : 1;
	if (x->err->col != y->err->col)
		return x->err->col < y->err->col ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static size_t file_rank(const struct conf_doc *doc, const struct conf_err *err)
{
	for (size_t i = 0; i < doc->nerrs; i++) {
		const char *file = doc->errs[i].file;

		if (file == err->file || (file && err->file && !strcmp(file, err->file)))
			return i;
	}
	return doc->nerrs;
}

static void print_one(const struct conf_err *err, struct buf *out)
{
	if (err->file)
		buf_c(out, err->file);
	if (err->file && err->line)
		buf_printf(out, ":%u:%u", err->line, err->col);
	if (err->file)
		buf_c(out, ": ");
	buf_c(out, err->text);
	buf_ch(out, '\n');
}

void conf_errors_print(struct conf_doc *doc, struct buf *out, bool is_notice)
{
	struct sort_key *keys = mem_array(doc->nerrs, sizeof(*keys));
	size_t all = is_notice ? doc->notices : doc->errors, n = 0;

	for (size_t i = 0; i < doc->nerrs; i++)
		if (doc->errs[i].is_notice == is_notice)
			keys[n++] = (struct sort_key){ &doc->errs[i], file_rank(doc, &doc->errs[i]),
						       i };
	qsort(keys, n, sizeof(*keys), by_place);
	for (size_t i = 0; i < n; i++)
		print_one(keys[i].err, out);
	if (n < all)
		buf_printf(out, "... and %zu more\n", all - n);
	mem_free(keys);
}

/* Two neighbours changed places: one slip of the fingers, but a distance of two. */
static bool is_swapped(struct str a, struct str b)
{
	size_t i = 0;

	if (a.n != b.n)
		return false;
	while (i < a.n && a.p[i] == b.p[i])
		i++;
	return i + 1 < a.n && a.p[i] == b.p[i + 1] && a.p[i + 1] == b.p[i] &&
	       str_eq(str_skip(a, i + 2), str_skip(b, i + 2));
}

/* Lower is nearer; SIZE_MAX: not near at all. */
static size_t nearness(struct str word, struct str candidate)
{
	size_t max = word.n <= 3 ? 1 : word.n <= 6 ? 2 : 3;
	size_t d = str_distance(word, candidate, max);

	if (is_swapped(word, candidate))
		return 1;
	if (d <= max && d < word.n)
		return d;
	/* max_line_size for max_line: one is the beginning of the other. */
	if (word.n >= 4 && candidate.n >= 4 &&
	    (str_starts(word, candidate) || str_starts(candidate, word)))
		return max + 1;
	return SIZE_MAX;
}

const char *conf_nearest(struct str word, const char *(*next)(const void *ctx, size_t i),
			 const void *ctx)
{
	const char *best = NULL, *candidate;
	size_t best_d = SIZE_MAX;

	for (size_t i = 0; (candidate = next(ctx, i)); i++) {
		size_t d = nearness(word, str_c(candidate));

		if (d < best_d) {
			best_d = d;
			best = candidate;
		}
	}
	return best;
}
