/* SPDX-License-Identifier: Apache-2.0
 * cli/output.h - what the terminal can show, and text that is safe to show on it.
 *
 * Whatever came from the daemon or an application goes through bsc_output_add, which escapes
 * control characters. Cells are columns of the terminal.
 */
#ifndef BASCULE_CLI_OUTPUT_H
#define BASCULE_CLI_OUTPUT_H

#include <stdio.h>

#include "base/text.h"
#include "cli/parse.h"

struct bsc_output {
    bool live;    /* standard output is a terminal on which lines can be drawn again */
    bool color;   /* on standard output */
    bool unicode; /* the locale's encoding is UTF-8 */
    bool quiet, json;
};

enum bsc_style {
    BSC_STYLE_PLAIN,
    BSC_STYLE_BOLD,
    BSC_STYLE_DIM,
    BSC_STYLE_RED,
    BSC_STYLE_GREEN,
    BSC_STYLE_YELLOW,
    BSC_STYLE_BLUE,
    BSC_STYLE_CYAN,
    BSC_STYLE_COUNT
};

/* Looks at standard output, the locale, TERM and NO_COLOR. Call setlocale before. */
void bsc_output_init(struct bsc_output *output, const struct bsc_call *call);

/* Adds `text`, escaped, in a style. */
void bsc_output_add(const struct bsc_output *output, struct bsc_text *out, enum bsc_style style,
                    const char *text);
/* The same from a format; the result as a whole is escaped. */
void bsc_output_printf(const struct bsc_output *output, struct bsc_text *out, enum bsc_style style,
                       const char *format, ...) BSC_PRINTF(4, 5);

/* Adds a line of an application's output: escaped, but for tabs, which become spaces. */
void bsc_output_add_line(struct bsc_text *out, const char *line, size_t size);

/* Adds a text that may have several lines, escaped; the second and later ones are indented, line
 * ends at the text's end are dropped. */
void bsc_output_add_lines(struct bsc_text *out, const char *text, unsigned indent);

/* How a word of the daemon is coloured: live and healthy green, failed red, ... */
enum bsc_style bsc_style_of(const char *word);

/* Width and height of the terminal; 80 by 24 when it does not tell. */
void bsc_output_size(unsigned *columns, unsigned *rows);

/* Cells that `line` takes; the styles of bsc_output_add take none. */
size_t bsc_cells(const char *line);
/* Cuts what was added to `out` since `from` to at most `cells`, with an ellipsis where it cut. */
void bsc_cells_cut(const struct bsc_output *output, struct bsc_text *out, size_t from,
                   size_t cells);
/* Adds spaces until what was added since `from` takes `cells`. */
void bsc_cells_pad(struct bsc_text *out, size_t from, size_t cells);

/* Adds `text` broken into lines of at most `columns`, each indented. Keeps line ends of the text.
 */
void bsc_output_wrap(struct bsc_text *out, const char *text, unsigned indent, unsigned columns);

/* 7.4s, 1m05s, 2h03m: how long something takes, for people. */
void bsc_output_elapsed(struct bsc_text *out, int64_t ms);

#endif
