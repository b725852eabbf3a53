/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as a test asks for them, and the report in JUnit's XML. */
#include "agent/conf_test.h"
#include "agent/conf_test_impl.h"
#include "lib/clock.h"
#include "lib/utf8.h"

/* ---- metrics ---- */

/* name{a="b",c="d"}: cuts off the name. */
static struct str cut_name(struct str *series)
{
	struct str name = str_sub(*series, 0, str_chr(*series, '{'));

	*series = str_skip(*series, name.n);
	return name;
}

/* Does the text {a="b",...} have all the pairs of the other? Values with , or } in them are not
 * looked into: pairs are taken as they are written. */
static bool has_pairs(struct str have, struct str want)
{
	struct str rest = str_sub(want, 1, want.n ? want.n - 1 : 0);

	while (rest.n) {
		struct str pair = str_trim(str_cut(&rest, ',')), left = have;
		bool is_found = false;

		while (left.n && !is_found) {
			size_t at = str_find(left, pair);

			if (at == left.n)
				return false;
			is_found = at > 0 && (left.p[at - 1] == '{' || left.p[at - 1] == ',') &&
				   at + pair.n < left.n &&
				   (left.p[at + pair.n] == ',' || left.p[at + pair.n] == '}');
			left = str_skip(left, at + 1);
		}
		if (!is_found)
			return false;
	}
	return true;
}

/* The sum of the series in an exposition; false when there is none. */
static bool sum_of(struct str text, struct str selector, double *ret, bool *ret_is_gauge)
{
	struct str pairs = selector, name = cut_name(&pairs);
	bool any = false;

	*ret = 0;
	*ret_is_gauge = false;
	while (text.n) {
		struct str line = str_cut(&text, '\n'), series, value;
		size_t end = line.n;
		double number;

		while (end && line.p[end - 1] != ' ')
			end--;
		value = str_skip(line, end);
		series = str_sub(line, 0, end ? end - 1 : 0);
		if (str_starts(series, STR("# TYPE ")) && str_eq(str_skip(series, 7), name))
			*ret_is_gauge = str_is(value, "gauge");
		if (line.n == 0 || line.p[0] == '#' || !str_eq(cut_name(&series), name) ||
		    !has_pairs(series, pairs) || !str_double(value, &number))
			continue;
		*ret += number;
		any = true;
	}
	return any;
}

bool conf_test_metric(const struct conf_test_outcome *o, struct str selector, double *ret)
{
	double before;
	bool is_gauge;

	sum_of(buf_as_str(&o->metrics_before), selector, &before, &is_gauge);
	if (!sum_of(buf_as_str(&o->metrics_after), selector, ret, &is_gauge))
		return false;
	if (!is_gauge)
		*ret -= before;
	return true;
}

/* ---- JUnit ---- */

/* XML 1.0 has no way to write most control characters. */
static void put_xml(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = utf8_valid_char(str_skip(s, i));

		if (c == '&')
			buf_c(out, "&amp;");
		else if (c == '<')
			buf_c(out, "&lt;");
		else if (c == '>')
			buf_c(out, "&gt;");
		else if (c == '"')
			buf_c(out, "&quot;");
		else if (n == 0 || (c < 0x20 && c != '\n' && c != '\t'))
			buf_printf(out, "\\x%02x", c);
		else
			buf_put(out, s.p + i, n);
		i += n ? n : 1;
	}
}

static void put_case(struct buf *out, const struct conf_test_result *r)
{
	const struct conf_node *node = r->test->node;

	buf_c(out, "  <testcase classname=\"");
	put_xml(out, str_c(node->file ? node->file : ""));
	buf_c(out, "\" name=\"");
	put_xml(out, str_c(r->test->name));
	buf_c(out, "\" file=\"");
	put_xml(out, str_c(node->file ? node->file : ""));
	buf_printf(out, "\" line=\"%u\" time=\"%.6f\"", r->test->line,
		   (double)r->took_ns / (double)NS_PER_S);
	if (r->is_passed) {
		buf_c(out, "/>\n");
		return;
	}
	buf_c(out, ">\n    <failure message=\"not as expected\">");
	put_xml(out, buf_as_str(&r->diff));
	buf_c(out, "</failure>\n  </testcase>\n");
}

void conf_test_junit(const struct conf_test_result *results, size_t n, struct buf *out)
{
	int64_t took_ns = 0;
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		failed += !results[i].is_passed;
		took_ns += results[i].took_ns;
	}
	buf_printf(out,
		   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tailrace\" "
		   "tests=\"%zu\" failures=\"%zu\" time=\"%.6f\">\n",
		   n, failed, (double)took_ns / (double)NS_PER_S);
	for (size_t i = 0; i < n; i++)
		put_case(out, &results[i]);
	buf_c(out, "</testsuite>\n");
}
