/* SPDX-License-Identifier: Apache-2.0
 * core/plan_rolling.c - instances are replaced in batches, within a fixed capacity.
 *
 * (start +b, check, split in proportion, drain b of the old, stop them)x, commit. Never fewer than
 * `capacity` instances, never more than `limit`. The way back is the same in the other direction:
 * those that were stopped are started again and checked before their share of the traffic comes
 * back, and only then as many of the new ones go.
 */
#include "core/plan_build.h"

struct rolling {
    unsigned total; /* of the new version in the end */
    unsigned batch, limit, capacity;
    unsigned new, old, weight_bp;
};

enum { BATCH_STEPS = 6 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned over(unsigned a, unsigned b)
{
    return a > b ? a - b : 0;
}

/* So many of each version run as its share of the traffic says. */
static void share(struct bsc_draft *draft, struct rolling *rolling, unsigned old)
{
    unsigned all = rolling->new + old;
    unsigned weight_bp =
        rolling->new ? (unsigned)((uint64_t)BSC_WEIGHT_FULL_BP * rolling->new / all) : 0;
    if (weight_bp == rolling->weight_bp)
        return;
    rolling->weight_bp = weight_bp;
    bsc_draft_split(draft, weight_bp, BSC_UNDO_SHARE);
    bsc_draft_bake(draft);
}

/* False: nothing can be started and nothing stopped. */
static bool add_batch(struct bsc_draft *draft, struct rolling *rolling)
{
    enum bsc_slot slot = bsc_slot_other(draft->candidate);
    const struct bsc_spec *live = draft->ask->live;
    unsigned room = over(rolling->limit, rolling->new + rolling->old);
    unsigned up = least(least(rolling->batch, over(rolling->total, rolling->new)), room);
    if (up) {
        bsc_draft_start(draft, up, BSC_UNDO_STOP);
        bsc_draft_check(draft);
        rolling->new += up;
    }
    unsigned spare = over(rolling->new + rolling->old, rolling->capacity);
    unsigned down = least(least(rolling->batch, rolling->old), spare);
    share(draft, rolling, rolling->old - down);
    if (down) {
        struct bsc_step *drain = bsc_draft_add(draft, BSC_STEP_DRAIN, slot);
        drain->instances = down;
        drain->timeout_ms = live->health.deadline_ms + live->deploy.drain_ms;
        drain->undo = BSC_UNDO_RESTART;
        bsc_draft_add(draft, BSC_STEP_STOP, slot)->instances = down;
        rolling->old -= down;
    }
    return up || down;
}

/* A way back is never refused: where the limits do not allow it, they are stretched. */
static void make_possible(struct rolling *rolling)
{
    unsigned most = rolling->total > rolling->old ? rolling->total : rolling->old;
    unsigned batches = BSC_PLAN_STEPS_MAX / BATCH_STEPS / 2, pace = (most + batches - 1) / batches;
    if (rolling->batch < pace)
        rolling->batch = pace;
    if (rolling->limit < rolling->capacity + pace)
        rolling->limit = rolling->capacity + pace;
}

enum bsc_status bsc_plan_rolling(struct bsc_draft *draft, struct bsc_error *error)
{
    const struct bsc_plan_ask *ask = draft->ask;
    /* What goes back goes back as it came. */
    const struct bsc_spec *how = ask->kind == BSC_PLAN_REVERT ? ask->live : ask->spec;
    unsigned total = draft->replicas;
    unsigned batch = bsc_amount_of(how->deploy.batch, total, true);
    batch = batch ? batch : 1;
    const struct bsc_amount *surge = &how->deploy.max_surge;
    bool as_batch = !surge->number && !surge->percent;
    struct rolling rolling = {
        .total = total,
        .batch = batch,
        .limit = total + (as_batch ? batch : bsc_amount_of(*surge, total, true)),
        .capacity = bsc_spec_capacity(how, total),
        .old = bsc_spec_instances(ask->live, bsc_slot_other(draft->candidate)),
    };
    if (ask->kind == BSC_PLAN_REVERT)
        make_possible(&rolling);
    bsc_draft_pre_deploy(draft);
    bsc_draft_vacate(draft);
    while (rolling.new < total || rolling.old) {
        if (!bsc_draft_has_room(draft, BATCH_STEPS))
            return bsc_error_set(error, BSC_INVALID,
                                 "%u instances in batches of %u take more than %d steps: make "
                                 "deploy.batch larger",
                                 total, batch, BSC_PLAN_STEPS_MAX);
        if (!add_batch(draft, &rolling))
            return bsc_error_set(
                error, BSC_INVALID,
                "%u of %u instances must stay and no more than %u may run, so none "
                "can be replaced: allow a deploy.max_surge",
                rolling.capacity, total, rolling.limit);
    }
    bsc_draft_add(draft, BSC_STEP_COMMIT, draft->candidate);
    bsc_draft_post_promote(draft);
    return BSC_OK;
}
