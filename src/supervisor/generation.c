/* SPDX-License-Identifier: Apache-2.0
 * supervisor/generation.c - see generation.h. */
#include "supervisor/generation.h"

#include <assert.h>

#define STATE(name) [BSC_GENERATION_##name]
#define ON(name) [BSC_GENERATION_ON_##name]
#define TO(name, effect)                                  \
    {                                                     \
        BSC_GENERATION_##name, BSC_GENERATION_DO_##effect \
    }

static const struct bsc_generation_step
    table[BSC_GENERATION_STATE_COUNT][BSC_GENERATION_EVENT_COUNT] = {
        STATE(STARTING) = { ON(READY) = TO(READY, ELECT),
                            ON(SUPERSEDED) = TO(RETIRING, KILL), /* it has no request to finish */
                            ON(RETIRED) = TO(RETIRING, TELL),    /* found so by a takeover */
                            ON(HUNG) = TO(RETIRING, KILL), ON(EXITED) = TO(GONE, FORGET) },
        STATE(READY) = { ON(ELECTED) = TO(CURRENT, SERVE), ON(SUPERSEDED) = TO(RETIRING, RETIRE),
                         ON(RETIRED) = TO(RETIRING, TELL), ON(HUNG) = TO(RETIRING, KILL),
                         ON(EXITED) = TO(GONE, FORGET) },
        STATE(CURRENT) = { ON(SUPERSEDED) = TO(RETIRING, RETIRE), ON(RETIRED) = TO(RETIRING, TELL),
                           ON(HUNG) = TO(RETIRING, KILL), ON(EXITED) = TO(GONE, FORGET) },
        STATE(RETIRING) = { ON(RETIRED) = TO(RETIRING, TELL), ON(HUNG) = TO(RETIRING, KILL),
                            ON(EXITED) = TO(GONE, FORGET) },
    };

struct bsc_generation_step bsc_generation_decide(enum bsc_generation_state state,
                                                 enum bsc_generation_event event)
{
    assert(state > BSC_GENERATION_NONE && state < BSC_GENERATION_STATE_COUNT);
    assert((unsigned)event < BSC_GENERATION_EVENT_COUNT);
    struct bsc_generation_step step = table[state][event];
    if (step.next == BSC_GENERATION_NONE)
        return (struct bsc_generation_step){ state, BSC_GENERATION_DO_NOTHING };
    return step;
}

const char *bsc_generation_state_name(enum bsc_generation_state state)
{
    static const char *const names[BSC_GENERATION_STATE_COUNT] = {
        STATE(NONE) = "none",       STATE(STARTING) = "starting", STATE(READY) = "ready",
        STATE(CURRENT) = "current", STATE(RETIRING) = "retiring", STATE(GONE) = "gone",
    };
    assert((unsigned)state < BSC_GENERATION_STATE_COUNT);
    return names[state];
}
