/* SPDX-License-Identifier: Apache-2.0
 * adapters/env_file.c - reading NAME=VALUE files; see environment.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/environment.h"
#include "base/text.h"

enum { FILE_BYTES_MAX = 1 << 20 };

struct reader {
    const char *path, *at, *end;
    unsigned line;
    struct bsc_error *error;
};

static enum bsc_status fail(struct reader *reader, unsigned line, const char *what)
{
    return bsc_error_set(reader->error, BSC_INVALID, "%s:%u: %s", reader->path, line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && is_blank(*reader->at))
        reader->at++;
}

static void skip_line(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at != '\n')
        reader->at++;
}

static bool at_line_end(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == '\n' || *reader->at == '#';
}

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

static enum bsc_status read_name(struct reader *reader, struct bsc_text *item)
{
    static const char export[] = "export";
    const size_t size = sizeof export - 1;
    if ((size_t)(reader->end - reader->at) > size && !memcmp(reader->at, export, size) &&
        is_blank(reader->at[size])) {
        reader->at += size;
        skip_blanks(reader);
    }
    const char *name = reader->at;
    while (reader->at < reader->end && is_name(*reader->at, reader->at == name))
        reader->at++;
    bsc_text_add(item, name, (size_t)(reader->at - name));
    skip_blanks(reader);
    if (!item->size || reader->at == reader->end || *reader->at != '=')
        return fail(reader, reader->line, "expected NAME=VALUE, a blank line or a # comment");
    reader->at++;
    bsc_text_puts(item, "=");
    return BSC_OK;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default: /* '"', '\\', '$' */
        return c;
    }
}

static enum bsc_status read_quoted(struct reader *reader, struct bsc_text *item)
{
    const unsigned first_line = reader->line;
    const char quote = *reader->at++;
    for (; reader->at < reader->end && *reader->at != quote; reader->at++) {
        char c = *reader->at;
        reader->line += c == '\n';
        if (quote == '"' && c == '\\' && reader->at + 1 < reader->end &&
            strchr("nrt\"\\$", reader->at[1]))
            c = unescape(*++reader->at);
        bsc_text_add(item, &c, 1);
    }
    if (reader->at == reader->end)
        return fail(reader, first_line, "the value's quote is not closed");
    reader->at++;
    skip_blanks(reader);
    return at_line_end(reader) ? BSC_OK
                               : fail(reader, reader->line, "something follows the closing quote");
}

static void read_bare(struct reader *reader, struct bsc_text *item)
{
    const char *value = reader->at;
    for (; reader->at < reader->end && *reader->at != '\n'; reader->at++)
        if (*reader->at == '#' && (reader->at == value || is_blank(reader->at[-1])))
            break;
    const char *last = reader->at;
    while (last > value && is_blank(last[-1]))
        last--;
    bsc_text_add(item, value, (size_t)(last - value));
}

static enum bsc_status read_line(struct reader *reader, struct bsc_environment *environment)
{
    struct bsc_text item = { 0 };
    skip_blanks(reader);
    enum bsc_status status = BSC_OK;
    if (!at_line_end(reader)) {
        status = read_name(reader, &item);
        if (status != BSC_OK)
            goto free_item;
        skip_blanks(reader);
        if (reader->at < reader->end && (*reader->at == '"' || *reader->at == '\''))
            status = read_quoted(reader, &item);
        else
            read_bare(reader, &item);
        if (status != BSC_OK)
            goto free_item;
        bsc_environment_put(environment, item.data);
    }
    skip_line(reader);
free_item:
    bsc_text_deinit(&item);
    return status;
}

enum bsc_status bsc_environment_put_text(struct bsc_environment *environment, const char *path,
                                         const char *text, size_t size, struct bsc_error *error)
{
    struct reader reader = { path, text, text + size, 1, error };
    if (memchr(text, '\0', size))
        return bsc_error_set(error, BSC_INVALID, "%s: is not text (it holds a NUL byte)", path);
    while (reader.at < reader.end) {
        enum bsc_status status = read_line(&reader, environment);
        if (status != BSC_OK)
            return status;
        if (reader.at < reader.end) { /* the line feed */
            reader.at++;
            reader.line++;
        }
    }
    return BSC_OK;
}

static enum bsc_status read_all(int fd, const char *path, struct bsc_text *out,
                                struct bsc_error *error)
{
    struct stat file;
    if (fstat(fd, &file) == -1)
        return bsc_error_errno(error, "environment file %s", path);
    if (!S_ISREG(file.st_mode))
        return bsc_error_set(error, BSC_INVALID, "environment file %s: is not a file", path);
    char chunk[4096];
    for (;;) {
        ssize_t size = read(fd, chunk, sizeof chunk);
        if (size == -1 && errno == EINTR)
            continue;
        if (size == -1)
            return bsc_error_errno(error, "environment file %s", path);
        if (size == 0)
            return BSC_OK;
        bsc_text_add(out, chunk, (size_t)size);
        if (out->size > FILE_BYTES_MAX)
            return bsc_error_set(error, BSC_INVALID, "environment file %s: is over 1 MiB", path);
    }
}

enum bsc_status bsc_environment_put_file(struct bsc_environment *environment, const char *path,
                                         struct bsc_error *error)
{
    /* O_NONBLOCK: a FIFO must not stop the daemon. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return bsc_error_errno(error, "environment file %s", path);
    struct bsc_text text = { 0 };
    enum bsc_status status = read_all(fd, path, &text, error);
    close(fd);
    if (status == BSC_OK)
        status = bsc_environment_put_text(environment, path, bsc_text_get(&text), text.size, error);
    bsc_text_deinit(&text);
    return status;
}
