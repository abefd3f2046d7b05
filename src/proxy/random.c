/* SPDX-License-Identifier: Apache-2.0
 * proxy/random.c - see random.h. */
#include "proxy/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void bsc_random_seed(struct bsc_random *random)
{
    ssize_t got;
    do
        got = getrandom(random->state, sizeof random->state, 0);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof random->state)
        abort(); /* up to 256 bytes are promised once the kernel is seeded */
}
