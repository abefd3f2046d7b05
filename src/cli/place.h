/* SPDX-License-Identifier: Apache-2.0
 * cli/place.h - where the daemon's files are, for this user and this command line.
 */
#ifndef BASCULE_CLI_PLACE_H
#define BASCULE_CLI_PLACE_H

#include <sys/types.h>

#include "base/arena.h"
#include "cli/parse.h"

struct bsc_place {
    const char *state;  /* the state directory */
    const char *socket; /* the API's */
    const char *config;
    bool config_given; /* on the command line, not by environment or default */
    struct bsc_arena arena;
};

/* Options first, then BASCULE_STATE and BASCULE_CONFIG, then the defaults: /var/lib/bascule with
 * /run/bascule/api.sock for root, else $XDG_STATE_HOME/bascule or ~/.local/state/bascule. A user
 * without a daemon of their own talks to the machine's. */
void bsc_place_init(struct bsc_place *place, const struct bsc_call *call, uid_t user);
void bsc_place_deinit(struct bsc_place *place);

/* The folder with the other programs of bascule: $BASCULE_LIBEXEC, or this binary's own (a build
 * folder), or where they are installed. */
const char *bsc_place_programs(struct bsc_place *place);

/* The path of this very binary. */
const char *bsc_place_self(struct bsc_place *place);

/* `path` seen from the root. */
const char *bsc_place_absolute(struct bsc_place *place, const char *path);

#endif
