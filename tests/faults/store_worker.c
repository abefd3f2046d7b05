/* SPDX-License-Identifier: Apache-2.0
 * faults/store_worker.c - works with a store and tells what it was told.
 *
 * usage: store_worker DIRECTORY COUNT
 *
 * Commits numbered transactions until the state has number COUNT, and goes on after failures: each
 * is loaded after, as the engine does. One line a happening: "open STATUS", "loaded N", "committed
 * N", "failed STATUS". Exits 0 when it is done, 1 when it gives up, 2 when the state is a mixture.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/store_sqlite.h"
#include "store_client.h"

enum { TRIES = 8 };

static const struct store_subject sqlite = { "sqlite", bsc_store_sqlite_open,
                                             bsc_store_sqlite_close };

static int work(struct store_client *client, uint64_t count)
{
    uint64_t n = 0;
    for (unsigned failures = 0; failures < TRIES;) {
        if (numbered_load(client, &n)) {
            printf("failed %s\n", bsc_status_name(client->status));
            failures++;
            continue;
        }
        printf("loaded %" PRIu64 "\n", n);
        if (n == UINT64_MAX)
            return 2;
        while (n < count && !numbered_commit(client, n + 1))
            printf("committed %" PRIu64 "\n", ++n);
        if (n == count)
            return 0;
        printf("failed %s\n", bsc_status_name(client->status));
        failures++;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct store_client client;
    struct bsc_error error;
    if (argc != 3)
        return 64;
    json_set_alloc_funcs(bsc_alloc, free); /* as the controller does */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < TRIES; i++) {
        enum bsc_status status = store_client_open(&client, &sqlite, argv[1], &error);
        printf("open %s\n", bsc_status_name(status));
        if (status)
            continue;
        int code = work(&client, strtoull(argv[2], NULL, 10));
        store_client_close(&client);
        return code;
    }
    return 1;
}
