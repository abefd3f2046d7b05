/* SPDX-License-Identifier: Apache-2.0
 * config/type_text.c - names, paths, hosts and users (see types.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/types.h"
#include "core/expand.h"

bool bsc_text_is_clean(const char *text)
{
    size_t size = strlen(text);
    if (!size || size >= PATH_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static json_t *write_text(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static void set_text(struct bsc_reader *reader, const struct bsc_key *key, void *base,
                     const char *text)
{
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, text);
}

static json_t *schema_text(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text(NULL);
}

/* The stored form was checked when it was made: any text is taken as it is. */
static bool read_stored(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT)
        return false;
    set_text(reader, key, base, node->text);
    return true;
}

static const char *expect_stored(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a text";
}

const struct bsc_type bsc_type_name = { expect_stored, read_stored, write_text, schema_text };
const struct bsc_type bsc_type_version = { expect_stored, read_stored, write_text, schema_text };

/* RFC 3986: what a request target may hold without being escaped, and '%'. */
static bool is_target(const char *text, const char *refused)
{
    if (text[0] != '/' || strlen(text) > 2048)
        return false;
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("\"<>\\^`{|}#", *at) || strchr(refused, *at))
            return false;
    return true;
}

static const char *expect_target(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a request target that starts with '/', without spaces and '#'";
}

static bool read_target(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT || (!reader->stored && !is_target(node->text, "")))
        return false;
    set_text(reader, key, base, node->text);
    return true;
}

static json_t *schema_target(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^/[^ #]*$");
}

const struct bsc_type bsc_type_target = { expect_target, read_target, write_text, schema_target };

static const char *expect_authority(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a host name such as shop.example or shop.example:8080";
}

/* A host name or address in lower case; NULL when it is none. */
static const char *lower_host(struct bsc_arena *arena, const char *text, size_t size)
{
    char *host = bsc_arena_copy_bytes(arena, text, size);
    for (char *at = host; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return bsc_host_check(host) ? host : NULL;
}

static bool read_authority(struct bsc_reader *reader, const struct bsc_key *key,
                           const struct bsc_node *node, void *base)
{
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    const char *bracket = strrchr(node->text, ']');
    const char *colon = strrchr(bracket ? bracket : node->text, ':');
    size_t size = colon ? (size_t)(colon - node->text) : strlen(node->text);
    if (!lower_host(reader->scratch, node->text, size) || (colon && !bsc_port_parse(colon + 1)))
        return false;
    set_text(reader, key, base, node->text);
    return true;
}

const struct bsc_type bsc_type_authority = { expect_authority, read_authority, write_text,
                                             schema_text };

static const char *expect_server_name(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a host name or an address, such as app.internal or 10.0.0.5";
}

static bool read_server_name(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *node, void *base)
{
    struct in6_addr six;
    if (reader->stored || node->kind != BSC_NODE_TEXT || inet_pton(AF_INET6, node->text, &six) == 1)
        return read_stored(reader, key, node, base);
    const char *host = lower_host(reader->arena, node->text, strlen(node->text));
    if (!host || *host == '[')
        return false;
    *(const char **)bsc_key_field(key, base) = host;
    return true;
}

const struct bsc_type bsc_type_server_name = { expect_server_name, read_server_name, write_text,
                                               schema_text };

static const char *expect_user(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the name of a user of this machine, or of a container's";
}

static bool read_user(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    if (!bsc_text_is_clean(node->text) || strpbrk(node->text, " /$"))
        return false;
    set_text(reader, key, base, node->text);
    return true;
}

const struct bsc_type bsc_type_user = { expect_user, read_user, write_text, schema_text };

const char *bsc_path_resolve(struct bsc_reader *reader, const char *text)
{
    while (!strncmp(text, "./", 2))
        for (text += 2; *text == '/';)
            text++;
    if (text[0] == '/' || !reader->directory)
        return bsc_arena_copy(reader->arena, text);
    if (!*text || !strcmp(text, "."))
        return bsc_arena_copy(reader->arena, reader->directory);
    bool root = !strcmp(reader->directory, "/");
    return bsc_arena_printf(reader->arena, "%s/%s", root ? "" : reader->directory, text);
}

bool bsc_argument_check(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, const char *path)
{
    enum { ARGUMENT_BYTES_MAX = 131071 }; /* Linux's MAX_ARG_STRLEN, with its NUL */
    static const struct bsc_variables nothing_yet = { 0 };
    const char *expanded;
    struct bsc_error error;
    if (reader->stored)
        return true;
    if (strlen(node->text) >= ARGUMENT_BYTES_MAX) {
        bsc_reader_problem(reader, node->line, path, "is longer than the system's limit, %d bytes",
                           ARGUMENT_BYTES_MAX);
        return false;
    }
    if (!(key->flags & BSC_KEY_VARIABLES) ||
        !bsc_expand(reader->scratch, node->text, &nothing_yet, &expanded, &error))
        return true;
    bsc_reader_problem(reader, node->line, path, "%s", error.text);
    return false;
}

static const char *expect_directory(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a directory";
}

static bool read_directory(struct bsc_reader *reader, const struct bsc_key *key,
                           const struct bsc_node *node, void *base)
{
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    if (!bsc_text_is_clean(node->text))
        return false;
    if (!bsc_argument_check(reader, key, node, key->path))
        return true;
    const char *path = bsc_path_resolve(reader, node->text);
    struct stat found;
    if (!strstr(path, "${")) {
        if (stat(path, &found) == -1)
            bsc_reader_problem(reader, node->line, key->path, "directory %s: %s", path,
                               strerror(errno));
        else if (!S_ISDIR(found.st_mode))
            bsc_reader_problem(reader, node->line, key->path, "%s is not a directory", path);
    }
    *(const char **)bsc_key_field(key, base) = path;
    return true;
}

const struct bsc_type bsc_type_directory = { expect_directory, read_directory, write_text,
                                             schema_text };

static const char *expect_output(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a file, or - for the daemon's standard output";
}

static bool read_output(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    struct stat found;
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    if (!bsc_text_is_clean(node->text))
        return false;
    if (!strcmp(node->text, "-")) {
        *(const char **)bsc_key_field(key, base) = "-";
        return true;
    }
    if (!bsc_argument_check(reader, key, node, key->path))
        return true;
    const char *path = bsc_path_resolve(reader, node->text);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        bsc_reader_problem(reader, node->line, key->path, "%s is a directory", path);
    *(const char **)bsc_key_field(key, base) = path;
    return true;
}

const struct bsc_type bsc_type_output = { expect_output, read_output, write_text, schema_text };

static const char *expect_route_host(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a host name without a port such as shop.example, or *.shop.example for one level below "
           "it";
}

static bool read_route_host(struct bsc_reader *reader, const struct bsc_key *key,
                            const struct bsc_node *node, void *base)
{
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    bool wild = !strncmp(node->text, "*.", 2);
    const char *rest = node->text + (wild ? 2 : 0);
    const char *host = lower_host(reader->arena, rest, strlen(rest));
    if (!host || (wild && host[0] == '['))
        return false;
    if (wild)
        host = bsc_arena_printf(reader->arena, "*.%s", host);
    *(const char **)bsc_key_field(key, base) = host;
    return true;
}

static json_t *schema_route_host(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^(\\*\\.)?[^/:*]+$|^\\[[0-9a-fA-F:.]+\\]$");
}

const struct bsc_type bsc_type_route_host = { expect_route_host, read_route_host, write_text,
                                              schema_route_host };

static const char *expect_token(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a name of up to 64 letters, digits and any of !#$%&'*+-.^_`|~";
}

static bool read_token(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    static const char accepted[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "!#$%&'*+-.^_`|~"; /* RFC 9110 section 5.6.2 */
    enum { TOKEN_MAX = 64 };
    if (node->kind != BSC_NODE_TEXT)
        return false;
    size_t size = strlen(node->text);
    if (!reader->stored && (!size || size > TOKEN_MAX || strspn(node->text, accepted) != size))
        return false;
    set_text(reader, key, base, node->text);
    return true;
}

static json_t *schema_token(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[-A-Za-z0-9!#$%&'*+.^_`|~]{1,64}$");
}

const struct bsc_type bsc_type_token = { expect_token, read_token, write_text, schema_token };

static const char *expect_route_path(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a path that starts with '/', without '?', spaces, empty, '.' and '..' segments";
}

/* No segment that another part of the way might take away. */
static bool has_plain_segments(const char *path)
{
    for (const char *at = path; *at; at += strcspn(at, "/")) {
        size_t size = strcspn(++at, "/");
        bool dots = (size == 1 && at[0] == '.') || (size == 2 && !strncmp(at, "..", 2));
        if (dots || (!size && at[0]))
            return false;
    }
    return true;
}

static bool read_route_path(struct bsc_reader *reader, const struct bsc_key *key,
                            const struct bsc_node *node, void *base)
{
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return read_stored(reader, key, node, base);
    if (!is_target(node->text, "?") || !has_plain_segments(node->text))
        return false;
    size_t size = strlen(node->text); /* "/api/" and "/api" are one prefix */
    const char *path = bsc_arena_copy_bytes(
        reader->arena, node->text, size > 1 && node->text[size - 1] == '/' ? size - 1 : size);
    *(const char **)bsc_key_field(key, base) = path;
    return true;
}

const struct bsc_type bsc_type_route_path = { expect_route_path, read_route_path, write_text,
                                              schema_target };
