/* SPDX-License-Identifier: Apache-2.0
 * engine/preview.c - what can be looked at before it is live, and how to get there.
 *
 * That is the slot that could be switched to: deployed, checked, and not on its way back. Nothing
 * is stored for it: it follows from the slots and from what the file says.
 */
#include "core/preview.h"

#include <stdio.h>

#include "engine/internal.h"

bool bsc_preview_slot(const struct bsc_service *service, enum bsc_slot *slot)
{
    const struct bsc_slots *slots = &service->row.slots;
    bool undoing =
        bsc_rollout_open(service) && service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING;
    *slot = bsc_slots_staging(slots);
    return !service->row.removed && bsc_preview_defined(&service->row.spec->preview) && !undoing &&
           slots->state[*slot] == BSC_SLOT_READY && slots->checked[*slot];
}

/* The slot, and one; 0: none. */
static unsigned shown(const struct bsc_service *service)
{
    enum bsc_slot slot;
    return bsc_preview_slot(service, &slot) ? 1 + (unsigned)slot : 0;
}

void bsc_preview_renew(struct bsc_service *service)
{
    unsigned now = shown(service);
    if (service->gone || service->preview_shown == now)
        return;
    service->preview_shown = now;
    service->publish_wanted = true;
}

bool bsc_preview_awaited(const struct bsc_service *service)
{
    unsigned now = shown(service);
    return now && (service->preview_shown != now || service->publish_wanted ||
                   !bsc_published(service, service->publish_token));
}

/* Not one that only sends clients on, nor one where a request of HTTP can't begin; TLS is what
 * users see, where there is some. */
static bool find_listener(bsc_listener_at at, void *self, struct bsc_router_listener *out)
{
    struct bsc_router_listener listener;
    bool found = false;
    for (unsigned i = 0; at(self, i, &listener); i++) {
        if (listener.redirect || listener.proxy_protocol || *listener.service ||
            (found && out->tls >= listener.tls))
            continue;
        *out = listener;
        found = true;
    }
    return found;
}

bool bsc_preview_find_way(const struct bsc_spec *spec, bsc_listener_at at, void *self,
                          struct bsc_preview_way *out)
{
    struct bsc_router_listener listener;
    if (!bsc_preview_defined(&spec->preview) || !spec->route_count ||
        !find_listener(at, self, &listener))
        return false;
    bsc_preview_way(spec, listener.address, listener.tls, out);
    return true;
}
