/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_auth.c - see docker_auth.h. */
#include "adapters/docker_auth.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static const char hub[] = "docker.io", hub_key[] = "https://index.docker.io/v1/";

void bsc_docker_registry(const char *image, struct bsc_text *out)
{
    const char *slash = strchr(image, '/');
    size_t size = slash ? (size_t)(slash - image) : 0;
    bool named = size && (memchr(image, '.', size) || memchr(image, ':', size) ||
                          !strncmp(image, "localhost/", 10));
    if (named)
        bsc_text_add(out, image, size);
    else
        bsc_text_puts(out, hub);
}

static json_t *load(void)
{
    const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    struct bsc_text path = { 0 };
    if (folder && *folder)
        bsc_text_printf(&path, "%s/config.json", folder);
    else if (home && *home)
        bsc_text_printf(&path, "%s/.docker/config.json", home);
    json_t *file = json_load_file(bsc_text_get(&path), 0, NULL);
    bsc_text_deinit(&path);
    return file;
}

/* Older clients wrote URLs. */
static bool same_registry(const char *key, const char *registry)
{
    if (!strcmp(registry, hub) && !strcmp(key, hub_key))
        return true;
    if (!strncmp(key, "https://", 8) || !strncmp(key, "http://", 7))
        key = strstr(key, "//") + 2;
    size_t size = strcspn(key, "/");
    return strlen(registry) == size && !strncmp(key, registry, size);
}

static json_t *entry_of(json_t *map, const char *registry)
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) if (same_registry(key, registry)) return value;
    return NULL;
}

/* "dXNlcjpwYXNz" is user:pass. */
static bool split(const char *encoded, char *user, size_t size, const char **password)
{
    size_t used = 0;
    if (!encoded || sodium_base642bin((unsigned char *)user, size - 1, encoded, strlen(encoded),
                                      "\r\n", &used, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    user[used] = '\0';
    char *colon = strchr(user, ':');
    if (!colon)
        return false;
    *colon = '\0';
    *password = colon + 1;
    return true;
}

static void encode(json_t *value, struct bsc_text *out)
{
    char *plain = json_dumps(value, JSON_COMPACT);
    size_t size = sodium_base64_encoded_len(strlen(plain), sodium_base64_VARIANT_URLSAFE);
    char *encoded = bsc_alloc(size);
    sodium_bin2base64(encoded, size, (const unsigned char *)plain, strlen(plain),
                      sodium_base64_VARIANT_URLSAFE);
    bsc_text_puts(out, encoded);
    sodium_memzero(plain, strlen(plain));
    free(plain);
    free(encoded);
}

bool bsc_docker_auth(const char *registry, struct bsc_text *out, struct bsc_text *note)
{
    char user[4096];
    const char *password;
    bool known = true;
    json_t *file = load();
    const json_t *entry = entry_of(json_object_get(file, "auths"), registry);
    const char *token = json_string_value(json_object_get(entry, "identitytoken"));
    const char *helper =
        json_string_value(entry_of(json_object_get(file, "credHelpers"), registry));
    if (!helper)
        helper = json_string_value(json_object_get(file, "credsStore"));
    json_t *value = NULL;
    if (token)
        value = json_pack("{s:s, s:s}", "identitytoken", token, "serveraddress", registry);
    else if (split(json_string_value(json_object_get(entry, "auth")), user, sizeof user, &password))
        value = json_pack("{s:s, s:s, s:s}", "username", user, "password", password,
                          "serveraddress", registry);
    if (value)
        encode(value, out);
    else if (helper)
        bsc_text_printf(note,
                        "Docker's configuration names the credential helper '%s' for %s, which "
                        "bascule does not ask: run `docker login %s` without it, or pull the "
                        "image beforehand",
                        helper, registry, registry);
    known = value != NULL;
    json_decref(value);
    json_decref(file);
    sodium_memzero(user, sizeof user);
    return known;
}
