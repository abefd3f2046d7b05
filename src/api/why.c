/* SPDX-License-Identifier: Apache-2.0
 * api/why.c - what is so and why: for the person who is looked at by everybody at three in the
 * morning. First what users get, then what is at work, what is ill, what went wrong last, and what
 * can be done.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/view.h"
#include "base/clock.h"
#include "core/match.h"

struct why {
    const struct bsc_service *service;
    const struct bsc_router_service_figures *figures;
    int64_t wall_ms, boot_ms;
    void (*add)(void *argument, const char *line);
    void *argument;
    bool quiet; /* nothing that somebody should look at was said */
};

static void say(struct why *why, const char *format, ...) BSC_PRINTF(2, 3);
static void say(struct why *why, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Reasons may hold an application's last output: lines of their own, set in. */
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char inner[sizeof text + 2];
        snprintf(inner, sizeof inner, "  %s", line);
        if (line == text || *line)
            why->add(why->argument, line == text ? line : inner);
    }
}

/* "3m20s", to the second. */
static const char *span(int64_t ms, char out[static BSC_DURATION_BYTES])
{
    return bsc_duration_format(ms < 0 ? 0 : ms / 1000 * 1000, out);
}

static const char *version_in(const struct bsc_service *service, enum bsc_slot slot)
{
    const char *version = bsc_api_release_version(service, service->row.release[slot]);
    return version ? version : "an unknown version";
}

static unsigned count_healthy(const struct bsc_service *service, enum bsc_slot slot,
                              unsigned *total)
{
    unsigned healthy = 0;
    *total = 0;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.slot == slot) {
            ++*total;
            healthy += service->instances[i].health.state == BSC_HEALTH_HEALTHY;
        }
    return healthy;
}

static int64_t live_since_ms(const struct bsc_service *service)
{
    enum bsc_slot live = service->row.slots.live;
    if (service->records[live].switched_at_ms)
        return service->records[live].switched_at_ms;
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].row.id &&
            service->releases[i].row.id == service->row.release[live])
            return service->releases[i].row.live_ms;
    return 0;
}

static void tell_live(struct why *why)
{
    const struct bsc_service *service = why->service;
    enum bsc_slot live = service->row.slots.live;
    unsigned total, healthy = count_healthy(service, live, &total);
    int64_t since_ms = live_since_ms(service);
    char time[BSC_TIME_BYTES], ago[BSC_DURATION_BYTES];
    if (!service->row.release[live] && !total) {
        say(why, "%s is live and empty: nothing was deployed yet, requests are answered with 503.",
            bsc_slot_name(live));
        return;
    }
    if (since_ms)
        say(why, "%s is live with %s since %s (%s ago): %u of %u instances are healthy.",
            bsc_slot_name(live), version_in(service, live), bsc_time_format(since_ms, time),
            span(why->wall_ms - since_ms, ago), healthy, total);
    else
        say(why, "%s is live with %s: %u of %u instances are healthy.", bsc_slot_name(live),
            version_in(service, live), healthy, total);
    if (healthy)
        return;
    why->quiet = false;
    say(why, "No instance of the live version is healthy: requests are answered with 503.");
}

static void tell_traffic(struct why *why)
{
    static const char *const effects[] = {
        [BSC_TRAFFIC_SERVE] = NULL,
        [BSC_TRAFFIC_HOLD] = "requests wait",
        [BSC_TRAFFIC_MAINTENANCE] = "requests get the maintenance page",
        [BSC_TRAFFIC_STOP] = "requests are refused",
    };
    const char *effect = effects[why->service->row.traffic];
    if (why->service->row.removed)
        say(why, "It left the configuration: what runs is drained and stopped.");
    if (bsc_api_is_held(why->service)) {
        why->quiet = false;
        say(why, "Requests wait in the proxy while no version runs: the rollout lets them go on.");
    }
    if (!effect)
        return;
    why->quiet = false;
    say(why, "Traffic is set to %s: %s until `bascule traffic %s serve`.",
        bsc_traffic_name(why->service->row.traffic), effect, why->service->name);
}

static void tell_lock(struct why *why)
{
    const struct bsc_lock *lock = &why->service->row.lock;
    char time[BSC_TIME_BYTES], ago[BSC_DURATION_BYTES];
    if (!lock->at_ms)
        return;
    why->quiet = false;
    say(why, "It is locked by %s since %s (%s ago): %s", lock->actor,
        bsc_time_format(lock->at_ms, time), span(why->wall_ms - lock->at_ms, ago), lock->reason);
    say(why, "No new version is released until `bascule unlock %s`; rollback and abort work.",
        why->service->name);
}

static void tell_weights(struct why *why)
{
    const struct bsc_service_row *row = &why->service->row;
    enum bsc_slot other = bsc_slots_staging(&row->slots);
    if (row->weight_bp[other])
        say(why, "%s gets %u.%02u %% of the traffic, with %s.", bsc_slot_name(other),
            row->weight_bp[other] / 100, row->weight_bp[other] % 100,
            version_in(why->service, other));
    const struct bsc_match_spec *match = bsc_api_match(why->service, other);
    for (unsigned i = 0; match && i < match->count; i++) {
        char rule[BSC_MATCH_TEXT_BYTES];
        say(why, "%s gets the requests that fit %s, with %s.", bsc_slot_name(other),
            bsc_match_rule_format(&match->items[i], rule), version_in(why->service, other));
    }
}

static const char *rollout_version(const struct bsc_service *service)
{
    const char *version = bsc_api_rollout_version(service);
    return version ? version : "an unknown version";
}

static void tell_step(struct why *why, const struct bsc_rollout *rollout)
{
    const struct bsc_rollout_row *row = &rollout->row;
    if (row->walk.cursor >= row->plan.count)
        return;
    bool undoing = row->walk.status == BSC_ROLLOUT_UNDOING;
    char text[256] = "", time[BSC_DURATION_BYTES];
    const struct bsc_step *step = &row->plan.steps[row->walk.cursor];
    if (undoing)
        bsc_step_describe_undo(step, text, sizeof text);
    if (!*text)
        bsc_step_describe(step, text, sizeof text);
    say(why, "It is at step %u of %u%s: %s, for %s now.", row->walk.cursor + 1, row->plan.count,
        undoing ? " on its way back" : "", text, span(why->boot_ms - rollout->step_began_ms, time));
    if (*rollout->waiting)
        say(why, "It %s%s", row->walk.paused ? "is " : "waits: ", rollout->waiting);
    if (rollout->step_unknown)
        say(why,
            "How this step ended is not known, because the machine stopped in the middle: "
            "look, then `bascule abort %s`.",
            why->service->name);
    else if (rollout->step_until_ms)
        say(why, "The step ends at the latest in %s.",
            span(rollout->step_until_ms - why->boot_ms, time));
}

/* ", 3 with a reset" to those that are not 0. */
static void add_cause(struct bsc_text *out, uint64_t count, const char *how)
{
    if (count)
        bsc_text_printf(out, "%s%llu %s", out->size ? ", " : "", (unsigned long long)count, how);
}

static void tell_rescues(struct why *why, const struct bsc_rollout_row *row)
{
    const struct bsc_router_rescues *rescues = &why->figures->rescues;
    const char *other = bsc_slot_name(bsc_slot_other(row->slot));
    struct bsc_text causes = { 0 };
    if (why->figures->rollout != row->id)
        return;
    uint64_t answered = rescues->status + rescues->no_instance + rescues->connect_failed +
                        rescues->reset + rescues->timed_out;
    add_cause(&causes, rescues->status, "answered with an error");
    add_cause(&causes, rescues->no_instance, "without an instance");
    add_cause(&causes, rescues->connect_failed, "not connected");
    add_cause(&causes, rescues->reset, "broken off");
    add_cause(&causes, rescues->timed_out, "not answered in time");
    if (answered)
        say(why, "%llu request%s that %s failed (%s) got an answer from %s.",
            (unsigned long long)answered, answered == 1 ? "" : "s", rollout_version(why->service),
            bsc_text_get(&causes), other);
    if (rescues->failed)
        say(why, "%llu that %s failed were failed by %s, too.", (unsigned long long)rescues->failed,
            rollout_version(why->service), other);
    if (rescues->refused)
        say(why,
            "%llu that %s failed were not tried in %s: nothing is healthy there, or there were too "
            "many at once.",
            (unsigned long long)rescues->refused, rollout_version(why->service), other);
    bsc_text_deinit(&causes);
}

static void tell_pause(struct why *why, const struct bsc_rollout_row *row)
{
    char time[BSC_TIME_BYTES], ago[BSC_DURATION_BYTES];
    if (!row->paused_ms)
        return;
    say(why, "It is paused by %s since %s (%s ago): `bascule resume %s` lets it go on.",
        row->paused_by, bsc_time_format(row->paused_ms, time),
        span(why->wall_ms - row->paused_ms, ago), why->service->name);
}

static void tell_rollout(struct why *why)
{
    const struct bsc_rollout *rollout = why->service->rollout;
    if (!rollout)
        return;
    const struct bsc_rollout_row *row = &rollout->row;
    char time[BSC_DURATION_BYTES];
    const char *kind = bsc_plan_kind_name(row->kind);
    if (!bsc_walk_over(&row->walk, &row->plan)) {
        why->quiet = false;
        say(why, "Rollout r%llu (%s of %s in %s, by %s) is %s.", (unsigned long long)row->id, kind,
            rollout_version(why->service), bsc_slot_name(row->slot), row->actor,
            row->walk.status == BSC_ROLLOUT_PROMOTED ? "promoted and finishes its work"
                                                     : bsc_rollout_status_name(row->walk.status));
        if (*row->reason)
            say(why, "Reason: %s", row->reason);
        tell_pause(why, row);
        tell_step(why, rollout);
        tell_rescues(why, row);
        if (why->service->row.next.rollout)
            say(why,
                "Then r%llu begins, %s, asked for by %s; `bascule abort %s` keeps it from that.",
                (unsigned long long)why->service->row.next.rollout,
                bsc_api_release_version(why->service, why->service->row.next.release),
                why->service->row.next.actor, why->service->name);
        if (row->walk.status == BSC_ROLLOUT_RUNNING && !rollout->step_unknown)
            say(why, "`bascule abort %s` takes it back.", why->service->name);
        return;
    }
    bool bad = row->walk.status == BSC_ROLLOUT_FAILED ||
               row->walk.status == BSC_ROLLOUT_ROLLED_BACK ||
               row->walk.status == BSC_ROLLOUT_CANCELLED;
    say(why, "The last rollout, r%llu (%s of %s, by %s), ended %s %s ago%s%s",
        (unsigned long long)row->id, kind, rollout_version(why->service), row->actor,
        bsc_rollout_status_name(row->walk.status), span(why->wall_ms - row->ended_ms, time),
        bad && *row->reason ? ": " : ".", bad ? row->reason : "");
    tell_rescues(why, row);
    why->quiet = why->quiet && !bad;
}

static void tell_instance(struct why *why, const struct bsc_instance *instance)
{
    const struct bsc_health *health = &instance->health;
    char time[BSC_DURATION_BYTES];
    if (instance->row.phase == BSC_INSTANCE_DRAINING ||
        instance->row.phase == BSC_INSTANCE_STOPPING)
        return; /* on its way out: its health does not matter */
    if (instance->row.phase == BSC_INSTANCE_RESTARTING) {
        why->quiet = false;
        say(why, "Instance %s %s (exit %u since it was healthy); it is started again in %s.",
            instance->row.id, *instance->last_exit ? instance->last_exit : "exited",
            instance->exits, span(instance->restart_at_ms - why->boot_ms, time));
        return;
    }
    if (health->state == BSC_HEALTH_HEALTHY)
        return;
    why->quiet = false;
    say(why, "Instance %s at %s is %s: %s%s (%u %s in a row).", instance->row.id,
        instance->row.address, health->state == BSC_HEALTH_ILL ? "ill" : "not known to be healthy",
        *health->last_detail ? "last probe: " : "no probe has ended yet", health->last_detail,
        health->last_passed ? health->passes : health->failures,
        health->last_passed ? "passed" : "failed");
}

static bool is_rejected(const struct bsc_service *service, uint64_t release)
{
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].row.id == release)
            return service->releases[i].row.rejected;
    return false;
}

/* A version that was taken back is gone back to only by its name. */
static void tell_standby(struct why *why, enum bsc_slot slot)
{
    const struct bsc_service *service = why->service;
    char time[BSC_TIME_BYTES];
    int64_t until_ms = service->row.standby_until_ms;
    const char *version = bsc_api_release_version(service, service->row.release[slot]);
    bool by_name = version && is_rejected(service, service->row.release[slot]);
    say(why, "%s is standby with %s%s%s%s: `bascule rollback %s%s%s` goes back to it at once.",
        bsc_slot_name(slot), version_in(service, slot), by_name ? ", which was taken back," : "",
        until_ms ? " until " : "", until_ms ? bsc_time_format(until_ms, time) : "", service->name,
        by_name ? " " : "", by_name ? version : "");
}

static void tell_failed(struct why *why, enum bsc_slot slot)
{
    const struct bsc_service *service = why->service;
    const char *reason = service->records[slot].reason;
    bool told = service->rollout && !strcmp(service->rollout->row.reason, reason);
    unsigned total;
    count_healthy(service, slot, &total);
    why->quiet = false;
    say(why, "%s holds the failed deployment of %s: the next deploy replaces it.",
        bsc_slot_name(slot), version_in(service, slot));
    if (total)
        say(why, "`bascule logs %s --slot %s` shows its output.", service->name,
            bsc_slot_name(slot));
    if (*reason && !told)
        say(why, "It failed: %s", reason);
}

static void tell_staging(struct why *why)
{
    const struct bsc_service *service = why->service;
    enum bsc_slot slot = bsc_slots_staging(&service->row.slots);
    switch (service->row.slots.state[slot]) {
    case BSC_SLOT_READY:
        if (service->rollout && !bsc_rollout_ended(service->rollout->row.walk.status))
            break; /* the rollout is on its way there, and told */
        say(why,
            "%s is ready with %s: `bascule switch %s` gives it the traffic, `bascule cleanup %s` "
            "throws it away.",
            bsc_slot_name(slot), version_in(service, slot), service->name, service->name);
        break;
    case BSC_SLOT_STANDBY:
        tell_standby(why, slot);
        break;
    case BSC_SLOT_FAILED:
        tell_failed(why, slot);
        break;
    default:
        if (!service->row.release[service->row.slots.live] && !service->rollout)
            say(why, "`bascule deploy %s VERSION` starts it.", service->name);
    }
}

void bsc_api_why(const struct bsc_service *service,
                 const struct bsc_router_service_figures *figures, int64_t now_wall_ms,
                 int64_t now_boot_ms, void (*add)(void *argument, const char *line), void *argument)
{
    struct why why = { service, figures, now_wall_ms, now_boot_ms, add, argument, true };
    tell_live(&why);
    tell_lock(&why);
    tell_traffic(&why);
    tell_weights(&why);
    tell_rollout(&why);
    for (size_t i = 0; i < service->instance_count; i++)
        tell_instance(&why, &service->instances[i]);
    tell_staging(&why);
    if (why.quiet && service->row.release[service->row.slots.live])
        say(&why, "Nothing is wrong.");
}
