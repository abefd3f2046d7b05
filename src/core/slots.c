/* SPDX-License-Identifier: Apache-2.0
 * core/slots.c - see slots.h. */
#include "core/slots.h"

#include <assert.h>
#include <string.h>

static const char *const slot_names[BSC_SLOT_COUNT] = { "blue", "green" };

static const char *const state_names[BSC_SLOT_STATE_COUNT] = {
    [BSC_SLOT_NONE] = "none",     [BSC_SLOT_IDLE] = "idle", [BSC_SLOT_DEPLOYING] = "deploying",
    [BSC_SLOT_READY] = "ready",   [BSC_SLOT_LIVE] = "live", [BSC_SLOT_STANDBY] = "standby",
    [BSC_SLOT_FAILED] = "failed",
};

/* What an event makes of the slot that is not live: the next state, or why it may not be.
 * BSC_SLOT_LIVE as the next state means that the two slots change places. */
struct cell {
    enum bsc_slot_state next;
    enum bsc_status refusal;
};

#define NEXT(state)              \
    {                            \
        .next = BSC_SLOT_##state \
    }
#define REFUSE(status)          \
    {                           \
        .refusal = BSC_##status \
    }

static const struct cell table[BSC_SLOT_STATE_COUNT][BSC_SLOT_EVENT_COUNT] = {
    [BSC_SLOT_IDLE] = {
        [BSC_SLOT_DEPLOY] = NEXT(DEPLOYING),
        [BSC_SLOT_DEPLOYED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_PASSED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_FAILED] = REFUSE(STATE),
        [BSC_SLOT_SWITCH] = REFUSE(STATE),
        [BSC_SLOT_ROLLBACK] = REFUSE(NO_ROLLBACK),
        [BSC_SLOT_EMPTY] = NEXT(IDLE),
    },
    [BSC_SLOT_DEPLOYING] = {
        [BSC_SLOT_DEPLOY] = REFUSE(BUSY),
        [BSC_SLOT_DEPLOYED] = NEXT(READY),
        [BSC_SLOT_CHECK_PASSED] = REFUSE(BUSY),
        [BSC_SLOT_CHECK_FAILED] = NEXT(FAILED),
        [BSC_SLOT_SWITCH] = REFUSE(BUSY),
        [BSC_SLOT_ROLLBACK] = REFUSE(BUSY),
        [BSC_SLOT_EMPTY] = REFUSE(BUSY),
    },
    [BSC_SLOT_READY] = {
        [BSC_SLOT_DEPLOY] = NEXT(DEPLOYING),
        [BSC_SLOT_DEPLOYED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_PASSED] = NEXT(READY),
        [BSC_SLOT_CHECK_FAILED] = NEXT(FAILED),
        [BSC_SLOT_SWITCH] = NEXT(LIVE),
        [BSC_SLOT_ROLLBACK] = REFUSE(NO_ROLLBACK),
        [BSC_SLOT_EMPTY] = NEXT(IDLE),
    },
    [BSC_SLOT_STANDBY] = {
        [BSC_SLOT_DEPLOY] = NEXT(DEPLOYING),
        [BSC_SLOT_DEPLOYED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_PASSED] = NEXT(STANDBY),
        [BSC_SLOT_CHECK_FAILED] = NEXT(FAILED),
        [BSC_SLOT_SWITCH] = REFUSE(STATE),
        [BSC_SLOT_ROLLBACK] = NEXT(LIVE),
        [BSC_SLOT_EMPTY] = NEXT(IDLE),
    },
    [BSC_SLOT_FAILED] = {
        [BSC_SLOT_DEPLOY] = NEXT(DEPLOYING),
        [BSC_SLOT_DEPLOYED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_PASSED] = REFUSE(STATE),
        [BSC_SLOT_CHECK_FAILED] = NEXT(FAILED),
        [BSC_SLOT_SWITCH] = REFUSE(STATE),
        [BSC_SLOT_ROLLBACK] = REFUSE(NO_ROLLBACK),
        [BSC_SLOT_EMPTY] = NEXT(IDLE),
    },
};

void bsc_slots_init(struct bsc_slots *slots)
{
    *slots = (struct bsc_slots){
        .live = BSC_BLUE,
        .state = { [BSC_BLUE] = BSC_SLOT_LIVE, [BSC_GREEN] = BSC_SLOT_IDLE },
        .checked = { [BSC_BLUE] = true }, /* it was serving before we came */
    };
}

enum bsc_slot bsc_slots_staging(const struct bsc_slots *slots)
{
    return bsc_slot_other(slots->live);
}

static enum bsc_status refuse(const struct bsc_slots *slots, enum bsc_slot_event event,
                              enum bsc_status status, struct bsc_error *error)
{
    static const char *const wishes[BSC_SLOT_EVENT_COUNT] = {
        [BSC_SLOT_DEPLOY] = "deployed to",   [BSC_SLOT_DEPLOYED] = "finished deploying",
        [BSC_SLOT_CHECK_PASSED] = "checked", [BSC_SLOT_CHECK_FAILED] = "checked",
        [BSC_SLOT_SWITCH] = "switched to",   [BSC_SLOT_ROLLBACK] = "rolled back to",
        [BSC_SLOT_EMPTY] = "cleaned up",
    };
    enum bsc_slot staging = bsc_slots_staging(slots);
    if (status == BSC_BUSY)
        return bsc_error_set(error, status, "%s is deploying", slot_names[staging]);
    return bsc_error_set(error, status, "%s is %s and can't be %s", slot_names[staging],
                         state_names[slots->state[staging]], wishes[event]);
}

enum bsc_status bsc_slots_can(const struct bsc_slots *slots, enum bsc_slot_event event,
                              struct bsc_error *error)
{
    enum bsc_slot staging = bsc_slots_staging(slots);
    const struct cell *cell = &table[slots->state[staging]][event];
    assert(cell->next != BSC_SLOT_NONE || cell->refusal != BSC_OK);
    if (cell->next == BSC_SLOT_NONE)
        return refuse(slots, event, cell->refusal, error);
    if (event == BSC_SLOT_SWITCH && !slots->checked[staging])
        return bsc_error_set(error, BSC_STATE, "%s has not passed a health check",
                             slot_names[staging]);
    return BSC_OK;
}

enum bsc_status bsc_slots_apply(struct bsc_slots *slots, enum bsc_slot_event event,
                                struct bsc_error *error)
{
    enum bsc_status status = bsc_slots_can(slots, event, error);
    if (status != BSC_OK)
        return status;
    enum bsc_slot staging = bsc_slots_staging(slots);
    enum bsc_slot_state next = table[slots->state[staging]][event].next;
    slots->state[staging] = next;
    if (next == BSC_SLOT_LIVE) {
        slots->state[slots->live] = BSC_SLOT_STANDBY;
        slots->live = staging;
    } else if (event == BSC_SLOT_CHECK_PASSED) {
        slots->checked[staging] = true;
    } else {
        slots->checked[staging] = false;
    }
    return BSC_OK;
}

const char *bsc_slot_name(enum bsc_slot slot)
{
    return slot_names[slot];
}

const char *bsc_slot_state_name(enum bsc_slot_state state)
{
    return state_names[state];
}

bool bsc_slot_parse(const char *name, enum bsc_slot *out)
{
    for (unsigned i = 0; i < BSC_SLOT_COUNT; i++)
        if (!strcmp(name, slot_names[i])) {
            *out = (enum bsc_slot)i;
            return true;
        }
    return false;
}

bool bsc_slot_state_parse(const char *name, enum bsc_slot_state *out)
{
    for (unsigned i = BSC_SLOT_IDLE; i < BSC_SLOT_STATE_COUNT; i++)
        if (!strcmp(name, state_names[i])) {
            *out = (enum bsc_slot_state)i;
            return true;
        }
    return false;
}
