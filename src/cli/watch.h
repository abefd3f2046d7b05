/* SPDX-License-Identifier: Apache-2.0
 * cli/watch.h - follows a rollout to its end: display, time limit, signals, exit status.
 */
#ifndef BASCULE_CLI_WATCH_H
#define BASCULE_CLI_WATCH_H

#include "cli/run.h"

struct bsc_watch_spec {
    const char *service, *rollout; /* its id */
    bool taking_back;              /* cancelled and rolled-back is what the user wants */
    int64_t timeout_ms;            /* 0: none */
};

/* Returns the exit status. Does not return after SIGINT, SIGTERM or SIGHUP: the terminal is
 * restored, and the process dies of that signal as the shell expects. */
int bsc_watch(struct bsc_cli *cli, const struct bsc_watch_spec *spec);

#endif
