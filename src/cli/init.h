/* SPDX-License-Identifier: Apache-2.0
 * cli/init.h - a first bascule.yaml: the questions that decide the strategy, and the file.
 */
#ifndef BASCULE_CLI_INIT_H
#define BASCULE_CLI_INIT_H

#include <stdbool.h>

#include "base/text.h"

/* One table for the questions, --answers and docs/choosing-a-strategy.md. The first row that holds
 * decides. */
struct bsc_init_row {
    const char *word;     /* "tight-budget", for --answers */
    const char *question; /* answered by yes or no */
    const char *strategy;
    const char *because; /* what the strategy does about it */
};

extern const struct bsc_init_row bsc_init_rows[];
extern const unsigned bsc_init_row_count;

/* This bascule has the row's strategy. */
bool bsc_init_is_offered(const struct bsc_init_row *row);

/* The row that decides for a list of words ("no-downtime,tight-budget"). BSC_INVALID on an unknown
 * word; the error says which there are. Pure. */
enum bsc_status bsc_init_decide(const char *words, const struct bsc_init_row **out,
                                struct bsc_error *error) BSC_MUST_CHECK;

struct bsc_init_wish {
    const char *name, *command, *strategy;
    const char *because; /* NULL: the strategy was named */
    unsigned port;       /* where clients come in */
};

/* A commented bascule.yaml. Pure. */
void bsc_init_write(const struct bsc_init_wish *wish, struct bsc_text *out);

#endif
