/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sha256: FIPS 180-4's hash of bytes in memory. For tokens: random ones, so that a plain hash keeps them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

void sha256(const void *data, size_t len, uint8_t ret[SHA256_SIZE]);
/* Compares in a time that does not depend on where they differ. */
bool sha256_equal(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE]);
