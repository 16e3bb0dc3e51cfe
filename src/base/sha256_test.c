/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "base/sha256.h"

static void hashes_are_those_of_the_standard(void **state)
{
	/* FIPS 180-4's examples, and lengths about the padding's edges (by sha256sum). */
	static const struct {
		const char *text;
		size_t times;
		const char *hash;
	} cases[] = {
		{ "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
		{ "a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
		{ "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		size_t len = strlen(cases[i].text);
		_cleanup_(freep) char *data = xcalloc(cases[i].times, len + 1);
		uint8_t hash[SHA256_SIZE];
		char text[2 * SHA256_SIZE + 1];

		for (size_t k = 0; k < cases[i].times; k++)
			memcpy(data + k * len, cases[i].text, len);
		sha256(data, cases[i].times * len, hash);
		for (size_t k = 0; k < sizeof(hash); k++)
			sprintf(text + 2 * k, "%02x", hash[k]);
		assert_string_equal(text, cases[i].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hashes_are_those_of_the_standard) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
