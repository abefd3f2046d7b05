/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_mirror.c - requests that are copied to a candidate: what proxies are told of it,
 * and what they find; see router_internal.h. */
#include <stdlib.h>

#include "adapters/mirror_json.h"
#include "adapters/outbox.h"
#include "adapters/router_internal.h"
#include "base/arena.h"

static json_t *list_of(const struct bsc_strings *strings)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < strings->count; i++)
        json_array_append_new(list, json_string(strings->items[i]));
    return list;
}

json_t *bsc_wire_mirror(const struct bsc_routing *routing)
{
    static const char *const bodies[] = {
        [BSC_BODY_JSON] = "json", [BSC_BODY_BYTES] = "bytes", [BSC_BODY_NONE] = "none"
    };
    const struct bsc_shadow_spec *shadow = routing->mirror;
    return json_pack("{s:I,s:s,s:I,s:b,s:b,s:s,s:I,s:o,s:o,s:o}", "id",
                     (json_int_t)routing->rollout, "slot", bsc_slot_name(routing->candidate),
                     "share_bp", (json_int_t)routing->mirror_bp, "status",
                     (int)shadow->compare_status, "learn", (int)(shadow->noise == BSC_NOISE_LEARNT),
                     "body", bodies[shadow->body], "body_bytes", (json_int_t)shadow->body_bytes,
                     "methods", list_of(&shadow->methods), "headers", list_of(&shadow->headers),
                     "ignored", list_of(&shadow->ignored));
}

bool bsc_wire_mirrored(const json_t *object, struct bsc_wire_answer *out)
{
    json_int_t rollout = json_integer_value(json_object_get(object, "rollout"));
    struct bsc_mirror_report *report = bsc_alloc(sizeof *report);
    if (rollout <= 0 || !bsc_mirror_read(object, report)) {
        free(report);
        return false;
    }
    out->rollout = (uint64_t)rollout;
    out->report = report;
    return true;
}

void bsc_router_mirrored(struct bsc_router_proxy *router, struct bsc_wire_answer *answer)
{
    bsc_outbox_put(router->outbox, &(struct bsc_event){ .kind = BSC_EVENT_MIRRORED,
                                                        .service = answer->service,
                                                        .rollout = answer->rollout,
                                                        .report = answer->report });
    free(answer->report);
    answer->report = NULL;
}
