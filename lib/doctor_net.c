/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on and certificates, as the doctor looks at them. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/doctor.h"
#include "lib/os.h"
#include "lib/tls.h"

#define SOON_S (30 * INT64_C(86400))

/* Binds, and does not listen: nobody can connect. Without SO_REUSEPORT, and for datagrams without
 * SO_REUSEADDR, so that no running program loses anything to us. 0 or an errno. */
static int probe(const struct addrinfo *info, bool is_dual)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0), one = 1,
	    only = !is_dual, e = 0;

	if (fd < 0)
		return errno;
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (info->ai_socktype == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0)
		e = errno;
	close(fd);
	return e;
}

static void say_bound(struct doctor *d, const struct conf_addr *addr, int e)
{
	const char *proto = addr->scheme & CONF_UDP ? "-lunp" : "-ltnp";

	if (e == 0 && d->agent) {
		doctor_say(d, DOCTOR_WARN, "port",
			   STR_FMT " is free, though process %d runs with this state directory",
			   STR_ARG(addr->text), (int)d->agent);
		doctor_fix(d, "restart the agent: it runs with another configuration");
	} else if (e == 0) {
		doctor_say(d, DOCTOR_OK, "port", STR_FMT " can be listened on",
			   STR_ARG(addr->text));
	} else if (e == EADDRINUSE && d->agent) {
		doctor_say(d, DOCTOR_OK, "port", STR_FMT " is in use, the agent runs (process %d)",
			   STR_ARG(addr->text), (int)d->agent);
	} else if (e == EADDRINUSE) {
		doctor_say(d, DOCTOR_FAIL, "port", STR_FMT " is taken by another program",
			   STR_ARG(addr->text));
		doctor_fix(d, "ss %s 'sport = :%u' says which; stop it, or change `listen`", proto,
			   addr->port);
	} else if (e == EACCES) {
		doctor_say(d, DOCTOR_FAIL, "port",
			   STR_FMT " is a privileged port, and user %s may not have it",
			   STR_ARG(addr->text), d->user);
		doctor_fix(d,
			   "systemctl edit tailrace, there [Service] "
			   "AmbientCapabilities=CAP_NET_BIND_SERVICE; or sysctl -w "
			   "net.ipv4.ip_unprivileged_port_start=%u",
			   addr->port);
	} else if (e == EADDRNOTAVAIL) {
		doctor_say(d, DOCTOR_FAIL, "port", STR_FMT " is no address of this machine",
			   STR_ARG(addr->text));
		doctor_fix(d, "ip address lists those it has; correct `listen`");
	} else {
		doctor_say(d, DOCTOR_FAIL, "port", "cannot bind " STR_FMT ": %s",
			   STR_ARG(addr->text), strerror(e));
	}
}

static void check_unix(struct doctor *d, const struct conf_addr *addr)
{
	const char *path = addr->path.p, *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	struct stat st;

	if (addr->path.n >= sizeof(dir)) {
		doctor_say(d, DOCTOR_FAIL, "socket", "%s is longer than %zu bytes", path,
			   sizeof(dir) - 1);
		return;
	}
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (os->stat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		doctor_say(d, DOCTOR_FAIL, "socket", "%s is there and is no socket", path);
		doctor_fix(d, "mv '%s' elsewhere, or change `listen`", path);
	} else if (!doctor_writable_dir(dir)) {
		doctor_say(d, DOCTOR_FAIL, "socket", "user %s cannot make %s: %s", d->user, path,
			   strerror(errno));
		doctor_fix(d, "install -d -o %s '%s'", d->user, dir);
	} else {
		doctor_say(d, DOCTOR_OK, "socket", "%s can be made", path);
	}
}

void doctor_listen(struct doctor *d, const struct conf_addr *addr)
{
	bool is_stream = !(addr->scheme & CONF_UDP), is_dual = !addr->host.n;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = is_stream ? SOCK_STREAM : SOCK_DGRAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *info;
	char port[8], host[256];
	int rc;

	if (addr->scheme & (CONF_UNIX | CONF_UNIXGRAM)) {
		check_unix(d, addr);
		return;
	}
	if (!(addr->scheme & (CONF_UDP | CONF_TCP | CONF_TLS)))
		return; /* from the service manager */
	snprintf(port, sizeof(port), "%u", addr->port);
	snprintf(host, sizeof(host), STR_FMT, STR_ARG(addr->host));
	rc = getaddrinfo(is_dual ? "::" : host, port, &hints, &info);
	if (rc) {
		doctor_say(d, DOCTOR_FAIL, "port", STR_FMT ": %s", STR_ARG(addr->text),
			   gai_strerror(rc));
		doctor_fix(d, "getent hosts '%s'; correct `listen`", host);
		return;
	}
	rc = probe(info, is_dual);
	freeaddrinfo(info);
	if (rc == EAFNOSUPPORT && is_dual && getaddrinfo("0.0.0.0", port, &hints, &info) == 0) {
		rc = probe(info, false);
		freeaddrinfo(info);
	}
	say_bound(d, addr, rc);
}

/* ---- certificates ------------------------------------------------------------------------- */

static void check_end(struct doctor *d, const char *option, struct str path)
{
	struct err err = ERR_NONE;
	int64_t end_s;

	if (tls_cert_end(path, &end_s, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "certificate", "%s: %s", option, err.text);
		doctor_fix(d, "openssl x509 -noout -text -in '%s' must understand it", path.p);
	} else if (end_s < d->now_s) {
		doctor_say(d, DOCTOR_FAIL, "certificate", "%s %s expired %lld days ago", option,
			   path.p, (long long)((d->now_s - end_s) / 86400));
		doctor_fix(d, "put a new certificate into %s; no restart is needed", path.p);
	} else if (end_s < d->now_s + SOON_S) {
		doctor_say(d, DOCTOR_WARN, "certificate", "%s %s expires in %lld days", option,
			   path.p, (long long)((end_s - d->now_s) / 86400));
		doctor_fix(d, "put a new certificate into %s; no restart is needed", path.p);
	} else {
		doctor_say(d, DOCTOR_OK, "certificate", "%s %s is good for %lld days", option,
			   path.p, (long long)((end_s - d->now_s) / 86400));
	}
}

/* The server's loading says best what is wrong, and a client's files are the same. */
void doctor_tls(struct doctor *d, struct str cert_file, struct str key_file, struct str ca_file)
{
	struct tls_conf conf = { .cert_file = cert_file, .key_file = key_file, .ca_file = ca_file };
	struct tls_server *server = NULL;
	struct err err = ERR_NONE;
	struct stat st;

	if (cert_file.n && !doctor_readable(d, "certificate", cert_file.p))
		return;
	if (key_file.n && !doctor_readable(d, "private key", key_file.p))
		return;
	if (ca_file.n && !doctor_readable(d, "certificate", ca_file.p))
		return;
	if (cert_file.n && tls_server_new(&server, &conf, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "certificate", "%s", err.text);
		doctor_fix(d,
			   "openssl x509 -noout -pubkey -in '%s' and openssl pkey -pubout -in "
			   "'%s' must print the same",
			   cert_file.p, key_file.p);
		return;
	}
	tls_server_free(server);
	if (cert_file.n)
		check_end(d, "cert_file", cert_file);
	if (ca_file.n)
		check_end(d, "ca_file", ca_file);
	if (key_file.n && os->stat(key_file.p, &st) == 0 && st.st_mode & 0007) {
		doctor_say(d, DOCTOR_WARN, "private key", "%s can be used by every user (mode %o)",
			   key_file.p, (unsigned)st.st_mode & 0777);
		doctor_fix(d, "chmod o= '%s'", key_file.p);
	}
}
