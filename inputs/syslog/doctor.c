/* SPDX-License-Identifier: Apache-2.0 */
/* What `tailrace doctor` looks at for this input: addresses, receive buffers, certificates. */
#include "lib/doctor.h"

#include "inputs/syslog/syslog.h"

#define NET_ADMIN 12 /* CAP_NET_ADMIN */

static void check_buffer(struct doctor *d, const struct syslog_conf *c)
{
	uint64_t most;

	if (!doctor_number(d, "/proc/sys/net/core/rmem_max", &most))
		return;
	if (most >= c->receive_buffer) {
		doctor_say(d, DOCTOR_OK, "receive buffer", "net.core.rmem_max allows %zu bytes",
			   c->receive_buffer);
	} else if (doctor_can(d, NET_ADMIN)) {
		doctor_say(d, DOCTOR_OK, "receive buffer", "CAP_NET_ADMIN allows %zu bytes",
			   c->receive_buffer);
	} else {
		doctor_say(d, DOCTOR_WARN, "receive buffer",
			   "%zu bytes are asked for, net.core.rmem_max allows %llu: bursts may be "
			   "lost",
			   c->receive_buffer, (unsigned long long)most);
		doctor_fix(d,
			   "sysctl -w net.core.rmem_max=%zu, and the same in "
			   "/etc/sysctl.d/tailrace.conf",
			   c->receive_buffer);
	}
}

void syslog_doctor(struct doctor *d, const char *name, const void *conf)
{
	const struct syslog_conf *c = conf;
	bool has_datagrams = false;

	(void)name;
	for (size_t i = 0; i < c->listen.n; i++) {
		doctor_listen(d, &c->listen.items[i]);
		has_datagrams |= (c->listen.items[i].scheme & CONF_UDP) != 0;
	}
	if (has_datagrams)
		check_buffer(d, c);
	if (c->tls.cert_file.n)
		doctor_tls(d, c->tls.cert_file, c->tls.key_file, c->tls.ca_file);
	d->needs.descriptors += c->max_connections;
}
