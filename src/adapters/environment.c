/* SPDX-License-Identifier: Apache-2.0
 * adapters/environment.c - see environment.h; files are read in env_file.c. */
#include "adapters/environment.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bsc_environment_deinit(struct bsc_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->items[i]);
    free(environment->items);
    *environment = (struct bsc_environment){ 0 };
}

static void take(struct bsc_environment *environment, char *item)
{
    size_t name_size = strcspn(item, "=") + 1;
    for (size_t i = 0; i < environment->count; i++)
        if (!strncmp(environment->items[i], item, name_size)) {
            free(environment->items[i]);
            environment->items[i] = item;
            return;
        }
    environment->items = bsc_grow(environment->items, &environment->capacity,
                                  environment->count + 2, sizeof *environment->items);
    environment->items[environment->count++] = item;
    environment->items[environment->count] = NULL;
}

void bsc_environment_put(struct bsc_environment *environment, const char *item)
{
    if (strchr(item, '='))
        take(environment, bsc_copy(item));
}

void bsc_environment_set(struct bsc_environment *environment, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *item = bsc_alloc(size);
    snprintf(item, size, "%s=%s", name, value);
    take(environment, item);
}

static enum bsc_status put_user(struct bsc_environment *environment, const char *user,
                                struct bsc_error *error)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(user, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return bsc_error_set(error, BSC_INVALID, "user '%s' does not exist", user);
    bsc_environment_set(environment, "HOME", entry.pw_dir);
    bsc_environment_set(environment, "USER", entry.pw_name);
    bsc_environment_set(environment, "LOGNAME", entry.pw_name);
    return BSC_OK;
}

enum bsc_status bsc_environment_put_base(struct bsc_environment *environment, const char *user,
                                         struct bsc_error *error)
{
    static const char *const names[] = { "PATH", "HOME", "LANG",    "LC_ALL",
                                         "TZ",   "USER", "LOGNAME", "TMPDIR" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value)
            bsc_environment_set(environment, names[i], value);
    }
    if (!getenv("PATH"))
        bsc_environment_set(environment, "PATH",
                            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    return user ? put_user(environment, user, error) : BSC_OK;
}
