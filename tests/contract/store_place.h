/* SPDX-License-Identifier: Apache-2.0
 * contract/store_place.h - the SQLite store in a directory that each test makes anew.
 */
#ifndef BASCULE_TESTS_CONTRACT_STORE_PLACE_H
#define BASCULE_TESTS_CONTRACT_STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/store_sqlite.h"
#include "store_client.h"

static const struct store_subject sqlite = { "sqlite", bsc_store_sqlite_open,
                                             bsc_store_sqlite_close };

static char directory[64];
static struct store_client client;
static struct bsc_error error;

static inline int make_directory(void **unused)
{
    (void)unused;
    snprintf(directory, sizeof directory, "/tmp/bascule-test-XXXXXX");
    assert_non_null(mkdtemp(directory));
    return 0;
}

static inline void open_store(const char *where)
{
    if (store_client_open(&client, &sqlite, where, &error))
        fail_msg("%s", error.text);
}

/* The number of the state that is in the store now. */
static inline uint64_t loaded(void)
{
    uint64_t n = UINT64_MAX;
    if (numbered_load(&client, &n))
        fail_msg("%s", client.text);
    return n;
}

#endif
