/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fuzz: one file a parser of outside input, NAME.c, which defines the function below; what it was
 * once fed and is to be fed again lies in corpus/NAME/. The unit tests replay the corpora. To look for more:
 *
 *     CC=clang meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false
 * -Dc_args=-fsanitize=fuzzer-no-link ninja -C build-fuzz test/fuzz/fuzz-message && build-fuzz/test/fuzz/fuzz-message
 * test/fuzz/corpus/message
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
