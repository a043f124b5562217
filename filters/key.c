#include "filters/key.h"

#include <openssl/evp.h>

#include "base/die.h"

#define DIGEST_OCTETS 32
#define DIGEST_TEXT (2 * DIGEST_OCTETS)

struct str
key_bound(struct arena *arena, struct str key)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	char text[DIGEST_TEXT + 1] = { 0 };

	if (key.n <= KEY_MAX)
		return key;
	if (EVP_Digest(key.p, key.n, digest, &n, EVP_sha256(), NULL) != 1 || n != DIGEST_OCTETS)
		die("OpenSSL could not compute a SHA-256");
	for (size_t i = 0; i < DIGEST_OCTETS; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	return arena_printf(
	    arena, "%.*s~%s", STR_ARG(str_sub(key, 0, KEY_MAX - 1 - DIGEST_TEXT)), text);
}

struct str
key_network(struct arena *arena, const struct ip *ip, int64_t bits4, int64_t bits6)
{
	struct ip network = ip_network(ip, (unsigned)bits4, (unsigned)bits6);

	if (ip->version == 0)
		return STR("local");
	return arena_printf(
	    arena, "%s/%d", IP_TEXT(&network), (int)(ip->version == 4 ? bits4 : bits6));
}

struct str
key_auth_client(struct arena *arena, const struct ip *ip)
{
	struct ip network = ip_network(ip, 32, 64);

	return arena_printf(
	    arena, "auth:failed:client:%s%s", IP_TEXT(&network), ip->version == 6 ? "/64" : "");
}

struct str
key_auth_account(struct arena *arena, struct str account)
{
	return key_bound(arena,
	    arena_printf(arena, "auth:failed:account:%.*s", STR_ARG(arena_lower(arena, account))));
}
