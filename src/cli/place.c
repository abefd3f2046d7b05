/* SPDX-License-Identifier: Apache-2.0
 * cli/place.c - see place.h. */
#include "cli/place.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_STATE "/var/lib/bascule"
#define SYSTEM_RUN "/run/bascule"
#define SYSTEM_SOCKET SYSTEM_RUN "/api.sock"

static const char *setting(const struct bsc_call *call, enum bsc_option option)
{
    if (call->text[option])
        return call->text[option];
    const char *value = getenv(bsc_options[option].variable);
    return value && *value ? value : NULL;
}

static bool exists(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0;
}

static const char *own_state(struct bsc_arena *arena)
{
    const char *base = getenv("XDG_STATE_HOME");
    if (base && base[0] == '/')
        return bsc_arena_printf(arena, "%s/bascule", base);
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return bsc_arena_printf(arena, "%s/.local/state/bascule", home);
    return SYSTEM_STATE;
}

void bsc_place_init(struct bsc_place *place, const struct bsc_call *call, uid_t user)
{
    *place = (struct bsc_place){ 0 };
    bsc_arena_init(&place->arena);
    place->config = setting(call, BSC_OPTION_CONFIG);
    place->config_given = call->given[BSC_OPTION_CONFIG];
    if (!place->config)
        place->config = "bascule.yaml";

    place->state = setting(call, BSC_OPTION_STATE);
    bool chosen = place->state != NULL;
    if (!chosen)
        place->state = user == 0 ? SYSTEM_STATE : own_state(&place->arena);
    char *path = bsc_arena_copy(&place->arena, place->state);
    for (size_t size = strlen(path); size > 1 && path[size - 1] == '/'; size--)
        path[size - 1] = '\0';
    place->state = path;

    if (!strcmp(path, SYSTEM_STATE))
        place->socket = SYSTEM_SOCKET;
    else
        place->socket = bsc_arena_printf(&place->arena, "%s/api.sock", path);
    if (!chosen && !exists(place->socket) && exists(SYSTEM_RUN))
        place->socket = SYSTEM_SOCKET;
}

void bsc_place_deinit(struct bsc_place *place)
{
    bsc_arena_deinit(&place->arena);
}

const char *bsc_place_self(struct bsc_place *place)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    return size > 0 ? bsc_arena_copy_bytes(&place->arena, path, (size_t)size) : NULL;
}

const char *bsc_place_programs(struct bsc_place *place)
{
    const char *folder = getenv("BASCULE_LIBEXEC");
    if (folder && *folder)
        return folder;
    const char *self = bsc_place_self(place);
    if (self) {
        folder = bsc_arena_printf(&place->arena, "%.*s", (int)(strrchr(self, '/') - self), self);
        if (exists(bsc_arena_printf(&place->arena, "%s/bascule-supervisor", folder)))
            return folder;
    }
    return BSC_LIBEXECDIR;
}

const char *bsc_place_absolute(struct bsc_place *place, const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/' || !getcwd(here, sizeof here))
        return path;
    return bsc_arena_printf(&place->arena, "%s/%s", here, path);
}
