/* SPDX-License-Identifier: Apache-2.0
 * main.c - `bascule`: the command line, and the controller that the supervisor starts with it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/cli.h"
#include "cli/place.h"
#include "controller.h"

enum { EXIT_USAGE = 2 };

/* `bascule controller --state DIR --config FILE --channel FD`: not for people. */
static int run_controller(int argc, char **argv)
{
    struct bsc_call call = { 0 };
    struct bsc_controller_options options = { .channel = -1 };
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--state"))
            call.text[BSC_OPTION_STATE] = argv[i + 1];
        else if (!strcmp(argv[i], "--config"))
            call.text[BSC_OPTION_CONFIG] = argv[i + 1];
        else if (!strcmp(argv[i], "--channel"))
            options.channel = atoi(argv[i + 1]);
    }
    if (!call.text[BSC_OPTION_STATE] || !call.text[BSC_OPTION_CONFIG] || options.channel < 3) {
        fprintf(stderr, "bascule controller is started by bascule serve\n");
        return EXIT_USAGE;
    }
    struct bsc_place place;
    bsc_place_init(&place, &call, getuid());
    options.state = place.state;
    options.config = place.config;
    options.socket = place.socket;
    options.shim = bsc_arena_printf(&place.arena, "%s/bascule-shim", bsc_place_programs(&place));
    options.program = bsc_arena_printf(&place.arena, "%s/bascule", bsc_place_programs(&place));
    int status = bsc_controller_run(&options);
    bsc_place_deinit(&place);
    return status;
}

int main(int argc, char **argv)
{
    static const struct bsc_cli_hooks hooks = { .controller = run_controller };
    /* jansson leaves out what it finds no memory for: a specification could be stored in part. */
    json_set_alloc_funcs(bsc_alloc, free);
    return bsc_cli_main(argc, argv, &hooks);
}
