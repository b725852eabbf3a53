/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace doctor` against a made-up machine: /proc and /sys in a directory, files beside it. */
#include <arpa/inet.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "agent/registry.h"
#include "lib/tls.h"
#include "tests/unit/certs.h"
#include "tests/unit/test.h"

static bool is_update;
static char dir[] = "/tmp/test_doctor.XXXXXX";

/* Makes the directories on the way, too. */
static void put(const char *path, mode_t mode, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (char *p = full + strlen(dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		mkdir(full, 0755);
	}
	f = fopen(full, "w");
	OK(f != NULL);
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
	chmod(full, mode);
}

static const char *at(const char *path)
{
	static char full[512];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	return full;
}

/* Copies, with every `from` up to the first byte of `ends` behind it as `to`. */
static void put_replaced(struct buf *out, struct str text, const char *from, const char *ends,
			 const char *to)
{
	while (text.n) {
		size_t hit = str_find(text, str_c(from));

		buf_str(out, str_sub(text, 0, hit));
		if (hit == text.n)
			return;
		buf_c(out, to);
		text = str_skip(text, hit + strlen(from));
		while (ends && text.n && !strchr(ends, text.p[0]))
			text = str_skip(text, 1);
	}
}

/* Without what differs from run to run: the directory, and how libcurl puts it. */
static const char *shown(const struct doctor *d, bool as_json)
{
	static char text[65536];
	struct buf out = BUF_INIT, half = BUF_INIT, plain = BUF_INIT;

	if (as_json)
		doctor_show_json(d, &out);
	else
		doctor_show(d, &out, false);
	put_replaced(&half, buf_as_str(&out), dir, NULL, "<dir>");
	put_replaced(&plain, buf_as_str(&half), "Failed to connect", "\"\n", "<no connection>");
	snprintf(text, sizeof(text), "%s", buf_cstr(&plain));
	buf_fini(&out);
	buf_fini(&half);
	buf_fini(&plain);
	return text;
}

static struct doctor healthy(void)
{
	return (struct doctor){ .root = dir,
				.user = "tailrace",
				.subject = "test",
				.now_s = 1700000000,
				.deadline_ns = 1000000000 };
}

#define LIMITS(files, core)                                                                        \
	"Limit                     Soft Limit           Hard Limit           Units     \n"         \
	"Max core file size        " core "                    unlimited            bytes     \n"  \
	"Max open files            1024                 " files "               files     \n"

static void machine(const char *watches, const char *rmem, const char *limits, const char *memory)
{
	put("proc/sys/fs/inotify/max_user_watches", 0644, watches);
	put("proc/sys/fs/inotify/max_user_instances", 0644, "128\n");
	put("proc/sys/net/core/rmem_max", 0644, rmem);
	put("proc/self/limits", 0644, limits);
	put("proc/self/status", 0644, "Name:\tx\nCapEff:\t0000000000000400\n");
	put("proc/self/cgroup", 0644, "0::/a/b\n");
	put("proc/meminfo", 0644, "MemTotal: 999999999 kB\nMemAvailable:   99999999 kB\n");
	put("sys/fs/cgroup/a/memory.max", 0644, memory);
	put("sys/fs/cgroup/a/b/memory.max", 0644, "max\n");
}

static void check_golden(const char *name, const char *got)
{
	char path[512], want[65536];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/doctor/%s", GOLDEN_DIR, name);
	f = fopen(path, is_update ? "w" : "r");
	OK(f != NULL);
	if (!f)
		return;
	if (is_update) {
		fputs(got, f);
		fclose(f);
		return;
	}
	n = fread(want, 1, sizeof(want) - 1, f);
	want[n] = 0;
	fclose(f);
	EQ_STR(str_c(got), want);
}

/* Whole output for a whole configuration. */
static void examine(const char *golden, const char *config, bool is_synced, bool as_json,
		    enum doctor_result worst)
{
	struct doctor_clock clock = { true, is_synced, 3 };
	struct doctor d = healthy();
	size_t n;
	const struct conf_plugin *plugins = registry(&n);
	struct config *c;

	ROW(golden);
	put("main.yaml", 0644, config);
	c = config_load(at("main.yaml"), NULL, plugins, n);
	EQ_INT(conf_error_count(c->doc), 0);
	if (!conf_error_count(c->doc)) {
		doctor_run(&d, c, &clock);
		check_golden(golden, shown(&d, as_json));
	}
	EQ_INT(doctor_worst(&d), worst);
	doctor_fini(&d);
	config_free(c);
}

static void whole(void)
{
	char config[2048];

	put("logs/a.log", 0644, "a\n");
	put("logs/b.log", 0644, "b\n");
	put("pw", 0600, "secret\n");
	snprintf(config, sizeof(config),
		 "state_dir: %s/state/deep\nadmin: {listen: none}\n"
		 "inputs: {app: {type: file, paths: ['%s/logs/*.log']}}\n"
		 "outputs: {out: {type: stdout}}\n"
		 "pipelines: {main: {from: [app], to: [out]}}\n",
		 dir, dir);
	machine("100000\n", "16777216\n", LIMITS("524288", "0"), "max\n");
	examine("healthy.out", config, true, false, DOCTOR_OK);

	put("state/deep/x", 0644, "");
	chmod(at("state/deep"), 0777);
	put("pw", 0644, "secret\n");
	OK(symlink("/etc/hostname", at("logs/c.log")) == 0);
	snprintf(config, sizeof(config),
		 "state_dir: %s/state/deep\nadmin: {listen: none}\nmemory: 64MiB\n"
		 "inputs:\n"
		 "  app: {type: file, paths: ['%s/logs/*.log', %s/none/x], follow: none}\n"
		 "  net: {type: syslog, listen: ['unixgram://%s/sock', 'unix://%s/pw']}\n"
		 "outputs:\n"
		 "  loki: {type: loki, url: 'http://u:p@127.0.0.1:1', "
		 "bearer_token: 'file:%s/pw'}\n"
		 "  two: {type: loki, url: 'http://127.0.0.1:1/x', "
		 "basic_auth: {username: u, password: inline}}\n"
		 "pipelines: {main: {from: [app, net], to: [loki, two]}}\n",
		 dir, dir, dir, dir, dir, dir);
	machine("3\n", "212992\n", LIMITS("4096", "0"), "50331648\n");
	examine("broken.out", config, false, false, DOCTOR_FAIL);
	examine("broken.json.out", config, false, true, DOCTOR_FAIL);
}

/* ---- ports -------------------------------------------------------------------------------- */

static void ports(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	unsigned schemes[] = { CONF_UDP, CONF_TCP };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		bool is_stream = schemes[i] == CONF_TCP;
		int fd = socket(AF_INET, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0), one = 1;
		struct conf_addr addr = { .scheme = schemes[i],
					  .host = STR("127.0.0.1"),
					  .text = STR("it") };
		struct doctor d = healthy();

		ROW(is_stream ? "tcp" : "udp");
		/* As the agent has it: others could share it, and must not. */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		sin.sin_port = 0;
		OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
		OK(!is_stream || listen(fd, 1) == 0);
		getsockname(fd, (struct sockaddr *)&sin, &len);
		addr.port = ntohs(sin.sin_port);
		doctor_listen(&d, &addr);
		d.agent = 1;
		doctor_listen(&d, &addr);
		d.agent = 0;
		addr.host = STR("192.0.2.1");
		doctor_listen(&d, &addr);
		EQ_INT(d.n, 3);
		EQ_INT(d.lines[0].result, DOCTOR_FAIL);
		OK(strstr(d.lines[0].text, "taken") && strstr(d.lines[0].fix, "ss -l"));
		EQ_INT(d.lines[1].result, DOCTOR_OK);
		EQ_INT(d.lines[2].result, DOCTOR_FAIL);
		OK(strstr(d.lines[2].text, "no address of this machine"));
		doctor_fini(&d);
		close(fd);
	}
}

/* ---- certificates ------------------------------------------------------------------------- */

static void certificates(void)
{
	struct cert a = cert_new(dir, "a", "a", NULL, NULL),
		    b = cert_new(dir, "b", "b", NULL, NULL);
	char a_crt[300], a_key[300], b_key[300];
	int64_t end_s = 0;
	struct err err = ERR_NONE;
	static const struct {
		const char *name;
		int64_t from_end_s;
		enum doctor_result result;
		const char *part;
	} rows[] = {
		{ "far", -90 * 86400, DOCTOR_OK, "is good for 90 days" },
		{ "soon", -3 * 86400 - 60, DOCTOR_WARN, "expires in 3 days" },
		{ "late", 2 * 86400 + 60, DOCTOR_FAIL, "expired 2 days ago" },
	};

	snprintf(a_crt, sizeof(a_crt), "%s/a.crt", dir);
	snprintf(a_key, sizeof(a_key), "%s/a.key", dir);
	snprintf(b_key, sizeof(b_key), "%s/b.key", dir);
	chmod(a_key, 0600);
	EQ_INT(tls_cert_end(str_c(a_crt), &end_s, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doctor d = healthy();

		ROW(rows[i].name);
		d.now_s = end_s + rows[i].from_end_s;
		doctor_tls(&d, str_c(a_crt), str_c(a_key), STR_NONE);
		EQ_INT(d.n, 1);
		EQ_INT(d.lines[0].result, rows[i].result);
		OK(strstr(d.lines[0].text, rows[i].part));
		doctor_tls(&d, str_c(a_crt), str_c(b_key), STR_NONE);
		EQ_INT(d.lines[1].result, DOCTOR_FAIL);
		OK(strstr(d.lines[1].text, "key values mismatch"));
		chmod(a_key, 0644);
		doctor_tls(&d, str_c(a_crt), str_c(a_key), STR_NONE);
		chmod(a_key, 0600);
		EQ_INT(d.lines[d.n - 1].result, DOCTOR_WARN);
		OK(strstr(d.lines[d.n - 1].fix, "chmod o="));
		doctor_tls(&d, STR("/no/such"), str_c(a_key), STR_NONE);
		EQ_INT(d.lines[d.n - 1].result, DOCTOR_FAIL);
		doctor_fini(&d);
	}
	cert_free(&a);
	cert_free(&b);
}

/* ---- who uses the state directory --------------------------------------------------------- */

static void running_agent(void)
{
	struct doctor d = healthy();
	struct stat st;
	char line[128];

	put("own/LOCK", 0600, "4711\n");
	OK(stat(at("own/LOCK"), &st) == 0);
	put("proc/locks", 0444, "1: POSIX  ADVISORY  WRITE 4711 08:01:1 0 EOF\n");
	EQ_INT(doctor_find_agent(&d, at("own")), 0);
	snprintf(line, sizeof(line), "1: FLOCK  ADVISORY  WRITE 4711 08:01:%llu 0 EOF\n",
		 (unsigned long long)st.st_ino + 1);
	put("proc/locks", 0444, line);
	EQ_INT(doctor_find_agent(&d, at("own")), 0);
	snprintf(line, sizeof(line),
		 "1: POSIX  x\n12: FLOCK  ADVISORY  WRITE 4711 08:01:%llu 0 EOF\n",
		 (unsigned long long)st.st_ino);
	put("proc/locks", 0444, line);
	EQ_INT(doctor_find_agent(&d, at("own")), 4711);
	EQ_INT(doctor_find_agent(&d, at("nowhere")), 0);
}

int main(int argc, char **argv)
{
	char command[128];

	is_update = argc > 1 && !strcmp(argv[1], "--update");
	umask(022);
	OK(mkdtemp(dir) != NULL);
	chmod(dir, 0755);
	RUN(whole);
	RUN(ports);
	RUN(certificates);
	RUN(running_agent);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	OK(system(command) == 0);
	return test_end();
}
