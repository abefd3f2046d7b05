/* SPDX-License-Identifier: Apache-2.0
 * engine/command_plan.c - the plan that a command would follow, and whether there is one.
 */
#include "core/expand.h"
#include "engine/internal.h"

static bool occupied(const struct bsc_service *service)
{
    return bsc_instances_count(service, bsc_slots_staging(&service->row.slots)) != 0;
}

struct bsc_plan_ask bsc_plan_asked(const struct bsc_service *service, enum bsc_plan_kind kind,
                                   const struct bsc_spec *spec, bool together)
{
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[service->row.slots.live]);
    return (struct bsc_plan_ask){
        .kind = kind,
        .spec = spec,
        .live = live ? live->row.spec : NULL,
        .together = together,
        .routed = !bsc_spec_is_worker(service->row.spec),
        .occupied = occupied(service),
    };
}

enum bsc_status bsc_plan_check(const struct bsc_service *service, enum bsc_plan_kind kind,
                               const struct bsc_spec *spec, bool together, struct bsc_error *error)
{
    struct bsc_plan plan;
    struct bsc_plan_ask ask = bsc_plan_asked(service, kind, spec, together);
    return bsc_plan_compile(&ask, &service->row.slots, &plan, error);
}

/* What the file says, as the command wishes it. The caller owns it. NULL: it can't be. */
static enum bsc_status wished_spec(const struct bsc_service *service, const char *version,
                                   const struct bsc_deploy_wish *wish, struct bsc_spec **out,
                                   struct bsc_error *error)
{
    struct bsc_spec *spec = NULL;
    enum bsc_status status =
        bsc_spec_for_version(service->row.spec, version ? version : "unnamed", &spec, error);
    if (status == BSC_OK)
        status = bsc_deploy_wish_apply(wish, spec, error);
    if (status == BSC_OK)
        *out = spec;
    else
        bsc_spec_release(spec);
    return status;
}

static struct bsc_spec *acquire(const struct bsc_spec *spec)
{
    return bsc_spec_acquire((struct bsc_spec *)(uintptr_t)spec);
}

/* The release that the command would put into the staging slot. The caller owns it. */
static enum bsc_status planned_spec(const struct bsc_service *service, const char *version,
                                    const struct bsc_deploy_wish *wish, struct bsc_planned *out,
                                    struct bsc_spec **spec, struct bsc_error *error)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    const struct bsc_release *release;
    switch (out->kind) {
    case BSC_PLAN_ROLLBACK:
    case BSC_PLAN_REVERT:
        release = bsc_rollback_target(service, version, error);
        if (!release)
            return BSC_NO_ROLLBACK;
        out->kind = bsc_rollback_kind(service, release);
        *spec = acquire(release->row.spec);
        return BSC_OK;
    case BSC_PLAN_SWITCH:
        release = bsc_release_find(service, service->row.release[staging]);
        *spec = acquire(release ? release->row.spec : service->row.spec);
        return BSC_OK;
    default:
        return wished_spec(service, version, wish, spec, error);
    }
}

enum bsc_status bsc_engine_plan(const struct bsc_engine *engine, const char *name,
                                const char *version, const struct bsc_deploy_wish *wish,
                                struct bsc_planned *out, struct bsc_error *error)
{
    const struct bsc_service *service = bsc_service_find(engine, name);
    if (!service)
        return bsc_error_set(error, BSC_NOT_FOUND, "no service is called '%s'", name);
    enum bsc_status status =
        bsc_command_rule(BSC_COMMAND_DEPLOY, bsc_service_situation(service), false).status;
    if (status != BSC_OK)
        return bsc_busy_error(engine, service, error);
    struct bsc_spec *spec = NULL;
    status = planned_spec(service, version, wish, out, &spec, error);
    if (status != BSC_OK)
        return status;
    struct bsc_plan_ask ask = bsc_plan_asked(service, out->kind, spec, out->together);
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    out->strategy = bsc_plan_strategy(&ask);
    out->whole[staging] = bsc_spec_instances(spec, staging);
    out->whole[service->row.slots.live] =
        ask.live ? bsc_spec_instances(ask.live, service->row.slots.live) : 0;
    status = bsc_plan_compile(&ask, &service->row.slots, &out->plan, error);
    if (status == BSC_OK)
        out->spec = spec;
    else
        bsc_spec_release(spec);
    return status;
}
