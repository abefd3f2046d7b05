/* SPDX-License-Identifier: Apache-2.0
 * engine/health.c - probing instances, and what their health means for a slot.
 */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

static void take_result(struct bsc_engine *engine, struct bsc_service *service,
                        struct bsc_instance *instance, bool passed, const char *text,
                        int64_t duration_us)
{
    const struct bsc_spec *spec = bsc_instance_spec(service, instance);
    if (!bsc_health_result(&instance->health, &spec->health, passed, text, duration_us,
                           bsc_now(engine)))
        return;
    bool healthy = instance->health.state == BSC_HEALTH_HEALTHY;
    instance->ejected = false; /* it is ill anyway, or begins anew */
    if (healthy)
        instance->exits = 0;
    if (instance->row.healthy != healthy) {
        instance->row.healthy = healthy;
        instance->dirty = true;
        service->publish_wanted = true;
        bsc_audit(engine, service, 0, "health", NULL, "%s is %s: %s", instance->row.id,
                  bsc_health_state_name(instance->health.state), instance->health.last_detail);
    }
    bsc_touch(engine, service);
}

void bsc_probe_due(struct bsc_engine *engine, struct bsc_service *service,
                   struct bsc_instance *instance)
{
    if (instance->health.probing || instance->health.next_probe_ms > bsc_now(engine))
        return;
    if (bsc_instance_spec(service, instance)->health.kind == BSC_PROBE_RUNNING) {
        instance->check_pending = false;
        take_result(engine, service, instance, true, "it runs", 0);
        return;
    }
    instance->health.probing = true;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_PROBE, service);
    effect->token = instance->probe_token = bsc_token_next(engine, service);
    memcpy(effect->id, instance->row.id, sizeof effect->id);
}

void bsc_probe_result(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event)
{
    struct bsc_instance *instance = bsc_instance_find(service, event->id);
    bsc_look(engine, service);
    if (instance && instance->gate.token == event->token) {
        bsc_gate_probed(engine, service, instance, event);
        return;
    }
    if (!instance || instance->probe_token != event->token)
        return;
    instance->probe_token = 0;
    instance->check_pending = false;
    if (instance->row.phase != BSC_INSTANCE_RUNNING) {
        instance->health.probing = false;
        return;
    }
    take_result(engine, service, instance, event->passed, event->text, event->duration_us);
}

static void all_returned(struct bsc_engine *engine)
{
    for (struct bsc_service *service = engine->services; service; service = service->next)
        for (size_t i = 0; i < service->instance_count; i++)
            if (service->instances[i].ejected) {
                service->instances[i].ejected = false;
                bsc_touch(engine, service);
            }
}

/* The proxy's own doing: it is shown and told, and decides nothing here. */
void bsc_ejected(struct bsc_engine *engine, const struct bsc_event *event)
{
    bool ejected = event->kind == BSC_EVENT_EJECTED;
    if (!event->service) {
        all_returned(engine);
        return;
    }
    struct bsc_service *service = bsc_service_find(engine, event->service);
    struct bsc_instance *instance = service ? bsc_instance_find(service, event->id) : NULL;
    if (!instance || instance->ejected == ejected)
        return;
    instance->ejected = ejected;
    if (ejected) {
        snprintf(instance->ejected_for, sizeof instance->ejected_for, "%s", event->text);
        bsc_audit(engine, service, 0, "ejected", NULL, "%s gets no requests for %lld s: %s",
                  instance->row.id, (long long)((event->duration_us + 999999) / 1000000),
                  event->text);
    } else {
        bsc_audit(engine, service, 0, "returned", NULL, "%s gets requests again", instance->row.id);
    }
    bsc_touch(engine, service);
}

unsigned bsc_slot_wanted(const struct bsc_service *service, enum bsc_slot slot, uint64_t release)
{
    const struct bsc_release *of = bsc_release_find(service, release);
    unsigned whole = of ? bsc_spec_instances(of->row.spec, slot) : 0;
    return of && bsc_rollout_open(service)
               ? bsc_plan_instances(&service->rollout->row.plan, slot, whole)
               : whole;
}

bool bsc_slot_healthy(const struct bsc_service *service, enum bsc_slot slot, uint64_t release,
                      unsigned *healthy, unsigned *total)
{
    const struct bsc_release *of = bsc_release_find(service, release);
    *healthy = 0;
    *total = bsc_slot_wanted(service, slot, release);
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot == slot && instance->row.release == release &&
            instance->row.phase == BSC_INSTANCE_RUNNING && instance->row.healthy)
            (*healthy)++;
    }
    return of && *total && bsc_health_enough(&of->row.spec->health, *healthy, *total);
}

static void describe_ill(const struct bsc_engine *engine, const struct bsc_service *service,
                         const struct bsc_instance *instance, struct bsc_text *text)
{
    char tail[BSC_TAIL_BYTES];
    bsc_text_printf(text, "; %s", instance->row.id);
    if (instance->row.phase != BSC_INSTANCE_RUNNING && instance->last_exit[0])
        bsc_text_printf(text, ": %s", instance->last_exit);
    else if (instance->health.last_detail[0])
        bsc_text_printf(text, ": %s", instance->health.last_detail);
    else
        bsc_text_puts(text, ": not probed yet");
    if (instance->exits && instance->row.phase == BSC_INSTANCE_RUNNING)
        bsc_text_printf(text, " (%s before)", instance->last_exit);
    bsc_tail(engine, bsc_instance_spec(service, instance)->runtime, instance->row.id, tail);
    if (tail[0])
        bsc_text_printf(text, "; its last output:\n%s", tail);
}

void bsc_slot_health_text(const struct bsc_engine *engine, const struct bsc_service *service,
                          enum bsc_slot slot, uint64_t release, char *out, size_t size)
{
    struct bsc_text text = { 0 };
    unsigned healthy, total;
    bsc_slot_healthy(service, slot, release, &healthy, &total);
    bsc_text_printf(&text, "%u of %u instance%s healthy", healthy, total, total == 1 ? "" : "s");
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot == slot && instance->row.release == release &&
            !instance->row.healthy) {
            describe_ill(engine, service, instance, &text);
            break; /* the first says it; status shows them all */
        }
    }
    snprintf(out, size, "%s", bsc_text_get(&text));
    bsc_text_deinit(&text);
}

/* `bascule check`: every instance of the staging slot answers one fresh probe. */
void bsc_check_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    struct bsc_error error;
    if (bsc_slots_can(&service->row.slots, BSC_SLOT_CHECK_PASSED, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    if (service->check_reply) {
        bsc_reply(engine, event->token, BSC_BUSY, 0, "a check of %s is under way",
                  bsc_slot_name(staging));
        return;
    }
    service->check_reply = event->token;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot != staging || instance->row.phase != BSC_INSTANCE_RUNNING)
            continue;
        instance->check_pending = true;
        instance->health.next_probe_ms = bsc_now(engine);
        if (instance->health.probing) { /* a fresh one, not the answer to an older question */
            engine->ports.prober.ops->cancel(engine->ports.prober.self, instance->probe_token);
            instance->health.probing = false;
        }
    }
    bsc_touch(engine, service);
}

void bsc_check_progress(struct bsc_engine *engine, struct bsc_service *service)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    uint64_t release = service->row.release[staging];
    const struct bsc_release *of = bsc_release_find(service, release);
    unsigned passed = 0, total = of ? bsc_spec_instances(of->row.spec, staging) : 0;
    if (!service->check_reply)
        return;
    struct bsc_text lines = { 0 };
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot != staging || instance->row.release != release)
            continue;
        bool runs = instance->row.phase == BSC_INSTANCE_RUNNING;
        if (runs && instance->check_pending) {
            bsc_text_deinit(&lines);
            return; /* its answer is still to come */
        }
        bool ok = runs && instance->health.last_passed;
        passed += ok;
        bsc_text_printf(&lines, "%s\t%s\t%s\n", instance->row.id, ok ? "passed" : "failed",
                        runs ? instance->health.last_detail : instance->last_exit);
    }
    bool enough = of && total && bsc_health_enough(&of->row.spec->health, passed, total);
    struct bsc_record *record = &service->records[staging];
    if (enough) {
        (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_CHECK_PASSED, NULL);
    } else if (bsc_staging_fail(engine, service) && record->id &&
               record->status == BSC_RECORD_READY) {
        record->status = BSC_RECORD_FAILED;
        record->error = BSC_UNHEALTHY;
        snprintf(record->reason, sizeof record->reason, "health check: %u of %u passed", passed,
                 total);
        service->record_dirty[staging] = true;
    }
    bsc_audit(engine, service, 0, "check", NULL, "%s: %u of %u passed", bsc_slot_name(staging),
              passed, total)
        ->error = enough ? BSC_OK : BSC_UNHEALTHY;
    bsc_reply_lines(engine, service->check_reply, enough ? BSC_OK : BSC_UNHEALTHY, &lines);
    service->check_reply = 0;
    bsc_touch_row(engine, service);
    bsc_text_deinit(&lines);
}
