/* SPDX-License-Identifier: Apache-2.0
 * controller.h - the process that decides, as main.c starts it.
 */
#ifndef BASCULE_CONTROLLER_H
#define BASCULE_CONTROLLER_H

struct bsc_controller_options {
    const char *state;   /* state directory, absolute */
    const char *config;  /* configuration file, absolute */
    const char *socket;  /* the API's */
    const char *shim;    /* path of bascule-shim */
    const char *program; /* path of bascule */
    int channel;         /* to the supervisor */
};

/* Runs until the supervisor is gone; returns an exit status: 2 when nothing can be served because
 * of the configuration or the state directory (said on standard error). */
int bsc_controller_run(const struct bsc_controller_options *options);

#endif
