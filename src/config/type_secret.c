/* SPDX-License-Identifier: Apache-2.0
 * config/type_secret.c - a secret that whoever asks must know: in the file, or in one of its own
 * (see types.h). What was found in its place is never told. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/types.h"

static bool fits(const struct bsc_key *key, const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return size >= (size_t)key->low && size <= (size_t)key->high;
}

static void refuse(struct bsc_reader *reader, const struct bsc_key *key, unsigned line,
                   const char *where)
{
    bsc_reader_problem(reader, line, key->path,
                       "expected %s%s%d to %d visible characters of ASCII without spaces", where,
                       *where ? " to hold " : "", (int)key->low, (int)key->high);
}

static const char *expect_secret(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "%d to %d visible characters of ASCII", (int)key->low,
                            (int)key->high);
}

static bool read_secret(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    if (node->kind == BSC_NODE_TEXT && (reader->stored || fits(key, node->text)))
        *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, node->text);
    else
        refuse(reader, key, node->line, "");
    return true;
}

static json_t *write_secret(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static json_t *schema_secret(const struct bsc_key *key)
{
    json_t *schema = bsc_schema_text("^[!-~]*$");
    json_object_set_new(schema, "minLength", json_integer(key->low));
    json_object_set_new(schema, "maxLength", json_integer(key->high));
    return schema;
}

const struct bsc_type bsc_type_secret = { expect_secret, read_secret, write_secret, schema_secret };

static const char *expect_file(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a file";
}

/* The first line, as it is all that there is to it; NULL: that was told. */
static char *read_whole(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, const char *path)
{
    size_t room = (size_t)key->high + 3; /* a line's end, and one byte that is too many */
    char *text = bsc_arena_alloc(reader->arena, room);
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t size = -1;
    if (fd == -1 || fstat(fd, &found) == -1)
        bsc_reader_problem(reader, node->line, key->path, "file %s: %s", path, strerror(errno));
    else if (!S_ISREG(found.st_mode))
        bsc_reader_problem(reader, node->line, key->path, "%s is not a file", path);
    else if ((size = read(fd, text, room - 1)) == -1)
        bsc_reader_problem(reader, node->line, key->path, "file %s: %s", path, strerror(errno));
    if (fd != -1)
        close(fd);
    if (size == -1)
        return NULL;
    text[size] = '\0';
    if (size && text[size - 1] == '\n')
        text[--size] = '\0';
    if (size && text[size - 1] == '\r')
        text[--size] = '\0';
    if (strlen(text) == (size_t)size && fits(key, text))
        return text;
    refuse(reader, key, node->line, path);
    return NULL;
}

static bool read_file(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT || !bsc_text_is_clean(node->text))
        return false;
    const char *secret = read_whole(reader, key, node, bsc_path_resolve(reader, node->text));
    if (secret)
        *(const char **)bsc_key_field(key, base) = secret;
    return true;
}

static json_t *schema_file(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text(NULL);
}

const struct bsc_type bsc_type_secret_file = { expect_file, read_file, write_secret, schema_file };
