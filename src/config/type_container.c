/* SPDX-License-Identifier: Apache-2.0
 * config/type_container.c - what only containers have (see types.h). */
#include <string.h>

#include "config/types.h"

const struct bsc_choice bsc_pulls[] = {
    { "missing", BSC_PULL_MISSING, false },
    { "if_not_present", BSC_PULL_MISSING, true },
    { "always", BSC_PULL_ALWAYS, false },
    { "never", BSC_PULL_NEVER, false },
    { NULL, 0, false },
};
const struct bsc_choice bsc_reaches[] = {
    { "bridge", BSC_NETWORK_BRIDGE, false },
    { "loopback", BSC_NETWORK_LOOPBACK, false },
    { "host", BSC_NETWORK_HOST, false },
    { NULL, 0, false },
};

static bool keep(struct bsc_reader *reader, const struct bsc_key *key, const struct bsc_node *node,
                 void *base)
{
    if (node->kind != BSC_NODE_TEXT)
        return false;
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, node->text);
    return true;
}

static json_t *write_text(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static const char *expect_image(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the name of an image, such as shop/web:${VERSION}";
}

static bool read_image(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/:@${}";
    if (reader->stored || node->kind != BSC_NODE_TEXT)
        return keep(reader, key, node, base);
    size_t size = strlen(node->text);
    if (!size || size > 255 || strspn(node->text, letters) != size || strchr("-/:@._", *node->text))
        return false;
    return !bsc_argument_check(reader, key, node, key->path) || keep(reader, key, node, base);
}

static json_t *schema_image(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[A-Za-z0-9$][A-Za-z0-9._/:@${}-]{0,254}$");
}

const struct bsc_type bsc_type_image = { expect_image, read_image, write_text, schema_image };

static const char *expect_inside(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "an absolute path in the container, such as /srv";
}

static bool read_inside(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    if (!reader->stored &&
        (node->kind != BSC_NODE_TEXT || *node->text != '/' || !bsc_text_is_clean(node->text)))
        return false;
    return keep(reader, key, node, base);
}

static json_t *schema_inside(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^/");
}

const struct bsc_type bsc_type_inside = { expect_inside, read_inside, write_text, schema_inside };

static const char *expect_signal(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the name of a signal, such as SIGQUIT";
}

static bool read_signal(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
    if (!reader->stored &&
        (node->kind != BSC_NODE_TEXT || strncmp(node->text, "SIG", 3) != 0 ||
         strlen(node->text) > 12 || !node->text[3] || node->text[strspn(node->text, letters)]))
        return false;
    return keep(reader, key, node, base);
}

static json_t *schema_signal(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^SIG[A-Z0-9+-]{1,9}$");
}

const struct bsc_type bsc_type_signal = { expect_signal, read_signal, write_text, schema_signal };

/* Hundredths, and nothing is said of none. */
static const char *expect_cpus(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a number of processors from 0.01 to 1024";
}

static bool read_cpus(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    return bsc_type_hundredths.read(reader, key, node, base);
}

static json_t *write_cpus(const struct bsc_key *key, const void *base)
{
    return *(const unsigned *)bsc_key_value(key, base) ? bsc_type_hundredths.write(key, base)
                                                       : NULL;
}

static json_t *schema_cpus(const struct bsc_key *key)
{
    return bsc_type_hundredths.schema(key);
}

const struct bsc_type bsc_type_cpus = { expect_cpus, read_cpus, write_cpus, schema_cpus };

/* Volumes: SOURCE:TARGET[:ro]. */

static const char volume_expected[] =
    "SOURCE:TARGET or SOURCE:TARGET:ro, such as ./media:/srv/media";

static const char *expect_volumes(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of SOURCE:TARGET, such as [\"./media:/srv/media\"]";
}

static const char *keep_volume(struct bsc_reader *reader, const struct bsc_key *key,
                               const struct bsc_node *item, const char *path)
{
    const char *text = item->text, *colon = strchr(text, ':');
    if (reader->stored)
        return bsc_arena_copy(reader->arena, text);
    const char *mode = colon ? strchr(colon + 1, ':') : NULL;
    if (!bsc_text_is_clean(text) || !colon || colon == text || colon[1] != '/' ||
        (mode && strcmp(mode, ":ro") != 0 && strcmp(mode, ":rw") != 0)) {
        bsc_reader_expected(reader, item, path, volume_expected);
        return NULL;
    }
    if (!bsc_argument_check(reader, key, item, path))
        return NULL;
    if (*text != '.')
        return bsc_arena_copy(reader->arena, text);
    const char *source = bsc_arena_copy_bytes(reader->scratch, text, (size_t)(colon - text));
    return bsc_arena_printf(reader->arena, "%s%s", bsc_path_resolve(reader, source), colon);
}

static bool read_volumes(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    return bsc_texts_read(reader, key, node, bsc_key_field(key, base), volume_expected,
                          keep_volume);
}

const struct bsc_type bsc_type_volumes = { expect_volumes, read_volumes, bsc_texts_write,
                                           bsc_texts_schema };
