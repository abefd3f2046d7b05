/* SPDX-License-Identifier: Apache-2.0
 * api/tail.c - see tail.h. */
#include "api/tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

enum { BLOCK_BYTES = 16 * 1024 };

void bsc_tail_init(struct bsc_tail *tail, const char *label, const char *path)
{
    *tail = (struct bsc_tail){ .label = bsc_copy(label), .path = bsc_copy(path), .fd = -1 };
}

static void close_file(struct bsc_tail *tail)
{
    if (tail->fd != -1)
        close(tail->fd);
    tail->fd = -1;
}

void bsc_tail_deinit(struct bsc_tail *tail)
{
    close_file(tail);
    bsc_text_deinit(&tail->partial);
    free(tail->label);
    free(tail->path);
}

static int open_regular(const char *path, struct stat *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd != -1 && (fstat(fd, out) != 0 || !S_ISREG(out->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool open_file(struct bsc_tail *tail)
{
    struct stat found;
    tail->fd = open_regular(tail->path, &found);
    if (tail->fd == -1)
        return false;
    tail->device = found.st_dev;
    tail->inode = found.st_ino;
    return true;
}

static void add_line(const struct bsc_tail *tail, const char *line, size_t size,
                     struct bsc_text *out)
{
    bsc_text_puts(out, tail->label);
    bsc_text_puts(out, " | ");
    if (size && line[size - 1] == '\r')
        size--;
    while (size) { /* tabs are harmless and lay stack traces out */
        size_t length = 0;
        while (length < size && line[length] != '\t')
            length++;
        bsc_text_add_escaped(out, line, length);
        if (length < size)
            bsc_text_add(out, "\t", 1);
        line += length + (length < size);
        size -= length + (length < size);
    }
    bsc_text_add(out, "\n", 1);
}

void bsc_tail_flush(struct bsc_tail *tail, struct bsc_text *out)
{
    if (tail->partial.size)
        add_line(tail, tail->partial.data, tail->partial.size, out);
    bsc_text_clear(&tail->partial);
}

static void take(struct bsc_tail *tail, const char *bytes, size_t size, struct bsc_text *out)
{
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t)(end - bytes) : size;
        size_t room = BSC_TAIL_LINE_BYTES - tail->partial.size;
        size_t fitting = length < room ? length : room;
        bsc_text_add(&tail->partial, bytes, fitting);
        bool whole = end && fitting == length;
        if (whole && !tail->partial.size)
            add_line(tail, "", 0, out);
        else if (whole || tail->partial.size == BSC_TAIL_LINE_BYTES)
            bsc_tail_flush(tail, out);
        bytes += fitting + whole;
        size -= fitting + whole;
    }
}

/* The start of the last `lines` lines in `bytes`; *left: how many more would be wanted. */
static const char *find_last_lines(const char *bytes, size_t size, unsigned lines, unsigned *left)
{
    *left = lines;
    const char *at = bytes + size;
    if (!lines || !size)
        return at;
    if (at[-1] == '\n')
        at--;
    while (at > bytes) {
        if (at[-1] == '\n' && --*left == 0)
            return at;
        at--;
    }
    --*left;
    return bytes;
}

/* The last `limit` bytes of `fd`, whole lines only; the caller frees *out. */
static size_t read_end(int fd, size_t limit, char **out)
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t start = end > (off_t)limit ? end - (off_t)limit : 0;
    size_t size = end > start ? (size_t)(end - start) : 0;
    *out = bsc_alloc(size + 1);
    ssize_t got = size ? pread(fd, *out, size, start) : 0;
    size = got > 0 ? (size_t)got : 0;
    char *first = start && size ? memchr(*out, '\n', size) : NULL;
    if (first) {
        size -= (size_t)(first + 1 - *out);
        memmove(*out, first + 1, size);
    }
    return size;
}

void bsc_tail_last(struct bsc_tail *tail, unsigned lines, size_t limit_bytes, struct bsc_text *out)
{
    char *now = NULL, *before = NULL;
    size_t size = open_file(tail) ? read_end(tail->fd, limit_bytes, &now) : 0;
    unsigned left = lines;
    const char *start = size ? find_last_lines(now, size, lines, &left) : NULL;
    if (left && size < limit_bytes) {
        struct bsc_text path = { 0 };
        struct stat found;
        bsc_text_printf(&path, "%s.1", tail->path);
        int fd = open_regular(bsc_text_get(&path), &found);
        bsc_text_deinit(&path);
        size_t older = fd == -1 ? 0 : read_end(fd, limit_bytes - size, &before);
        unsigned unused;
        const char *from = older ? find_last_lines(before, older, left, &unused) : NULL;
        if (older)
            take(tail, from, (size_t)(before + older - from), out);
        if (fd != -1)
            close(fd);
    }
    if (size)
        take(tail, start, (size_t)(now + size - start), out);
    free(before);
    free(now);
}

/* The file that we read was rotated away and another has its name. */
static bool was_rotated(const struct bsc_tail *tail)
{
    struct stat found;
    return stat(tail->path, &found) == 0 &&
           (found.st_ino != tail->inode || found.st_dev != tail->device);
}

bool bsc_tail_read(struct bsc_tail *tail, struct bsc_text *out)
{
    if (tail->fd == -1 && !open_file(tail))
        return false;
    char block[BLOCK_BYTES];
    /* Asked before the last read: what was written until the rotation is then certainly read. */
    bool rotated = was_rotated(tail);
    ssize_t got = read(tail->fd, block, sizeof block);
    if (got <= 0 && rotated) {
        close_file(tail);
        if (open_file(tail))
            got = read(tail->fd, block, sizeof block);
    }
    if (got <= 0)
        return false;
    take(tail, block, (size_t)got, out);
    return true;
}

bool bsc_tail_has_more(const struct bsc_tail *tail)
{
    struct stat found;
    if (tail->fd == -1)
        return access(tail->path, R_OK) == 0;
    return (fstat(tail->fd, &found) == 0 && found.st_size > lseek(tail->fd, 0, SEEK_CUR)) ||
           was_rotated(tail);
}
