/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: parsing and matching. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/cidr.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_zero_behind(const struct cidr *c)
{
	for (unsigned i = c->bits; i < 128; i++)
		if (c->addr.bytes[i / 8] & (0x80u >> i % 8))
			return false;
	return true;
}

bool cidr_parse(struct str text, struct cidr *ret)
{
	struct str length = text, host = str_cut(&length, '/');
	char buf[INET6_ADDRSTRLEN];
	struct cidr c = { .bits = 128 };
	uint64_t bits = 0;
	bool is_v6 = str_chr(host, ':') < host.n;

	if (host.n >= sizeof(buf))
		return false;
	memcpy(buf, host.p, host.n);
	buf[host.n] = 0;
	if (is_v6) {
		if (inet_pton(AF_INET6, buf, c.addr.bytes) != 1)
			return false;
	} else {
		memcpy(c.addr.bytes, mapped, sizeof(mapped));
		if (inet_pton(AF_INET, buf, c.addr.bytes + 12) != 1)
			return false;
	}
	if (length.p) {
		if (!str_u64(length, &bits) || bits > (is_v6 ? 128 : 32))
			return false;
		c.bits = (unsigned)bits + (is_v6 ? 0 : 96);
	}
	*ret = c;
	return is_zero_behind(&c);
}

struct cidr_addr cidr_addr_of(const struct sockaddr_storage *sa)
{
	struct cidr_addr a = { 0 };

	if (sa->ss_family == AF_INET) {
		memcpy(a.bytes, mapped, sizeof(mapped));
		memcpy(a.bytes + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->ss_family == AF_INET6) {
		memcpy(a.bytes, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	}
	return a;
}

bool cidr_has(const struct cidr *c, const struct cidr_addr *addr)
{
	unsigned bytes = c->bits / 8, rest = c->bits % 8;

	if (memcmp(c->addr.bytes, addr->bytes, bytes) != 0)
		return false;
	return !rest || ((c->addr.bytes[bytes] ^ addr->bytes[bytes]) >> (8 - rest)) == 0;
}

void cidr_conf_check(struct conf_doc *doc, const struct conf_node *at, const struct conf_list *list)
{
	struct cidr unused;

	for (size_t i = 0; i < list->n; i++)
		if (!cidr_parse(list->items[i], &unused))
			conf_error(doc, at,
				   "\"" STR_FMT
				   "\" is no network; write 10.0.0.0/8 (no bits behind "
				   "the length), 192.0.2.1 or 2001:db8::/32",
				   STR_ARG(list->items[i]));
}
