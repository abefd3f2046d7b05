/* SPDX-License-Identifier: Apache-2.0
 * adapters/environment.h - the environment of an instance: put together from several sources, in
 * which the later one wins.
 */
#ifndef BASCULE_ADAPTERS_ENVIRONMENT_H
#define BASCULE_ADAPTERS_ENVIRONMENT_H

#include "core/spec.h"

/* A zeroed one is empty. */
struct bsc_environment {
    char **items; /* "NAME=VALUE"; a NULL follows the last once there is one */
    size_t count, capacity;
};

void bsc_environment_deinit(struct bsc_environment *environment);

/* Puts `item`, "NAME=VALUE", in the place of an earlier one of the same name. An item without '='
 * is ignored. */
void bsc_environment_put(struct bsc_environment *environment, const char *item);
void bsc_environment_set(struct bsc_environment *environment, const char *name, const char *value);

/* What an instance may know of the daemon's own: PATH, HOME, LANG, LC_ALL, TZ, USER, LOGNAME and
 * TMPDIR. With a `user`, HOME, USER and LOGNAME are that user's: BSC_INVALID when there is no such
 * user. */
enum bsc_status bsc_environment_put_base(struct bsc_environment *environment, const char *user,
                                         struct bsc_error *error) BSC_MUST_CHECK;

/* Puts what a file says, by Compose's rules: NAME=VALUE a line, perhaps after "export "; blank
 * lines and lines that begin with '#' mean nothing; a bare value ends at " #" and loses the blanks
 * around it; a value in single quotes stands as it is; in double quotes \n \r \t \" \\ and \$ are
 * understood; both may span lines. '$' has no meaning. At most 1 MiB. Errors name file and line. */
enum bsc_status bsc_environment_put_file(struct bsc_environment *environment, const char *path,
                                         struct bsc_error *error) BSC_MUST_CHECK;
/* The same from memory; `path` is only named in errors. */
enum bsc_status bsc_environment_put_text(struct bsc_environment *environment, const char *path,
                                         const char *text, size_t size,
                                         struct bsc_error *error) BSC_MUST_CHECK;

#endif
