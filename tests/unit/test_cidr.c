/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: what is one, and what is in it. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/check.h"
#include "lib/cidr.h"
#include "tests/unit/test.h"

static struct cidr_addr addr(const char *text)
{
	struct sockaddr_storage sa = { 0 };

	if (strchr(text, ':')) {
		sa.ss_family = AF_INET6;
		OK(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&sa)->sin6_addr) == 1);
	} else {
		sa.ss_family = AF_INET;
		OK(inet_pton(AF_INET, text, &((struct sockaddr_in *)&sa)->sin_addr) == 1);
	}
	return cidr_addr_of(&sa);
}

static void matching(void)
{
	static const struct {
		const char *net, *addr;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true }, /* of a dual-stack socket */
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "203.0.113.9", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "::ffff:10.0.0.0/104", "10.9.9.9", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cidr_addr a = addr(rows[i].addr);
		struct cidr c;

		ROW(rows[i].net);
		OK(cidr_parse(str_c(rows[i].net), &c));
		OK(cidr_has(&c, &a) == rows[i].has);
	}
}

static void malformed(void)
{
	static const char *const rows[] = { "",
					    "/8",
					    "10.0.0.0/",
					    "10.0.0.0/33",
					    "10.0.0.1/8",
					    "10.0.0/8",
					    "::/129",
					    "::1/64",
					    "host",
					    "10.0.0.0/-1",
					    "10.0.0.0/8/8",
					    "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111" };
	struct cidr c;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ROW(rows[i]);
		OK(!cidr_parse(str_c(rows[i]), &c));
	}
}

int main(void)
{
	RUN(matching);
	RUN(malformed);
	return test_end();
}
