/* SPDX-License-Identifier: Apache-2.0
 * supervisor/generation.h - the life of a proxy generation, as a table. Pure.
 */
#ifndef BASCULE_SUPERVISOR_GENERATION_H
#define BASCULE_SUPERVISOR_GENERATION_H

enum bsc_generation_state {
    BSC_GENERATION_NONE,     /* the table's unset cells; no generation is ever in it */
    BSC_GENERATION_STARTING, /* has no routes yet, accepts nothing */
    BSC_GENERATION_READY,    /* accepts; not yet chosen */
    BSC_GENERATION_CURRENT,  /* the one that serves */
    BSC_GENERATION_RETIRING, /* finishes what it has, or was killed and has not exited yet */
    BSC_GENERATION_GONE,
    BSC_GENERATION_STATE_COUNT
};

enum bsc_generation_event {
    BSC_GENERATION_ON_READY,      /* it says so */
    BSC_GENERATION_ON_ELECTED,    /* it is the newest that is ready */
    BSC_GENERATION_ON_SUPERSEDED, /* a newer one serves, or nothing is to be served any more */
    BSC_GENERATION_ON_RETIRED,    /* it says that it accepts nothing any more */
    BSC_GENERATION_ON_HUNG,       /* no answer, or not gone, in time */
    BSC_GENERATION_ON_EXITED,
    BSC_GENERATION_EVENT_COUNT
};

enum bsc_generation_effect {
    BSC_GENERATION_DO_NOTHING,
    BSC_GENERATION_DO_ELECT,  /* choose the one that serves, now that there is one more */
    BSC_GENERATION_DO_SERVE,  /* it serves: supersede the others, answer who asked for it */
    BSC_GENERATION_DO_RETIRE, /* tell it to */
    BSC_GENERATION_DO_TELL,   /* tell the controller that it retires */
    BSC_GENERATION_DO_KILL,
    BSC_GENERATION_DO_FORGET, /* tell of its end and release what belongs to it */
};

struct bsc_generation_step {
    enum bsc_generation_state next;
    enum bsc_generation_effect effect;
};

/* What happens in `state` on `event`. An event without meaning there changes nothing. */
struct bsc_generation_step bsc_generation_decide(enum bsc_generation_state state,
                                                 enum bsc_generation_event event);

const char *bsc_generation_state_name(enum bsc_generation_state state);

#endif
