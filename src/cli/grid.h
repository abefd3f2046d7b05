/* SPDX-License-Identifier: Apache-2.0
 * cli/grid.h - a table of columns as wide as they need, for lists on a terminal.
 */
#ifndef BASCULE_CLI_GRID_H
#define BASCULE_CLI_GRID_H

#include "cli/output.h"

enum { BSC_GRID_COLUMNS_MAX = 12 };

struct bsc_grid {
    const struct bsc_output *output; /* borrowed */
    unsigned columns;
    unsigned count; /* cells so far, row by row */
    char **cells;
    size_t capacity;
};

/* `titles` ends with NULL and makes the first row and the number of columns. */
void bsc_grid_init(struct bsc_grid *grid, const struct bsc_output *output,
                   const char *const *titles);
void bsc_grid_add(struct bsc_grid *grid, enum bsc_style style,
                  const char *text); /* the next cell */
/* Prints all to standard output, cut at the terminal's width when it is one, and empties. */
void bsc_grid_print(struct bsc_grid *grid);

#endif
