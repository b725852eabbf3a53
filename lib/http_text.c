/* SPDX-License-Identifier: Apache-2.0 */
/* Texts within HTTP. */
#include "lib/http_text.h"

#include <stdio.h>

#include "lib/civil.h"

bool http_unescape(struct str text, bool is_form, struct buf *ret)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '%') {
			int high = i + 2 < text.n ? str_hex(text.p[i + 1]) : -1;
			int low = i + 2 < text.n ? str_hex(text.p[i + 2]) : -1;

			if (high < 0 || low < 0 || (high | low) == 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && is_form) {
			c = ' ';
		}
		buf_ch(ret, c);
	}
	return true;
}

bool http_query_next(struct str *query, struct str *name, struct str *value)
{
	struct str pair = { 0 };

	while (query->n && !pair.n)
		pair = str_cut(query, '&');
	*name = str_sub(pair, 0, str_chr(pair, '='));
	*value = str_skip(pair, name->n + 1);
	return pair.n > 0;
}

struct str http_query_find(struct str query, struct str name)
{
	struct str n, value;

	while (http_query_next(&query, &n, &value))
		if (str_eq(n, name))
			return value;
	return STR_NONE;
}

struct str http_media_type(struct str value)
{
	return str_trim(str_sub(value, 0, str_chr(value, ';')));
}

bool http_is_type(struct str value, struct str type)
{
	return str_ieq(http_media_type(value), type);
}

/* ";q=0.5" among the parameters. */
static double quality(struct str parameters)
{
	double q = 1;

	while (parameters.n) {
		struct str value = str_cut(&parameters, ';'), name = str_trim(str_cut(&value, '='));

		if (str_ieq(name, STR("q")) && !str_double(str_trim(value), &q))
			q = 0;
	}
	return q;
}

double http_accepts(struct str accept, struct str type)
{
	double most = 0;

	while (accept.n) {
		struct str item = str_cut(&accept, ','), name = str_cut(&item, ';');
		double q = str_ieq(str_trim(name), type) ? quality(item) : 0;

		if (q > most)
			most = q;
	}
	return most;
}

size_t http_date(int64_t unix_s, char out[HTTP_DATE_TEXT])
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t day = unix_s / S_PER_DAY;
	unsigned s = (unsigned)(unix_s % S_PER_DAY);
	int month, n;
	int64_t year = civil_year(unix_s, &month);

	n = snprintf(out, HTTP_DATE_TEXT, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		     days + day % 7 * 3, (unsigned)(day - civil_days(year, month, 1) + 1) & 31,
		     months + (month - 1) * 3, (unsigned)year % 10000, s / 3600, s / 60 % 60,
		     s % 60);
	return (size_t)n;
}

const char *http_status_name(unsigned status)
{
	/* clang-format off */
	static const struct { unsigned status; const char *name; } names[] = {
		{ 100, "Continue" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 409, "Conflict" }, { 411, "Length Required" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return "Status";
}
