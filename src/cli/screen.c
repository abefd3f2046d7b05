/* SPDX-License-Identifier: Apache-2.0
 * cli/screen.c - see screen.h. */
#include "cli/screen.h"

#include <string.h>
#include <unistd.h>

#include "cli/output.h"

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define CLEAR_TO_END "\033[J"
#define CLEAR_LINE_END "\033[K"

unsigned bsc_screen_rows(const char *frame, unsigned columns)
{
    unsigned rows = 0;
    struct bsc_text line = { 0 };
    while (*frame) {
        size_t size = strcspn(frame, "\n");
        bsc_text_clear(&line);
        bsc_text_add(&line, frame, size);
        size_t cells = bsc_cells(bsc_text_get(&line));
        rows += cells <= columns ? 1 : (unsigned)((cells + columns - 1) / columns);
        frame += size + (frame[size] == '\n');
    }
    bsc_text_deinit(&line);
    return rows;
}

static void put(const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written <= 0)
            return; /* the terminal is gone: SIGHUP follows */
        bytes += written;
        size -= (size_t)written;
    }
}

void bsc_screen_draw(struct bsc_screen *screen, const char *frame)
{
    unsigned columns, rows;
    struct bsc_text out = { 0 };
    bsc_output_size(&columns, &rows);
    bsc_text_puts(&out, screen->open ? "\r" : HIDE_CURSOR);
    unsigned up = bsc_screen_rows(bsc_text_get(&screen->shown), columns);
    if (up)
        bsc_text_printf(&out, "\033[%uA", up);
    for (const char *line = frame; *line;) {
        size_t size = strcspn(line, "\n");
        bsc_text_add(&out, line, size);
        bsc_text_puts(&out, CLEAR_LINE_END "\n");
        line += size + (line[size] == '\n');
    }
    bsc_text_puts(&out, CLEAR_TO_END);
    put(out.data, out.size); /* in one piece, so that nothing flickers */
    bsc_text_deinit(&out);
    bsc_text_clear(&screen->shown);
    bsc_text_puts(&screen->shown, frame);
    screen->open = true;
}

void bsc_screen_close(struct bsc_screen *screen)
{
    if (screen->open)
        put(SHOW_CURSOR, sizeof SHOW_CURSOR - 1);
    bsc_text_deinit(&screen->shown);
    screen->open = false;
}
