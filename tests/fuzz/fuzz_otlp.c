/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP requests. Protobuf: what the walk takes protobuf-c reads as the same, and so does the walk when it
 * comes as JSON; what is of another wire type protobuf-c refuses, too. JSON (by its first byte):
 * what comes out is within its bound, and can be walked. */
#include "lib/check.h"
#include "tests/unit/otlp_told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void proto(struct str body)
{
	const char *why = otlp_check(body);
	struct buf told = BUF_INIT, other = BUF_INIT, json = BUF_INIT, back = BUF_INIT;

	if (!why)
		tell_walk(&told, body);
#ifdef HAVE_ORACLE
	/* protobuf-c knows no limit of depth. */
	if (!why && tell_oracle(&other, body))
		CHECK(str_eq(buf_as_str(&told), buf_as_str(&other)));
	/* It takes tags of more than 32 bits, too, which are malformed. */
	if (why && body.n < 1024 && tell_oracle(&other, body))
		CHECK(strcmp(why, "a field has another wire type than OTLP gives it") != 0);
#endif
	if (!why) {
		buf_clear(&other);
		json_of(&json, body);
		CHECK(!otlp_from_json(buf_as_str(&json), &back));
		CHECK(back.n <= otlp_json_bound(json.n));
		CHECK(!otlp_check(buf_as_str(&back)));
		tell_walk(&other, buf_as_str(&back));
		CHECK(str_eq(buf_as_str(&told), buf_as_str(&other)));
	}
	buf_fini(&told);
	buf_fini(&other);
	buf_fini(&json);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str body = str_make((const char *)data, n);
	struct buf out = BUF_INIT, told = BUF_INIT;

	if (n && (data[0] == '{' || data[0] == ' ')) {
		if (!otlp_from_json(body, &out) && !otlp_check(buf_as_str(&out)))
			tell_walk(&told, buf_as_str(&out));
		CHECK(out.n <= otlp_json_bound(n));
	} else {
		proto(body);
	}
	buf_fini(&out);
	buf_fini(&told);
	return 0;
}
