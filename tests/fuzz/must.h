/* SPDX-License-Identifier: Apache-2.0
 * What every fuzz target is made of. */
#ifndef BASCULE_TESTS_FUZZ_MUST_H
#define BASCULE_TESTS_FUZZ_MUST_H

#include <stdint.h>
#include <stdlib.h>

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* libFuzzer and replay.c call it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
