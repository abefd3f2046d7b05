/* SPDX-License-Identifier: Apache-2.0
 * cli/grid.c - see grid.h. */
#include "cli/grid.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"

void bsc_grid_init(struct bsc_grid *grid, const struct bsc_output *output,
                   const char *const *titles)
{
    *grid = (struct bsc_grid){ .output = output };
    for (; titles[grid->columns]; grid->columns++)
        bsc_grid_add(grid, BSC_STYLE_BOLD, titles[grid->columns]);
    assert(grid->columns <= BSC_GRID_COLUMNS_MAX);
}

void bsc_grid_add(struct bsc_grid *grid, enum bsc_style style, const char *text)
{
    struct bsc_text cell = { 0 };
    bsc_output_add(grid->output, &cell, style, *text ? text : "-");
    grid->cells = bsc_grow(grid->cells, &grid->capacity, grid->count + 1, sizeof *grid->cells);
    grid->cells[grid->count++] = cell.data;
}

static size_t column_width(const struct bsc_grid *grid, unsigned column)
{
    size_t widest = 0;
    for (unsigned i = column; i < grid->count; i += grid->columns) {
        size_t cells = bsc_cells(grid->cells[i]);
        widest = cells > widest ? cells : widest;
    }
    return widest;
}

void bsc_grid_print(struct bsc_grid *grid)
{
    unsigned width, rows;
    size_t widths[BSC_GRID_COLUMNS_MAX];
    struct bsc_text out = { 0 };
    for (unsigned i = 0; i < grid->columns; i++)
        widths[i] = column_width(grid, i);
    bsc_output_size(&width, &rows);
    for (unsigned row = 0; row < grid->count; row += grid->columns) {
        size_t line = out.size;
        for (unsigned i = 0; i < grid->columns && row + i < grid->count; i++) {
            size_t cell = out.size;
            bsc_text_puts(&out, grid->cells[row + i]);
            if (i + 1 < grid->columns)
                bsc_cells_pad(&out, cell, widths[i] + 2);
        }
        if (grid->output->live)
            bsc_cells_cut(grid->output, &out, line, width);
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
    for (unsigned i = 0; i < grid->count; i++)
        free(grid->cells[i]);
    free(grid->cells);
    *grid = (struct bsc_grid){ 0 };
}
