/* SPDX-License-Identifier: Apache-2.0
 * Runs a fuzz target over the files named, so that every crash once found stays a test of builds
 * without a fuzzer. */
#include <stdio.h>
#include <stdlib.h>

#include "must.h"

int main(int count, char **names)
{
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        uint8_t *bytes = malloc(1 << 20);
        if (!file || !bytes) {
            perror(names[i]);
            return 1;
        }
        size_t size = fread(bytes, 1, 1 << 20, file);
        fclose(file);
        printf("%s\n", names[i]);
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    return 0;
}
