/* SPDX-License-Identifier: Apache-2.0
 * cli/man_config.c - bascule.yaml(5), in the macros of man(7), out of the reference page.
 *
 * Knows the Markdown that config/reference.c writes and no more: headings, paragraphs, lists with
 * '-', fenced code, tables, `code`, *words* and links. A row of a table becomes an entry named by
 * its first cell; the heads of the columns name the others.
 */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "cli/help.h"

enum { COLUMNS_MAX = 8 };

struct page {
    struct bsc_text *out;
    struct bsc_arena arena;
    const char *heads[COLUMNS_MAX]; /* of the table that is being read; [0] NULL: none is */
    bool code;                      /* between fences */
    bool gap;                       /* an empty line was seen */
};

/* Of [words](address) at `at`: where the words end, and the address. False: it is no link. */
static bool is_link(const char *at, const char **words_end, const char **address_end)
{
    const char *close = strchr(at, ']');
    const char *end = close && close[1] == '(' ? strchr(close, ')') : NULL;
    if (!end)
        return false;
    *words_end = close;
    *address_end = end;
    return true;
}

static void add_inline(struct page *page, const char *text)
{
    bool code = false, emphasis = false;
    const char *words_end = NULL, *address_end = NULL; /* of the link that is being read */
    for (; *text; text++) {
        if (text == words_end) {
            text = address_end;
            words_end = NULL;
        } else if (*text == '`') {
            code = !code;
            bsc_text_puts(page->out, code ? "\\fB" : "\\fR");
        } else if (*text == '*' && !code) {
            emphasis = !emphasis;
            bsc_text_puts(page->out, emphasis ? "\\fI" : "\\fR");
        } else if (*text != '[' || code || !is_link(text, &words_end, &address_end)) {
            bsc_man_add_char(page->out, *text);
        }
    }
}

/* A line of text; a dot or an apostrophe at its begin would be a macro. */
static void add_line(struct page *page, const char *text)
{
    if (*text == '.' || *text == '\'')
        bsc_text_puts(page->out, "\\&");
    add_inline(page, text);
    bsc_text_puts(page->out, "\n");
}

static unsigned split_row(struct page *page, const char *row, const char **cells)
{
    unsigned count = 0;
    struct bsc_text cell = { 0 };
    for (row++; *row && count < COLUMNS_MAX; row++) {
        if (*row == '\\' && row[1] == '|')
            bsc_text_add(&cell, ++row, 1);
        else if (*row != '|')
            bsc_text_add(&cell, row, 1);
        if (*row == '|' && row[-1] != '\\') {
            const char *text = bsc_text_get(&cell);
            text += strspn(text, " ");
            size_t size = strlen(text);
            while (size && text[size - 1] == ' ')
                size--;
            cells[count++] = bsc_arena_copy_bytes(&page->arena, text, size);
            bsc_text_clear(&cell);
        }
    }
    bsc_text_deinit(&cell);
    return count;
}

static void add_row(struct page *page, const char *row)
{
    const char *cells[COLUMNS_MAX] = { NULL };
    if (!strncmp(row, "|---", 4))
        return;
    unsigned count = split_row(page, row, cells);
    if (!count) /* a bar alone */
        return;
    if (!page->heads[0]) {
        memcpy(page->heads, cells, sizeof cells);
        return;
    }
    bsc_text_puts(page->out, ".TP\n");
    add_line(page, cells[0]);
    add_line(page, count > 1 ? cells[1] : "");
    const char *before = ".br\n";
    for (unsigned i = 2; i < count; i++) {
        if (!*cells[i])
            continue;
        bsc_text_printf(page->out, "%s\\fI%s\\fR: ", before, page->heads[i]);
        add_inline(page, cells[i]);
        before = "; ";
    }
    bsc_text_puts(page->out, *before == ';' ? "\n" : "");
}

static void add_heading(struct page *page, const char *line)
{
    size_t level = strspn(line, "#");
    if (level == 1) /* the page's own title */
        return;
    bsc_text_puts(page->out, level == 2 ? ".SH " : ".SS ");
    for (line += level + 1; *line; line++)
        bsc_man_add_char(page->out, level == 2 ? (char)toupper((unsigned char)*line) : *line);
    bsc_text_puts(page->out, "\n");
}

static void add_any(struct page *page, const char *line)
{
    bool gap = page->gap;
    page->gap = false;
    if (*line != '|')
        page->heads[0] = NULL;
    if (!strncmp(line, "```", 3)) {
        page->code = !page->code;
        bsc_text_puts(page->out, page->code ? ".PP\n.nf\n" : ".fi\n");
    } else if (page->code) {
        bsc_text_puts(page->out, "    ");
        for (; *line; line++)
            bsc_man_add_char(page->out, *line);
        bsc_text_puts(page->out, "\n");
    } else if (!*line) {
        page->gap = true;
    } else if (*line == '#') {
        add_heading(page, line);
    } else if (*line == '|') {
        add_row(page, line);
    } else if (!strncmp(line, "- ", 2)) {
        bsc_text_puts(page->out, ".IP \\(bu 2\n");
        add_line(page, line + 2);
    } else {
        bsc_text_puts(page->out, gap ? ".PP\n" : "");
        add_line(page, line + strspn(line, " "));
    }
}

void bsc_help_man_config(const char *reference, struct bsc_text *out)
{
    struct page page = { .out = out };
    bsc_arena_init(&page.arena);
    bsc_text_printf(out,
                    ".TH BASCULE.YAML 5 \"\" \"bascule %s\" \"File formats\"\n"
                    ".SH NAME\n"
                    "bascule.yaml \\- the services that bascule releases\n"
                    ".SH DESCRIPTION\n",
                    BSC_VERSION);
    for (const char *end; *reference; reference = *end ? end + 1 : end) {
        end = strchrnul(reference, '\n');
        add_any(&page, bsc_arena_copy_bytes(&page.arena, reference, (size_t)(end - reference)));
    }
    bsc_text_puts(out, ".SH SEE ALSO\n.BR bascule (1)\n");
    bsc_arena_deinit(&page.arena);
}
