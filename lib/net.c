/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets from addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/net.h"

static int finish(int fd, const struct sockaddr *sa, socklen_t n, bool is_stream, bool many,
		  struct str text, struct err *err)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (many)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, sa, n) < 0 || (is_stream && listen(fd, SOMAXCONN) < 0)) {
		int rc = err_errno(err, errno, "cannot listen on " STR_FMT, STR_ARG(text));

		close(fd);
		return rc;
	}
	return fd;
}

static int listen_unix(const struct conf_addr *addr, struct err *err)
{
	bool is_stream = addr->scheme == CONF_UNIX;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (addr->path.n >= sizeof(sun.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "socket path " STR_FMT " is longer than %zu bytes",
			       STR_ARG(addr->path), sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, addr->path.p, addr->path.n);
	fd = socket(AF_UNIX, (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a socket");
	/* Only a socket that nobody answers on is stale; other files refuse connections, too. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 && errno == ECONNREFUSED &&
	    lstat(sun.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(sun.sun_path);
	return finish(fd, (struct sockaddr *)&sun, sizeof(sun), is_stream, false, addr->text, err);
}

/* Without a host: one socket for both families, or IPv4 where the kernel knows no IPv6. */
static int listen_any(const struct conf_addr *addr, int type, bool many, struct err *err)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(addr->port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(addr->port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), off = 0;
	bool is_stream = type == SOCK_STREAM;

	if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)
		return finish(fd, (struct sockaddr *)&sin6, sizeof(sin6), is_stream, many,
			      addr->text, err);
	if (fd >= 0)
		close(fd);
	fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a socket for " STR_FMT,
				 STR_ARG(addr->text));
	return finish(fd, (struct sockaddr *)&sin, sizeof(sin), is_stream, many, addr->text, err);
}

int net_listen(const struct conf_addr *addr, bool many, struct err *err)
{
	bool is_stream = addr->scheme & (CONF_TCP | CONF_TLS);
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = is_stream ? SOCK_STREAM : SOCK_DGRAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	char host[256], port[8];
	struct addrinfo *info;
	int fd, rc, on = 1;

	if (addr->scheme & (CONF_UNIX | CONF_UNIXGRAM))
		return listen_unix(addr, err);
	if (!addr->host.n)
		return listen_any(addr, hints.ai_socktype, many, err);
	snprintf(host, sizeof(host), STR_FMT, STR_ARG(addr->host));
	snprintf(port, sizeof(port), "%u", addr->port);
	rc = getaddrinfo(host, port, &hints, &info);
	if (rc)
		return err_set(err, -EINVAL, "cannot listen on " STR_FMT ": %s",
			       STR_ARG(addr->text), gai_strerror(rc));
	fd = socket(info->ai_family, hints.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd < 0)
		rc = err_errno(err, errno, "cannot make a socket for " STR_FMT,
			       STR_ARG(addr->text));
	else
		rc = finish(fd, info->ai_addr, info->ai_addrlen, is_stream, many, addr->text, err);
	freeaddrinfo(info);
	return rc;
}

/* False: it is a name, then in `text`. */
static bool is_id(struct str name, char *text, size_t size, int64_t *ret)
{
	uint64_t id;

	snprintf(text, size, STR_FMT, STR_ARG(name));
	if (!str_u64(name, &id))
		return false;
	*ret = id <= INT32_MAX ? (int64_t)id : -1;
	return true;
}

int64_t net_user_id(struct str name)
{
	const struct passwd *user;
	char text[256];
	int64_t id;

	if (is_id(name, text, sizeof(text), &id))
		return id;
	return (user = getpwnam(text)) ? (int64_t)user->pw_uid : -1;
}

int64_t net_group_id(struct str name)
{
	const struct group *group;
	char text[256];
	int64_t id;

	if (is_id(name, text, sizeof(text), &id))
		return id;
	return (group = getgrnam(text)) ? (int64_t)group->gr_gid : -1;
}

/* A process has any number of groups beside its own. */
static bool is_member(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[1024];
	socklen_t n = sizeof(groups);

	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
		return false;
	for (size_t i = 0; i < n / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool net_unix_peer_may(int fd, int64_t group)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (group >= 0 && is_member(fd, &peer, (gid_t)group));
}

int net_unix_grant(const struct conf_addr *addr, mode_t mode, struct str owner, struct err *err)
{
	struct str group = owner, user = str_cut(&group, ':');
	int64_t uid = user.n ? net_user_id(user) : (int64_t)(uid_t)-1;
	int64_t gid = group.n ? net_group_id(group) : (int64_t)(gid_t)-1;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (uid < 0 || gid < 0)
		return err_set(err, -EINVAL, "there is no %s " STR_FMT " to own " STR_FMT,
			       uid < 0 ? "user" : "group", STR_ARG(uid < 0 ? user : group),
			       STR_ARG(addr->text));
	snprintf(path, sizeof(path), STR_FMT, STR_ARG(addr->path));
	if (owner.n && chown(path, (uid_t)uid, (gid_t)gid) < 0)
		return err_errno(err, errno, "cannot give " STR_FMT " to " STR_FMT,
				 STR_ARG(addr->text), STR_ARG(owner));
	if (chmod(path, mode) < 0)
		return err_errno(err, errno, "cannot set the mode of " STR_FMT,
				 STR_ARG(addr->text));
	return 0;
}

bool net_mode_parse(struct str text, mode_t *ret)
{
	unsigned mode = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7' || mode > 0777)
			return false;
		mode = mode * 8 + (unsigned)(text.p[i] - '0');
	}
	*ret = (mode_t)mode;
	return text.n && mode <= 0777;
}

#define SYSTEMD_FIRST_FD 3 /* SD_LISTEN_FDS_START */

int net_systemd_next(struct str name, int *at)
{
	struct str names = str_c(getenv("LISTEN_FDNAMES")), mine;
	uint64_t pid = 0, n = 0;

	if (!str_u64(str_c(getenv("LISTEN_PID")), &pid) || pid != (uint64_t)getpid() ||
	    !str_u64(str_c(getenv("LISTEN_FDS")), &n) || n > 1024)
		return -1;
	for (int i = 0; i < (int)n; i++) {
		int fd = SYSTEMD_FIRST_FD + i;

		/* As sd_listen_fds_with_names(3): without names all are called "unknown". */
		mine = names.p ? str_cut(&names, ':') : STR("unknown");
		if (i < *at || !str_eq(mine, name))
			continue;
		*at = i + 1;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	return -1;
}

static int sock_opt(int fd, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -1 : value;
}

bool net_is_stream(int fd)
{
	return sock_opt(fd, SO_TYPE) == SOCK_STREAM;
}

bool net_is_unix(int fd)
{
	return sock_opt(fd, SO_DOMAIN) == AF_UNIX;
}

size_t net_addr_text(const struct sockaddr_storage *addr, bool with_port, char *out)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	char ip[INET6_ADDRSTRLEN];
	int n;

	if (addr->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in4->sin_addr, ip, sizeof(ip));
		n = with_port ? snprintf(out, NET_ADDR_TEXT, "%s:%u", ip, ntohs(in4->sin_port))
			      : snprintf(out, NET_ADDR_TEXT, "%s", ip);
	} else if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip, sizeof(ip));
		n = with_port ? snprintf(out, NET_ADDR_TEXT, "%s:%u", ip, ntohs(in6->sin6_port))
			      : snprintf(out, NET_ADDR_TEXT, "%s", ip);
	} else if (addr->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		n = with_port ? snprintf(out, NET_ADDR_TEXT, "[%s]:%u", ip, ntohs(in6->sin6_port))
			      : snprintf(out, NET_ADDR_TEXT, "%s", ip);
	} else {
		n = snprintf(out, NET_ADDR_TEXT, "unix");
	}
	return (size_t)n;
}
