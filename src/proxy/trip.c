/* SPDX-License-Identifier: Apache-2.0
 * proxy/trip.c - the control thread passes on that a split has tripped (rescue.h). */
#include "base/log.h"
#include "proxy/control.h"

static void pass_on(struct bsc_control *control, struct bsc_entry *entry,
                    struct bsc_update **update)
{
    bsc_log_warning("service %s: what may be rescued is used up: everything goes to %s",
                    entry->name, bsc_slot_name(entry->split.stable));
    bsc_split_trip(&entry->split);
    if (!*update)
        *update = bsc_update_create();
    struct bsc_change *change = bsc_update_add(*update);
    change->index = entry->index;
    change->has_split = true;
    bsc_split_set(&change->split, &entry->split);
    bsc_controller_trip(&control->controller, entry->name, &entry->split);
}

void bsc_control_trip(struct bsc_control *control)
{
    const struct bsc_registry *registry = &control->lines.now;
    struct bsc_update *update = NULL;
    for (size_t i = 0; i < registry->count; i++) {
        struct bsc_entry *entry = registry->entries[i];
        if (!entry->service || !entry->has_split || !entry->split.rescue || entry->split.tripped)
            continue; /* among others, a newer split than the one that has */
        if (atomic_load(&entry->service->hold->tripped) == entry->split.generation + 1)
            pass_on(control, entry, &update);
    }
    if (update)
        bsc_control_post(control, update, NULL);
}

void bsc_control_tell_tripped(struct bsc_control *control)
{
    const struct bsc_registry *registry = &control->lines.now;
    for (size_t i = 0; i < registry->count; i++) {
        const struct bsc_entry *entry = registry->entries[i];
        if (entry->has_split && entry->split.tripped)
            bsc_controller_trip(&control->controller, entry->name, &entry->split);
    }
}
