/* SPDX-License-Identifier: Apache-2.0
 * config/type_tls.c - files in PEM form, and the pairs of them that make a certificate (see
 * types.h). Their contents are looked at when the configuration is applied. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/types.h"
#include "core/configuration.h"

static const char *expect_file(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a file in PEM form";
}

static bool read_file(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    struct stat found;
    if (node->kind != BSC_NODE_TEXT || !bsc_text_is_clean(node->text))
        return false;
    const char *path = bsc_path_resolve(reader, node->text);
    if (!reader->stored && stat(path, &found) == -1)
        bsc_reader_problem(reader, node->line, key->path, "file %s: %s", path, strerror(errno));
    else if (!reader->stored && !S_ISREG(found.st_mode))
        bsc_reader_problem(reader, node->line, key->path, "%s is not a file", path);
    *(const char **)bsc_key_field(key, base) = path;
    return true;
}

static json_t *write_file(const struct bsc_key *key, const void *base)
{
    const char *path = *(const char *const *)bsc_key_value(key, base);
    return path ? json_string(path) : NULL;
}

static json_t *schema_file(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text(NULL);
}

const struct bsc_type bsc_type_file = { expect_file, read_file, write_file, schema_file };

static const char *expect_certificates(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map with certificate and key, or a list of such maps";
}

static void read_pair(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                      struct bsc_certificate_files *out)
{
    const char *prefix = bsc_reader_enter(reader, path);
    unsigned lines[BSC_KEYS_MAX] = { 0 };
    bsc_table_read(reader, &bsc_certificate_keys, node, out, lines);
    for (unsigned i = 0; node->kind == BSC_NODE_MAP && i < bsc_certificate_keys.count; i++)
        if (!lines[i])
            bsc_reader_problem(reader, node->line, bsc_certificate_keys.keys[i].path,
                               "is missing: %s", expect_file(NULL, NULL));
    reader->prefix = prefix;
}

static bool read_certificates(struct bsc_reader *reader, const struct bsc_key *key,
                              const struct bsc_node *node, void *base)
{
    struct bsc_tls_spec *tls = &((struct bsc_config *)base)->tls;
    bool list = node->kind == BSC_NODE_LIST;
    if (!list && node->kind != BSC_NODE_MAP)
        return false;
    unsigned count = list ? node->count : 1;
    if (!count || count > BSC_ITEMS_MAX) {
        bsc_reader_problem(reader, node->line, key->path,
                           "has %u certificates; from 1 to %d are accepted", count, BSC_ITEMS_MAX);
        return true;
    }
    struct bsc_certificate_files *files = bsc_arena_alloc(reader->arena, count * sizeof *files);
    const struct bsc_node *item = list ? node->first : node;
    for (unsigned i = 0; i < count; i++, item = item->next)
        read_pair(reader, item,
                  list ? bsc_arena_printf(reader->scratch, "%s[%u]", key->path, i) : key->path,
                  &files[i]);
    tls->certificate_count = count;
    tls->certificates = files;
    return true;
}

static json_t *write_certificates(const struct bsc_key *key, const void *base)
{
    const struct bsc_tls_spec *tls = &((const struct bsc_config *)base)->tls;
    (void)key;
    return bsc_table_write_list(&bsc_certificate_keys, tls->certificates, tls->certificate_count,
                                sizeof *tls->certificates);
}

static json_t *schema_certificates(const struct bsc_key *key)
{
    (void)key;
    json_t *one = bsc_schema_table(&bsc_certificate_keys);
    json_object_set_new(one, "required", json_pack("[s, s]", "certificate", "key"));
    json_t *list = bsc_schema_list(json_incref(one));
    return bsc_schema_either(one, list);
}

const struct bsc_type bsc_type_certificates = { expect_certificates, read_certificates,
                                                write_certificates, schema_certificates };
