/* SPDX-License-Identifier: Apache-2.0
 * cli/output.c - see output.h. */
#include "cli/output.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define RESET "\033[0m"

static const char *const sequences[BSC_STYLE_COUNT] = {
    [BSC_STYLE_PLAIN] = "",        [BSC_STYLE_BOLD] = "\033[1m",   [BSC_STYLE_DIM] = "\033[2m",
    [BSC_STYLE_RED] = "\033[31m",  [BSC_STYLE_GREEN] = "\033[32m", [BSC_STYLE_YELLOW] = "\033[33m",
    [BSC_STYLE_BLUE] = "\033[34m", [BSC_STYLE_CYAN] = "\033[36m",
};

void bsc_output_init(struct bsc_output *output, const struct bsc_call *call)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR"); /* no-color.org: any value but the empty one */
    bool able = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    output->live = able;
    output->color = able && !call->given[BSC_OPTION_NO_COLOR] && !(no_color && *no_color);
    output->unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
    output->quiet = call->given[BSC_OPTION_QUIET];
    output->json = call->given[BSC_OPTION_JSON];
}

void bsc_output_add(const struct bsc_output *output, struct bsc_text *out, enum bsc_style style,
                    const char *text)
{
    bool styled = output->color && style != BSC_STYLE_PLAIN && *text;
    if (styled)
        bsc_text_puts(out, sequences[style]);
    bsc_text_add_escaped(out, text, strlen(text));
    if (styled)
        bsc_text_puts(out, RESET);
}

void bsc_output_printf(const struct bsc_output *output, struct bsc_text *out, enum bsc_style style,
                       const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0)
        abort();
    bsc_output_add(output, out, style, text);
    free(text);
}

void bsc_output_add_line(struct bsc_text *out, const char *line, size_t size)
{
    enum { TAB_CELLS = 8 };
    size_t from = out->size;
    while (size) {
        const char *tab = memchr(line, '\t', size);
        size_t plain = tab ? (size_t)(tab - line) : size;
        bsc_text_add_escaped(out, line, plain);
        if (!tab)
            break;
        size_t used = out->size > from ? bsc_cells(bsc_text_get(out) + from) : 0;
        bsc_cells_pad(out, from, (used / TAB_CELLS + 1) * TAB_CELLS);
        line = tab + 1;
        size -= plain + 1;
    }
}

void bsc_output_add_lines(struct bsc_text *out, const char *text, unsigned indent)
{
    size_t size = strlen(text);
    while (size && text[size - 1] == '\n')
        size--;
    for (const char *end; (end = memchr(text, '\n', size)); text = end + 1) {
        bsc_output_add_line(out, text, (size_t)(end - text));
        bsc_text_printf(out, "\n%*s", (int)indent, "");
        size -= (size_t)(end - text) + 1;
    }
    bsc_output_add_line(out, text, size);
}

enum bsc_style bsc_style_of(const char *word)
{
    static const struct {
        const char *word;
        enum bsc_style style;
    } styles[] = {
        { "live", BSC_STYLE_GREEN },       { "healthy", BSC_STYLE_GREEN },
        { "promoted", BSC_STYLE_GREEN },   { "staged", BSC_STYLE_GREEN },
        { "ready", BSC_STYLE_CYAN },       { "deploying", BSC_STYLE_CYAN },
        { "running", BSC_STYLE_CYAN },     { "in-progress", BSC_STYLE_CYAN },
        { "undoing", BSC_STYLE_YELLOW },   { "unknown", BSC_STYLE_YELLOW },
        { "hold", BSC_STYLE_YELLOW },      { "maintenance", BSC_STYLE_YELLOW },
        { "cancelled", BSC_STYLE_YELLOW }, { "rolled-back", BSC_STYLE_YELLOW },
        { "stop", BSC_STYLE_RED },         { "failed", BSC_STYLE_RED },
        { "ill", BSC_STYLE_RED },          { "idle", BSC_STYLE_DIM },
        { "standby", BSC_STYLE_DIM },      { "replaced", BSC_STYLE_DIM },
        { "superseded", BSC_STYLE_DIM },   { "blue", BSC_STYLE_BLUE },
        { "green", BSC_STYLE_GREEN },      { "held", BSC_STYLE_YELLOW },
    };
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (!strcmp(styles[i].word, word))
            return styles[i].style;
    return BSC_STYLE_PLAIN;
}

void bsc_output_size(unsigned *columns, unsigned *rows)
{
    struct winsize size = { 0 };
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *columns = size.ws_col ? size.ws_col : 80;
    *rows = size.ws_row ? size.ws_row : 24;
}

/* The next character of `s`: its bytes and its cells. A style's sequence has no cells. */
static size_t next_character(const char *s, size_t *cells)
{
    *cells = 0;
    if (s[0] == '\033' && s[1] == '[')
        return strcspn(s, "m") + 1;
    const unsigned char first = (unsigned char)*s;
    *cells = 1;
    if (first < 0xc2)
        return 1;
    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    wchar_t point = first & (0x7f >> size);
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 1;
        point = point << 6 | (s[i] & 0x3f);
    }
    int width = wcwidth(point);
    if (width >= 0)
        *cells = (size_t)width;
    return size;
}

size_t bsc_cells(const char *line)
{
    size_t total = 0, cells;
    while (*line) {
        line += next_character(line, &cells);
        total += cells;
    }
    return total;
}

void bsc_cells_cut(const struct bsc_output *output, struct bsc_text *out, size_t from, size_t cells)
{
    const char *line = bsc_text_get(out) + from;
    if (bsc_cells(line) <= cells)
        return;
    const char *ellipsis = output->unicode ? "…" : ">";
    struct bsc_text kept = { 0 };
    size_t used = 0, wide;
    for (size_t size; *line; line += size) {
        size = next_character(line, &wide);
        if (used + wide < cells || !wide)
            bsc_text_add(&kept, line, size);
        else if (used < cells) {
            bsc_text_puts(&kept, ellipsis); /* later styles are kept: the last one is a reset */
            used = cells;
        }
        used += wide;
    }
    out->data[out->size = from] = '\0';
    bsc_text_puts(out, bsc_text_get(&kept));
    bsc_text_deinit(&kept);
}

void bsc_cells_pad(struct bsc_text *out, size_t from, size_t cells)
{
    size_t used = out->size > from ? bsc_cells(out->data + from) : 0;
    for (; used < cells; used++)
        bsc_text_puts(out, " ");
}

void bsc_output_wrap(struct bsc_text *out, const char *text, unsigned indent, unsigned columns)
{
    size_t used = 0;
    unsigned room = columns > indent + 20 ? columns - indent : 20;
    for (const char *word = text; *word;) {
        if (*word == '\n') {
            bsc_text_puts(out, "\n");
            used = 0;
            word++;
            continue;
        }
        size_t size = strcspn(word, " \n");
        if (used && used + 1 + size > room) {
            bsc_text_puts(out, "\n");
            used = 0;
        }
        if (!used)
            bsc_text_printf(out, "%*s", (int)indent, "");
        else
            bsc_text_puts(out, " ");
        used += size + (used ? 1 : 0);
        bsc_text_add(out, word, size);
        word += size;
        word += *word == ' ';
    }
    bsc_text_puts(out, "\n");
}

void bsc_output_elapsed(struct bsc_text *out, int64_t ms)
{
    long long seconds = ms / 1000;
    if (ms < 60000)
        bsc_text_printf(out, "%lld.%llds", seconds, (long long)(ms % 1000 / 100));
    else if (seconds < 3600)
        bsc_text_printf(out, "%lldm%02llds", seconds / 60, seconds % 60);
    else
        bsc_text_printf(out, "%lldh%02lldm", seconds / 3600, seconds / 60 % 60);
}
