/* SPDX-License-Identifier: Apache-2.0
 * For tests of the engine: the simulator's world with nothing left to chance, and what they ask of
 * it. The including file says how many TURNS something may take. */
#ifndef BASCULE_TESTS_STAGE_H
#define BASCULE_TESTS_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static struct sim *sim;

/* Begins, with the specification of s0, which has no hooks here; s1 has all of them. */
static inline struct bsc_spec *stage_open(void)
{
    sim = sim_open(1, &(struct sim_fate){ .script = SIM_DRIVEN }, false);
    struct bsc_spec *spec = sim_spec(sim, 0);
    spec->deploy.pre_deploy = spec->deploy.post_promote = (struct bsc_hook_spec){ 0 };
    return spec;
}

/* Until the configuration is applied. */
static inline void stage_begin(void)
{
    while (!bsc_engine_services(sim->engine) || !sim_engine_free(sim))
        sim_turn(sim);
}

static inline int tear_down(void **unused)
{
    (void)unused;
    if (sim->failure[0])
        print_error("%s\n", sim->failure);
    bool ok = !sim->failure[0];
    sim_close(sim);
    return ok ? 0 : -1;
}

static inline const struct bsc_service *service(const char *name)
{
    const struct bsc_service *found = bsc_engine_service(sim->engine, name);
    assert_non_null(found);
    return found;
}

static inline enum bsc_status ask(enum bsc_event_kind kind, const char *name, const char *version)
{
    return sim_ask(sim, (struct bsc_event){ .kind = kind, .service = name, .version = version });
}

static inline void pass_ms(int64_t ms)
{
    for (int64_t until_ms = sim->now_ms + ms; sim->now_ms < until_ms;)
        sim_turn(sim);
}

/* Until the rollout of `name` and its tail are over. */
static inline enum bsc_rollout_status finish(const char *name)
{
    for (unsigned i = 0; i < TURNS && bsc_service_busy(service(name)); i++)
        sim_turn(sim);
    assert_false(bsc_service_busy(service(name)));
    return service(name)->rollout->row.walk.status;
}

static inline void until_step(const char *name, enum bsc_step_kind kind)
{
    for (unsigned i = 0; i < TURNS; i++) {
        const struct bsc_rollout_row *row = &service(name)->rollout->row;
        if (row->walk.cursor < row->plan.count && row->plan.steps[row->walk.cursor].kind == kind)
            return;
        sim_turn(sim);
    }
    fail_msg("the rollout of %s never comes to the step %s", name, bsc_step_kind_name(kind));
}

static inline const char *live_version(const char *name)
{
    const struct bsc_service *of = service(name);
    const struct bsc_release *release =
        bsc_service_release(of, of->row.release[of->row.slots.live]);
    return release ? release->row.spec->version : "none";
}

static inline void deploy(const char *name, const char *version)
{
    assert_int_equal(ask(BSC_EVENT_DEPLOY, name, version), BSC_OK);
    assert_int_equal(finish(name), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version(name), version);
}

#endif
