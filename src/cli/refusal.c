/* SPDX-License-Identifier: Apache-2.0
 * cli/refusal.c - see refusal.h. */
#include "cli/refusal.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The socket itself, or the innermost folder above it that this user can look at. */
static bool find_guard(const char *socket, char *path, size_t size, struct stat *found)
{
    snprintf(path, size, "%s", socket);
    while (stat(path, found) == -1) {
        char *slash = strrchr(path, '/');
        if (errno != EACCES || !slash || slash == path)
            return false;
        *slash = '\0';
    }
    return true;
}

static void explain_denied(const char *socket, struct bsc_error *error)
{
    struct stat found;
    char path[PATH_MAX];
    const struct passwd *me = getpwuid(geteuid());
    const struct group *group = NULL;
    mode_t needed = 0;
    if (find_guard(socket, path, sizeof path, &found)) {
        group = getgrgid(found.st_gid);
        needed = S_ISDIR(found.st_mode) ? S_IXGRP : S_IWGRP;
    }
    bool joinable = group && group->gr_gid != 0 && needed && found.st_mode & needed;
    if (joinable)
        bsc_error_set(error, BSC_UNAVAILABLE,
                      "you may not talk to the daemon at %s: it is for root and the group %s.\n"
                      "Join the group (sudo usermod -aG %s %s) and log in again, or use sudo",
                      socket, group->gr_name, group->gr_name, me ? me->pw_name : "YOU");
    else
        bsc_error_set(error, BSC_UNAVAILABLE,
                      "you may not talk to the daemon at %s: it is for another account.\n"
                      "Use sudo, or the account that the daemon runs as",
                      socket);
}

enum bsc_status bsc_refusal_explain(const char *socket, int number, struct bsc_error *error)
{
    if (number == EACCES || number == EPERM)
        explain_denied(socket, error);
    else if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR)
        bsc_error_set(error, BSC_UNAVAILABLE,
                      "no daemon answers at %s.\n"
                      "Start it with `bascule serve` (or `systemctl start bascule`); when it runs "
                      "with another state directory, name that with --state or BASCULE_STATE",
                      socket);
    else
        bsc_error_set(error, BSC_UNAVAILABLE, "connect to the daemon at %s: %s", socket,
                      number ? strerror(number) : "failed");
    if (error)
        error->number = number;
    return BSC_UNAVAILABLE;
}
