/* SPDX-License-Identifier: Apache-2.0 */
/* The demo folder, and where the quickstart configuration is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/quickstart.h"
#include "lib/os.h"

#define DEFAULT_DIR "/tmp/tailrace-demo"

static int make_dir(const char *path, struct err *err)
{
	struct stat st;

	if (os->mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, errno, "cannot make the folder %s", path);
	/* Below /tmp anybody could have made it before: then it is not ours to write to. */
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(err, -EPERM, "%s is there already and is no folder of this user",
			       path);
	return 0;
}

static int write_demo(const char *path, struct err *err)
{
	static const char *const lines[] = {
		"level=info msg=\"demo started\" user=ann",
		"level=info msg=\"login\" user=bob password=hunter2",
		"level=warn msg=\"card declined\" card=4111111111111111 mail=bob@example.org",
		"level=error msg=\"upstream timeout\" peer=192.0.2.7 took=30.1s",
	};
	int fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char stamp[64], line[256];
	time_t now = time(NULL);
	struct tm tm;

	if (fd < 0)
		return errno == EEXIST ? 0 : err_errno(err, errno, "cannot write %s", path);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		int n = snprintf(line, sizeof(line), "ts=%s %s\n", stamp, lines[i]);

		if (os->write(fd, line, (size_t)n) != n) {
			err_errno(err, errno, "cannot write %s", path);
			os->close(fd);
			return -EIO;
		}
	}
	os->close(fd);
	return 0;
}

/* In a working copy, else beside the installed program. */
static int find_config(struct buf *config, struct err *err)
{
	char exe[4096];
	struct stat st;
	ssize_t n;

	buf_clear(config);
	buf_c(config, "conf.d/quickstart.yaml");
	if (os->stat(buf_cstr(config), &st) == 0)
		return 0;
	n = readlink("/proc/self/exe", exe, sizeof(exe));
	while (n > 0 && exe[n - 1] != '/')
		n--;
	buf_clear(config);
	buf_put(config, exe, n > 0 ? (size_t)n : 0);
	buf_c(config, "../share/tailrace/examples/quickstart.yaml");
	if (os->stat(buf_cstr(config), &st) == 0)
		return 0;
	return err_set(err, -ENOENT, "there is neither conf.d/quickstart.yaml nor %s", config->p);
}

int quickstart_prepare(struct buf *config, struct err *err)
{
	const char *dir = getenv("TAILRACE_QUICKSTART");
	char path[4096];
	int rc;

	if (!dir || !dir[0])
		dir = DEFAULT_DIR;
	if (strlen(dir) > sizeof(path) - 32)
		return err_set(err, -ENAMETOOLONG, "TAILRACE_QUICKSTART is too long");
	setenv("TAILRACE_QUICKSTART", dir, 1);
	rc = find_config(config, err);
	if (!rc)
		rc = make_dir(dir, err);
	snprintf(path, sizeof(path), "%s/state", dir);
	if (!rc)
		rc = make_dir(path, err);
	snprintf(path, sizeof(path), "%s/logs", dir);
	if (!rc)
		rc = make_dir(path, err);
	snprintf(path, sizeof(path), "%s/logs/demo.log", dir);
	return rc ? rc : write_demo(path, err);
}
