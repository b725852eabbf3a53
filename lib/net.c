/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets from addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
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

int net_listen(const struct conf_addr *addr, bool many, struct err *err)
{
	bool is_stream = addr->scheme == CONF_TCP;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = is_stream ? SOCK_STREAM : SOCK_DGRAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	char host[256], port[8];
	struct addrinfo *info;
	int fd, rc;

	if (addr->scheme & (CONF_UNIX | CONF_UNIXGRAM))
		return listen_unix(addr, err);
	snprintf(host, sizeof(host), STR_FMT, STR_ARG(addr->host));
	snprintf(port, sizeof(port), "%u", addr->port);
	rc = getaddrinfo(addr->host.n ? host : NULL, port, &hints, &info);
	if (rc)
		return err_set(err, -EINVAL, "cannot listen on " STR_FMT ": %s",
			       STR_ARG(addr->text), gai_strerror(rc));
	fd = socket(info->ai_family, hints.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		rc = err_errno(err, errno, "cannot make a socket for " STR_FMT,
			       STR_ARG(addr->text));
	else
		rc = finish(fd, info->ai_addr, info->ai_addrlen, is_stream, many, addr->text, err);
	freeaddrinfo(info);
	return rc;
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
