/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY protocol headers, after proxy-protocol.txt of HAProxy, sections 2.1 and 2.2. */
#include "lib/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define V1_MAX 107 /* with CR LF */
#define V2_FIXED 16

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool put_address(struct str host, int family, uint16_t port_be, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	char text[INET6_ADDRSTRLEN];

	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = 0;
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		in4->sin_port = port_be;
	else
		in6->sin6_port = port_be;
	return inet_pton(family, text,
			 family == AF_INET ? (void *)&in4->sin_addr : (void *)&in6->sin6_addr) == 1;
}

static bool is_port(struct str text, uint16_t *ret)
{
	uint64_t n;

	if (!str_u64(text, &n) || n > 65535)
		return false;
	*ret = htons((uint16_t)n);
	return true;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.1 56324 514\r\n" */
static enum proxy_result parse_v1(struct str bytes, struct proxy *ret)
{
	struct str line = str_sub(bytes, 0, V1_MAX), family, from, to;
	size_t end = str_chr(line, '\n');
	struct sockaddr_storage unused;
	uint16_t port, to_port;
	int af;

	if (end == line.n)
		return line.n == V1_MAX ? PROXY_BAD : PROXY_MORE;
	ret->used = end + 1;
	if (end == 0 || line.p[end - 1] != '\r')
		return PROXY_BAD;
	line = str_sub(line, strlen("PROXY "), end - 1);
	family = str_cut(&line, ' ');
	if (str_is(family, "UNKNOWN"))
		return PROXY_OK;
	if (!str_is(family, "TCP4") && !str_is(family, "TCP6"))
		return PROXY_BAD;
	af = family.p[3] == '4' ? AF_INET : AF_INET6;
	from = str_cut(&line, ' ');
	to = str_cut(&line, ' ');
	if (!is_port(str_cut(&line, ' '), &port) || !is_port(line, &to_port))
		return PROXY_BAD;
	if (!put_address(to, af, to_port, &unused) || !put_address(from, af, port, &ret->peer))
		return PROXY_BAD;
	return PROXY_OK;
}

static enum proxy_result parse_v2(struct str bytes, struct proxy *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ret->peer;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->peer;
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t n;

	if (bytes.n < V2_FIXED)
		return PROXY_MORE;
	n = (size_t)p[14] << 8 | p[15];
	if (p[12] >> 4 != 2 || (p[12] & 0xf) > 1 || V2_FIXED + n > PROXY_MAX)
		return PROXY_BAD;
	if (bytes.n < V2_FIXED + n)
		return PROXY_MORE;
	ret->used = V2_FIXED + n;
	if ((p[12] & 0xf) == 0) /* LOCAL */
		return PROXY_OK;
	switch (p[13] >> 4) {
	case 1:
		if (n < 12)
			return PROXY_BAD;
		in4->sin_family = AF_INET;
		memcpy(&in4->sin_addr, p + V2_FIXED, 4);
		memcpy(&in4->sin_port, p + V2_FIXED + 8, 2);
		return PROXY_OK;
	case 2:
		if (n < 36)
			return PROXY_BAD;
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, p + V2_FIXED, 16);
		memcpy(&in6->sin6_port, p + V2_FIXED + 32, 2);
		return PROXY_OK;
	default: /* UNSPEC, UNIX */
		return PROXY_OK;
	}
}

enum proxy_result proxy_parse(struct str bytes, struct proxy *ret)
{
	struct str v1 = STR("PROXY "), v2 = str_make(v2_signature, sizeof(v2_signature));

	*ret = (struct proxy){ 0 };
	if (str_starts(bytes, v1))
		return parse_v1(bytes, ret);
	if (str_starts(bytes, v2))
		return parse_v2(bytes, ret);
	return str_starts(v1, bytes) || str_starts(v2, bytes) ? PROXY_MORE : PROXY_BAD;
}
