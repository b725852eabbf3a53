/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing ${...} after the file was parsed, so that a value can hold any byte. */
#include <errno.h>
#include <stdlib.h>

#include "agent/conf_env.h"

#define NESTING_MAX 8
#define NAME_MAX_BYTES 128

static bool is_name_start(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name_char(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

/* "$$", or "${" with a name behind it. */
static bool begins(struct str s)
{
	return s.n >= 2 && s.p[0] == '$' &&
	       (s.p[1] == '$' || (s.p[1] == '{' && s.n >= 3 && is_name_start(s.p[2])));
}

bool conf_env_needed(struct str text)
{
	for (size_t i = str_chr(text, '$'); i < text.n; i++)
		if (begins(str_skip(text, i)))
			return true;
	return false;
}

static const char *lookup(const struct conf_env *env, const char *name)
{
	return env ? env->get(env->ctx, name) : getenv(name);
}

/* Offset of the brace that closes the one before s, s.n when there is none. */
static size_t closing(struct str s)
{
	size_t open = 1;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '$' && i + 1 < s.n && s.p[i + 1] == '{') {
			open++;
			i++;
		} else if (s.p[i] == '}' && --open == 0) {
			return i;
		}
	}
	return s.n;
}

static int expand(struct str text, const struct conf_env *env, struct buf *out, struct err *err,
		  unsigned nesting);

/* inside: what stands between ${ and }. */
static int expand_one(struct str inside, const struct conf_env *env, struct buf *out,
		      struct err *err, unsigned nesting)
{
	char name[NAME_MAX_BYTES];
	const char *value;
	size_t n = 0;
	struct str rest;

	while (n < inside.n && is_name_char(inside.p[n]))
		n++;
	if (n >= sizeof(name))
		return err_set(err, -EINVAL, "the variable name in ${...} is too long");
	memcpy(name, inside.p, n);
	name[n] = 0;
	rest = str_skip(inside, n);
	value = lookup(env, name);
	if (rest.n == 0) {
		if (!value)
			return err_set(
				err, -ENOENT,
				"the environment variable %s is not set; write ${%s:-default} "
				"if it may be missing",
				name, name);
		buf_c(out, value);
		return 0;
	}
	if (str_starts(rest, STR(":-"))) {
		if (!value || !value[0])
			return expand(str_skip(rest, 2), env, out, err, nesting + 1);
		buf_c(out, value);
		return 0;
	}
	if (str_starts(rest, STR(":+"))) {
		if (value && value[0])
			return expand(str_skip(rest, 2), env, out, err, nesting + 1);
		return 0;
	}
	return err_set(
		err, -EINVAL,
		"${%s...}: only ${%s}, ${%s:-default} and ${%s:+text} are known; write $${ for "
		"a literal ${",
		name, name, name, name);
}

static int expand(struct str text, const struct conf_env *env, struct buf *out, struct err *err,
		  unsigned nesting)
{
	if (nesting > NESTING_MAX)
		return err_set(err, -EINVAL, "${...} is nested too deeply");
	while (text.n) {
		size_t at = str_chr(text, '$'), end;
		int rc;

		buf_str(out, str_sub(text, 0, at));
		text = str_skip(text, at);
		if (!text.n)
			break;
		if (!begins(text)) {
			buf_ch(out, '$');
			text = str_skip(text, 1);
			continue;
		}
		if (text.p[1] == '$') {
			buf_ch(out, '$');
			text = str_skip(text, 2);
			continue;
		}
		text = str_skip(text, 2);
		end = closing(text);
		if (end == text.n)
			return err_set(err, -EINVAL,
				       "${ without a closing brace; write $${ for a literal ${");
		rc = expand_one(str_sub(text, 0, end), env, out, err, nesting);
		if (rc)
			return rc;
		text = str_skip(text, end + 1);
	}
	return 0;
}

int conf_env_expand(struct str text, const struct conf_env *env, struct buf *out, struct err *err)
{
	return expand(text, env, out, err, 0);
}
