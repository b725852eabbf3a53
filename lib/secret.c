/* SPDX-License-Identifier: Apache-2.0 */
/* Reading secrets where they are kept. */
#include <errno.h>
#include <stdlib.h>

#include "lib/os.h"
#include "lib/secret.h"

#define SECRET_MAX_BYTES ((size_t)64 * 1024)

struct secret secret_parse(struct str text)
{
	if (str_starts(text, STR("file:")))
		return (struct secret){ SECRET_FILE, str_skip(text, 5) };
	if (str_starts(text, STR("env:")))
		return (struct secret){ SECRET_ENV, str_skip(text, 4) };
	return (struct secret){ SECRET_INLINE, text };
}

static int read_file(const char *path, struct buf *ret, struct err *err)
{
	int fd = os->open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0)
		return err_errno(err, errno, "cannot open the secret file %s", path);
	while (n > 0 && ret->n <= SECRET_MAX_BYTES && buf_reserve(ret, 4096)) {
		n = os->read(fd, ret->p + ret->n, 4096);
		if (n > 0)
			ret->n += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		rc = err_errno(err, errno, "cannot read the secret file %s", path);
	else if (ret->n > SECRET_MAX_BYTES)
		rc = err_set(err, -EFBIG, "the secret file %s is longer than 64 KiB", path);
	os->close(fd);
	while (ret->n && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
		ret->n--;
	return rc;
}

int secret_read(const struct secret *s, struct buf *ret, struct err *err)
{
	char name[4096];
	int rc = 0;

	buf_clear(ret);
	if (s->source == SECRET_NONE)
		return err_set(err, -ENOENT, "no secret is configured");
	if (s->source == SECRET_INLINE) {
		buf_str(ret, s->ref);
	} else if (s->ref.n == 0 || s->ref.n >= sizeof(name)) {
		return err_set(err, -EINVAL, "file: needs a path and env: a variable name");
	} else {
		memcpy(name, s->ref.p, s->ref.n);
		name[s->ref.n] = 0;
		if (s->source == SECRET_FILE)
			rc = read_file(name, ret, err);
		else if (!getenv(name))
			rc = err_set(err, -ENOENT,
				     "the environment variable %s of a secret is not set", name);
		else
			buf_c(ret, getenv(name));
	}
	if (!rc && ret->n == 0)
		rc = err_set(err, -EINVAL, "the secret is empty");
	if (!rc && memchr(ret->p, 0, ret->n))
		rc = err_set(err, -EINVAL, "the secret has a NUL byte in it");
	if (rc) {
		secret_wipe(ret);
		buf_clear(ret);
	}
	return rc;
}

void secret_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_fini(b);
}
