/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's answer: status, Retry-After and text are the peer's. Input: two bytes of status, a line of
 * Retry-After, a line of labels we sent, the body. */
#include <stdint.h>

#include "lib/check.h"
#include "outputs/loki/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest = str_make((const char *)data, n), labels, stream;
	struct answer a = { 0 };
	struct verdict v;

	if (n < 2)
		return 0;
	a.status = data[0] << 8 | data[1];
	rest = str_skip(rest, 2);
	a.retry_after = str_cut(&rest, '\n');
	labels = str_cut(&rest, '\n');
	a.body = rest;
	v = answer_judge(&a, INT64_C(1795275944) * 1000000000);
	stream = v.refusal.stream;
	CHECK(v.result && v.retry_after_ns >= 0 && v.retry_after_ns <= ANSWER_RETRY_MAX_NS);
	CHECK(v.kind != VERDICT_DONE || a.status == 200 || a.status == 204);
	CHECK(v.kind != VERDICT_REFUSED || v.refusal.reason);
	CHECK(!v.refusal.count || v.refusal.scope == REFUSAL_ENTRIES);
	CHECK(!stream.n || (stream.p >= a.body.p && stream.p + stream.n <= a.body.p + a.body.n &&
			    stream.p[0] == '{' && stream.p[stream.n - 1] == '}'));
	CHECK(answer_names(labels, labels));
	answer_names(stream, labels);
	answer_names(labels, stream);
	return 0;
}
