/* SPDX-License-Identifier: Apache-2.0
 * world.h - a world for deployers under test: its health, its switcher and its clock are told what
 * to do, and it counts what it was asked for.
 */
#ifndef BASCULE_TESTS_LIB_WORLD_H
#define BASCULE_TESTS_LIB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bascule/deployer.h"

struct world {
    struct bascule_deployer *deployer;
    _Atomic int64_t now_ms;

    bool start_fails, switch_fails, switch_back_fails;
    unsigned checks_failing; /* of 4; the others pass */
    unsigned ill_rounds;     /* so many rounds of checks fail before `checks_failing` counts */
    int64_t start_takes_ms, check_takes_ms, switch_takes_ms;
    /* Called in the middle of a port, once each. */
    void (*on_start)(struct world *world);
    void (*on_check)(struct world *world);
    void (*on_switch)(struct world *world);

    unsigned starts, stops, rounds, switches;
    unsigned wrong;                   /* states that a port found and that may not be */
    enum bascule_environment traffic; /* where the switcher sent it last */
    struct bascule_deployment started;
    int64_t check_limit_ms, switch_limit_ms; /* what the ports were given last */
    enum bascule_environment stopped;
};

/* The deployer with `options` (NULL: the defaults) over an untouched world, which it fills. */
struct bascule_deployer *world_open(struct world *world,
                                    const struct bascule_deployer_options *options);
void world_close(struct world *world);
struct bascule_deployer_ports world_ports(struct world *world);

enum bascule_result world_deploy(struct world *world, const char *version);
enum bascule_result world_release(struct world *world, const char *version); /* and switch */
enum bascule_environment_state world_state(const struct world *world,
                                           enum bascule_environment environment);
size_t world_history(const struct world *world, struct bascule_record *out, size_t size);
size_t world_live_records(const struct world *world);

/* Exactly one environment is live, traffic goes there, and no two records are live. */
void world_assert_one_live(const struct world *world, enum bascule_environment live);
/* Runs `act` and asserts that it changed nothing that can be seen. */
void world_assert_unchanged(struct world *world, void (*act)(struct world *world));

#endif
