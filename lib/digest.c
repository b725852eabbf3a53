/* SPDX-License-Identifier: Apache-2.0 */
/* Message digests, by OpenSSL. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/digest.h"

size_t digest(enum digest which, const struct str *parts, size_t n, unsigned char *out)
{
	const EVP_MD *const kinds[] = {
		[DIGEST_SHA1] = EVP_sha1(),
		[DIGEST_SHA256] = EVP_sha256(),
		[DIGEST_SHA512] = EVP_sha512(),
		[DIGEST_SHA3_256] = EVP_sha3_256(),
	};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned length = 0;
	bool is_fine = ctx && EVP_DigestInit_ex(ctx, kinds[which], NULL) == 1;

	for (size_t i = 0; i < n && is_fine; i++)
		is_fine = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
	is_fine = is_fine && EVP_DigestFinal_ex(ctx, out, &length) == 1;
	EVP_MD_CTX_free(ctx);
	return is_fine ? length : 0;
}

bool digest_hmac_sha256(struct str key, struct str text, unsigned char *out)
{
	unsigned length = 0;

	return HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, out,
		    &length) != NULL;
}
