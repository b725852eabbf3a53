/* SPDX-License-Identifier: Apache-2.0 */
/* Documents cut out of a body, actions, and the answer to them. */
#include <stdio.h>

#include "inputs/beats/bulk.h"

#include "lib/mem.h"
#include "pipeline/json_scan.h"

void docs_init(struct docs *d, bool is_lines, size_t max)
{
	*d = (struct docs){ .is_lines = is_lines, .max = max };
}

void docs_fini(struct docs *d)
{
	buf_fini(&d->kept);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes up to the end of the document that is open (and *ret_ends), or all of s. */
static size_t rest_of_line(struct str s, bool *ret_ends)
{
	size_t n = str_chr(s, '\n');

	*ret_ends = n < s.n;
	return *ret_ends ? n + 1 : n;
}

static size_t rest_of_object(struct docs *d, struct str s, bool *ret_ends)
{
	*ret_ends = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (d->in_string) {
			d->in_string = d->is_escaped || c != '"';
			d->is_escaped = !d->is_escaped && c == '\\';
		} else if (c == '"') {
			d->in_string = true;
		} else if (c == '{' || c == '[') {
			d->depth++;
		} else if ((c == '}' || c == ']') && --d->depth == 0) {
			*ret_ends = true;
			return i + 1;
		}
	}
	return s.n;
}

/* Between documents: the beginning of the next. False: there is none, or *ret says -1. */
static bool find_begin(struct docs *d, struct str *avail, int *ret)
{
	size_t i = 0;

	*ret = 0;
	while (i < avail->n && (is_space(avail->p[i]) ||
				(!d->is_lines && avail->p[i] && strchr("[],", avail->p[i]))))
		i++;
	*avail = str_skip(*avail, i);
	if (avail->n && !d->is_lines && avail->p[0] != '{')
		*ret = -1;
	return avail->n && *ret == 0;
}

static void keep(struct docs *d, struct str part)
{
	size_t room = d->max - d->kept.n, n = part.n < room ? part.n : room;

	buf_put(&d->kept, part.p, n);
	d->skipped += part.n - n;
}

int docs_next(struct docs *d, struct str *avail, struct str *doc)
{
	struct str part;
	bool ends;
	size_t n;
	int bad;

	if (!d->is_ready) {
		if (!d->kept.n && !find_begin(d, avail, &bad))
			return bad;
		n = d->is_lines ? rest_of_line(*avail, &ends) : rest_of_object(d, *avail, &ends);
		part = str_sub(*avail, 0, n);
		*avail = str_skip(*avail, n);
		d->before = part.p;
		if (ends && !d->kept.n) {
			*doc = str_rtrim(part);
			d->is_cut = doc->n > d->max;
			*doc = str_sub(*doc, 0, d->max);
			return 1;
		}
		keep(d, part);
		if (!ends)
			return 0;
		d->is_ready = true;
	}
	d->before = NULL;
	*doc = str_rtrim(buf_as_str(&d->kept));
	d->is_cut = d->skipped > 2; /* more than the line end */
	return 1;
}

void docs_take(struct docs *d)
{
	if (d->before)
		return;
	buf_fini(&d->kept);
	d->skipped = 0;
	d->is_ready = false;
}

void docs_later(struct docs *d, struct str *avail)
{
	if (!d->before)
		return;
	*avail = str_make(d->before, (size_t)(avail->p - d->before) + avail->n);
}

int docs_end(struct docs *d, struct str *doc)
{
	if (!d->kept.n)
		return 0;
	if (!d->is_lines && !d->is_ready)
		return -1;
	d->is_ready = true;
	return docs_next(d, &(struct str){ 0 }, doc);
}

/* Actions */

static const char *const action_names[] = { "index", "create", "update", "delete" };

enum bulk_action bulk_action(struct str line)
{
	struct str key, value;
	bool is_escaped;

	if (!json_take(&line, '{') || !json_take_string(&line, &key, &is_escaped) ||
	    !json_take(&line, ':') || !json_take_value(&line, &value) || !value.n ||
	    value.p[0] != '{' || !json_take(&line, '}'))
		return BULK_NONE;
	for (unsigned i = 0; i < BULK_NONE; i++)
		if (str_is(key, action_names[i]) && !str_trim(line).n)
			return (enum bulk_action)i;
	return BULK_NONE;
}

size_t bulk_add(struct bulk_items *items, enum bulk_action action, unsigned status)
{
	struct bulk_run *last = items->n ? &items->runs[items->n - 1] : NULL;
	size_t more = 0;

	items->nitems++;
	if (last && last->action == action && last->status == status) {
		last->n++;
		return 0;
	}
	if (items->n == items->cap) {
		more = items->cap ? items->cap : 4;
		items->cap += more;
		items->runs = mem_realloc(items->runs, items->cap * sizeof(*items->runs));
		more *= sizeof(*items->runs);
	}
	items->runs[items->n++] = (struct bulk_run){ 1, (uint8_t)action, (uint16_t)status };
	return more;
}

void bulk_fini(struct bulk_items *items)
{
	mem_free(items->runs);
	*items = (struct bulk_items){ 0 };
}

static const char *error_of(unsigned status)
{
	return status == 404   ? ",\"error\":{\"type\":\"not_found\",\"reason\":\"nothing is ever "
				 "deleted here\"}"
	       : status >= 400 ? ",\"error\":{\"type\":\"document_parsing_exception\","
				 "\"reason\":\"only JSON objects to create or index are taken\"}"
			       : "";
}

void bulk_answer(const struct bulk_items *items, struct buf *out)
{
	bool has_errors = false;
	char text[256];

	for (size_t i = 0; i < items->n; i++)
		has_errors |= items->runs[i].status >= 300;
	buf_printf(out, "{\"took\":0,\"errors\":%s,\"items\":[", has_errors ? "true" : "false");
	for (size_t i = 0; i < items->n; i++) {
		const struct bulk_run *run = &items->runs[i];
		int n = snprintf(text, sizeof(text), "{\"%s\":{\"status\":%u%s}},",
				 action_names[run->action], run->status, error_of(run->status));

		for (uint32_t k = 0; k < run->n; k++)
			buf_put(out, text, (size_t)n);
	}
	out->n -= items->n > 0; /* the last comma */
	buf_c(out, "]}");
}
