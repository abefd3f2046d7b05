/* SPDX-License-Identifier: Apache-2.0
 * proxy/eject.c - see eject.h. */
#include "proxy/eject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/roster.h"

enum { LONGEST_MS = 300000 };

bool bsc_eject_stands_out(const struct bsc_eject_sample *samples, unsigned count, unsigned at)
{
    static const double least_difference = 0.05, deviations = 3;
    double sum = 0, squares = 0, requests = 0, errors = 0;
    double own = 1 - (double)samples[at].errors / (double)samples[at].requests;
    if (count < 2)
        return false;
    for (unsigned i = 0; i < count; i++) {
        double rate = 1 - (double)samples[i].errors / (double)samples[i].requests;
        if (i == at)
            continue;
        sum += rate;
        squares += rate * rate;
        requests += (double)samples[i].requests;
        errors += (double)samples[i].errors;
    }
    double mean = sum / (count - 1), variance = squares / (count - 1) - mean * mean;
    /* What chance alone does to so few requests, as if they all failed equally often. */
    double common =
        (errors + (double)samples[at].errors + 1) / (requests + (double)samples[at].requests + 2);
    double noise = common * (1 - common) / (double)samples[at].requests;
    double below = mean - own;
    variance = variance > 0 ? variance : 0;
    return below > least_difference && below * below > deviations * deviations * (variance + noise);
}

/* Of the slot: how many are healthy, and how many of these are ejected. */
static bool may_go(const struct bsc_roster *roster, enum bsc_slot slot, unsigned max_percent)
{
    unsigned healthy = 0, ejected = 0;
    for (unsigned i = 0; i < roster->count; i++) {
        const struct bsc_roster_item *item = &roster->items[i];
        if (item->instance->slot != slot || !item->healthy)
            continue;
        healthy++;
        ejected += item->ejected;
    }
    return healthy - ejected > 1 && (ejected + 1) * 100 <= max_percent * healthy;
}

static void eject(struct bsc_roster_item *item, const struct bsc_ejection *rules, int64_t now_ms)
{
    struct bsc_outlier *outlier = &item->instance->outlier;
    int64_t calm = (now_ms - outlier->calm_ms) / rules->time_ms;
    outlier->times -= calm < outlier->times ? (unsigned)calm : outlier->times;
    outlier->times++;
    int64_t longest_ms = rules->time_ms > LONGEST_MS ? rules->time_ms : LONGEST_MS;
    int64_t for_ms = rules->time_ms * outlier->times;
    outlier->until_ms = now_ms + (for_ms < longest_ms ? for_ms : longest_ms);
    item->ejected = true;
}

static void readmit(struct bsc_roster_item *item, int64_t slow_start_ms, int64_t now_ms)
{
    struct bsc_outlier *outlier = &item->instance->outlier;
    outlier->until_ms = 0;
    outlier->calm_ms = now_ms;
    atomic_store_explicit(&item->instance->errors_in_row, 0, memory_order_relaxed);
    item->ejected = false;
    item->risen_ms = now_ms;
    item->slow_from_ms = slow_start_ms ? now_ms : 0;
}

/* Everything that one look needs. */
struct look {
    struct bsc_entry *entry;
    const struct bsc_eject_watch *watch;
    struct bsc_roster *roster; /* the new one, being changed */
    int64_t now_ms;
    bool changed;
};

static void try_eject(struct look *look, struct bsc_roster_item *item)
{
    const struct bsc_ejection *rules = &look->entry->service->ejection;
    if (!may_go(look->roster, item->instance->slot, rules->max_percent))
        return;
    eject(item, rules, look->now_ms);
    look->changed = true;
    look->watch->on_news(look->watch->context, look->entry, item->instance, true);
}

static void look_for_returns(struct look *look)
{
    const struct bsc_service *service = look->entry->service;
    const struct bsc_ejection *rules = &service->ejection;
    bool off = !rules->max_percent || (!rules->errors && !rules->min_requests);
    for (unsigned i = 0; i < look->roster->count; i++) {
        struct bsc_roster_item *item = &look->roster->items[i];
        int64_t until_ms = item->instance->outlier.until_ms;
        if (!until_ms || (item->ejected && !off && until_ms > look->now_ms))
            continue;
        readmit(item, service->slow_start_ms, look->now_ms);
        look->changed = true;
        look->watch->on_news(look->watch->context, look->entry, item->instance, false);
    }
}

static void look_for_errors_in_row(struct look *look)
{
    unsigned limit = look->entry->service->ejection.errors;
    for (unsigned i = 0; limit && i < look->roster->count; i++) {
        struct bsc_roster_item *item = &look->roster->items[i];
        unsigned row = atomic_load_explicit(&item->instance->errors_in_row, memory_order_relaxed);
        if (row < limit || !bsc_roster_item_open(item))
            continue;
        snprintf(item->instance->outlier.reason, sizeof item->instance->outlier.reason,
                 "%u errors in a row", row);
        try_eject(look, item);
    }
}

/* Takes what each did since the last time; true for those that are to be compared. */
static bool take_sample(const struct look *look, struct bsc_roster_item *item,
                        struct bsc_eject_sample *out)
{
    struct bsc_outlier *outlier = &item->instance->outlier;
    uint64_t finished = look->watch->finished(look->watch->context, item->instance);
    uint64_t errors = atomic_load_explicit(&item->instance->errors, memory_order_relaxed);
    *out = (struct bsc_eject_sample){ finished - outlier->finished, errors - outlier->errors };
    bool first = !outlier->sampled; /* its gauge may have counted for another instance before */
    outlier->sampled = true;
    outlier->finished = finished;
    outlier->errors = errors;
    if (out->errors > out->requests) /* one is counted a moment after the other */
        out->errors = out->requests;
    return !first && bsc_roster_item_open(item) && out->requests &&
           out->requests >= look->entry->service->ejection.min_requests;
}

static void compare(struct look *look, enum bsc_slot slot)
{
    unsigned count = 0;
    struct bsc_eject_sample *samples = bsc_alloc((look->roster->count + 1) * sizeof *samples);
    struct bsc_roster_item **items =
        bsc_alloc((look->roster->count + 1) * sizeof(struct bsc_roster_item *));
    for (unsigned i = 0; i < look->roster->count; i++)
        if (look->roster->items[i].instance->slot == slot &&
            take_sample(look, &look->roster->items[i], &samples[count]))
            items[count++] = &look->roster->items[i];
    for (unsigned i = 0; i < count; i++) {
        if (!bsc_eject_stands_out(samples, count, i))
            continue;
        snprintf(items[i]->instance->outlier.reason, sizeof items[i]->instance->outlier.reason,
                 "%.0f %% errors, far more than the others",
                 100 * (double)samples[i].errors / (double)samples[i].requests);
        try_eject(look, items[i]);
    }
    free(samples);
    free(items);
}

static int64_t next_look_ms(const struct bsc_entry *entry, const struct bsc_roster *roster)
{
    int64_t next_ms = entry->service->ejection.min_requests ? entry->compare_ms : INT64_MAX;
    for (unsigned i = 0; i < roster->count; i++) {
        const struct bsc_roster_item *item = &roster->items[i];
        if (item->ejected && item->instance->outlier.until_ms < next_ms)
            next_ms = item->instance->outlier.until_ms;
    }
    return next_ms;
}

int64_t bsc_eject_look(struct bsc_entry *entry, const struct bsc_eject_watch *watch, int64_t now_ms,
                       bool *changed)
{
    *changed = false;
    if (!entry->service || !entry->roster)
        return INT64_MAX;
    const struct bsc_ejection *rules = &entry->service->ejection;
    struct look look = { entry, watch, bsc_roster_copy(entry->roster), now_ms, false };
    look_for_returns(&look);
    if (rules->max_percent)
        look_for_errors_in_row(&look);
    if (rules->max_percent && rules->min_requests && entry->compare_ms <= now_ms) {
        for (int slot = 0; entry->compare_ms && slot < BSC_SLOT_COUNT; slot++)
            compare(&look, (enum bsc_slot)slot);
        entry->compare_ms = now_ms + rules->interval_ms;
    }
    int64_t next_ms = next_look_ms(entry, look.roster);
    *changed = look.changed;
    if (!look.changed) {
        bsc_roster_release(look.roster);
        return next_ms;
    }
    bsc_roster_arrange(look.roster, bsc_roster_wants_ring(entry->service));
    bsc_roster_release(entry->roster);
    entry->roster = look.roster;
    return next_ms;
}
