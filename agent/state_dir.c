/* SPDX-License-Identifier: Apache-2.0 */
/* Making and locking the state directory. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/state_dir.h"
#include "lib/lockfile.h"
#include "lib/os.h"

#define PATH_BYTES 4096

static int make_parents(char *path, struct err *err)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != 0)
			continue;
		*p = 0;
		if (os->mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_errno(err, errno, "cannot make the state directory %s", path);
		*p = c;
		if (c == 0)
			return 0;
	}
}

int state_dir_take(const char *path, struct err *err)
{
	char text[PATH_BYTES];
	int rc;

	if ((size_t)snprintf(text, sizeof(text) - 8, "%s", path) >= sizeof(text) - 8 || !*path)
		return err_set(err, -ENAMETOOLONG, "state_dir is empty or too long");
	rc = make_parents(text, err);
	if (rc < 0)
		return rc;
	if (access(path, W_OK | X_OK) < 0)
		return err_errno(err, errno, "cannot write to the state directory %s", path);
	snprintf(text, sizeof(text), "%.4080s/LOCK", path);
	return lockfile_take(text, err);
}
