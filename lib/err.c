/* SPDX-License-Identifier: Apache-2.0 */
/* Filling struct err. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list args;

	if (!e)
		return code;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	e->code = code;
	return code;
}

void err_where(struct err *e, const char *fmt, ...)
{
	va_list args;

	if (!e)
		return;
	va_start(args, fmt);
	vsnprintf(e->where, sizeof(e->where), fmt, args);
	va_end(args);
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
	va_list args;
	size_t n;

	if (!e)
		return -errnum;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(errnum));
	e->code = -errnum;
	return -errnum;
}
