/* SPDX-License-Identifier: Apache-2.0
 * cli/screen.h - a few lines at the end of the terminal that are drawn again in place.
 *
 * The cursor is hidden from the first frame until bsc_screen_close, which leaves the last frame
 * standing. Whoever draws must see to it that every way out comes by there.
 */
#ifndef BASCULE_CLI_SCREEN_H
#define BASCULE_CLI_SCREEN_H

#include <stdbool.h>

#include "base/text.h"

struct bsc_screen {
    struct bsc_text shown; /* the frame that stands there now; "": none */
    bool open;
};

/* `frame`: lines that end with LF and are not wider than the terminal. */
void bsc_screen_draw(struct bsc_screen *screen, const char *frame);
void bsc_screen_close(struct bsc_screen *screen);

/* How many rows up the frame begins, on a terminal that is `columns` wide by now: one that became
 * narrower has broken its lines. */
unsigned bsc_screen_rows(const char *frame, unsigned columns);

#endif
