/* SPDX-License-Identifier: Apache-2.0
 * core/slots.h - the two environments of a service and what may happen to them.
 *
 * Pure. One table of states and events; the deployer of libbascule and the release engine both move
 * their slots only through it, so "exactly one live" is decided in one place.
 */
#ifndef BASCULE_CORE_SLOTS_H
#define BASCULE_CORE_SLOTS_H

#include <stdbool.h>

#include "base/error.h"

enum bsc_slot { BSC_BLUE, BSC_GREEN, BSC_SLOT_COUNT };

enum bsc_slot_state {
    BSC_SLOT_NONE, /* marks an unset cell of the table */
    BSC_SLOT_IDLE,
    BSC_SLOT_DEPLOYING,
    BSC_SLOT_READY,
    BSC_SLOT_LIVE,
    BSC_SLOT_STANDBY, /* idle with its deployment still running: a rollback can go there */
    BSC_SLOT_FAILED,
    BSC_SLOT_STATE_COUNT
};

struct bsc_slots {
    enum bsc_slot live;
    enum bsc_slot_state state[BSC_SLOT_COUNT];
    bool checked[BSC_SLOT_COUNT]; /* its deployment passed a health check and none failed since */
};

/* What happens to the slot that is not live. */
enum bsc_slot_event {
    BSC_SLOT_DEPLOY,   /* a deployment begins there */
    BSC_SLOT_DEPLOYED, /* its instances run */
    BSC_SLOT_CHECK_PASSED,
    BSC_SLOT_CHECK_FAILED, /* or anything else that makes the deployment unusable */
    BSC_SLOT_SWITCH,       /* traffic goes there: it becomes live, the live one standby */
    BSC_SLOT_ROLLBACK,     /* the same towards a standby */
    BSC_SLOT_EMPTY,        /* its deployment is gone */
    BSC_SLOT_EVENT_COUNT
};

/* What was there before bascule: blue live, green idle. */
void bsc_slots_init(struct bsc_slots *slots);

enum bsc_slot bsc_slots_staging(const struct bsc_slots *slots);

/* Does the event, or changes nothing and says why not: BSC_BUSY while the staging slot is
 * deploying (names it), BSC_NO_ROLLBACK, BSC_STATE. */
enum bsc_status bsc_slots_apply(struct bsc_slots *slots, enum bsc_slot_event event,
                                struct bsc_error *error);
/* Would it be done? */
enum bsc_status bsc_slots_can(const struct bsc_slots *slots, enum bsc_slot_event event,
                              struct bsc_error *error);

const char *bsc_slot_name(enum bsc_slot slot); /* "blue", "green" */
const char *bsc_slot_state_name(enum bsc_slot_state state);
bool bsc_slot_parse(const char *name, enum bsc_slot *out);
bool bsc_slot_state_parse(const char *name, enum bsc_slot_state *out);
static inline enum bsc_slot bsc_slot_other(enum bsc_slot slot)
{
    return slot == BSC_BLUE ? BSC_GREEN : BSC_BLUE;
}

#endif
