/* SPDX-License-Identifier: Apache-2.0
 * proxy/ejection.c - the control thread looks at the instances' answers, and tells the workers and
 * the controller whom it leaves out (eject.h). */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/control.h"
#include "proxy/eject.h"

enum { SOON_MS = 50 };

static uint64_t finished(void *context, const struct bsc_instance *instance)
{
    const struct bsc_control *control = context;
    uint64_t sum = 0;
    for (unsigned i = 0; i < control->worker_count; i++)
        sum += bsc_counter_get(&control->workers[i]->shard->gauges[instance->gauge].finished);
    return sum;
}

static void on_news(void *context, const struct bsc_entry *entry,
                    const struct bsc_instance *instance, bool ejected)
{
    struct bsc_control *control = context;
    if (ejected && entry->has_split)
        bsc_counter_add(
            &control->workers[0]->shard->cells[entry->split.cell[instance->slot]].ejections, 1);
    if (ejected)
        bsc_log_warning("service %s: %s is left out: %s", entry->name, instance->id,
                        instance->outlier.reason);
    else
        bsc_log_info("service %s: %s is back", entry->name, instance->id);
    bsc_controller_eject(&control->controller, entry->name, instance, ejected, bsc_clock_boot_ms());
}

void bsc_control_look(struct bsc_control *control)
{
    const struct bsc_eject_watch watch = { control, finished, on_news };
    int64_t now_ms = bsc_clock_boot_ms(), next_ms = INT64_MAX;
    struct bsc_registry *registry = &control->lines.now;
    struct bsc_update *update = NULL;
    if (control->look_at_ms > now_ms)
        return;
    for (size_t i = 0; i < registry->count; i++) {
        struct bsc_entry *entry = registry->entries[i];
        bool changed;
        int64_t at_ms = bsc_eject_look(entry, &watch, now_ms, &changed);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
        if (!changed)
            continue;
        if (!update)
            update = bsc_update_create();
        struct bsc_change *change = bsc_update_add(update);
        change->index = entry->index;
        change->roster = bsc_roster_acquire(entry->roster);
    }
    control->look_at_ms = next_ms > now_ms + SOON_MS ? next_ms : now_ms + SOON_MS;
    if (update)
        bsc_control_post(control, update, NULL);
}

void bsc_control_look_soon(struct bsc_control *control)
{
    int64_t soon_ms = bsc_clock_boot_ms() + SOON_MS;
    if (control->look_at_ms > soon_ms)
        control->look_at_ms = soon_ms;
}

void bsc_control_tell_ejected(struct bsc_control *control)
{
    const struct bsc_registry *registry = &control->lines.now;
    for (size_t i = 0; i < registry->count; i++) {
        const struct bsc_entry *entry = registry->entries[i];
        for (unsigned j = 0; entry->roster && j < entry->roster->count; j++)
            if (entry->roster->items[j].ejected)
                bsc_controller_eject(&control->controller, entry->name,
                                     entry->roster->items[j].instance, true, bsc_clock_boot_ms());
    }
}
