/* SPDX-License-Identifier: Apache-2.0
 * api/view.c - see view.h and docs/api.md, Objects. */
#include "api/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "core/match.h"

json_t *bsc_api_words(const char *text)
{
    struct bsc_text escaped = { 0 };
    for (const char *at = text;;) {
        size_t size = strcspn(at, "\n");
        bsc_text_add_escaped(&escaped, at, size);
        if (!at[size])
            break;
        bsc_text_puts(&escaped, "\n");
        at += size + 1;
    }
    json_t *json = json_string(bsc_text_get(&escaped));
    bsc_text_deinit(&escaped);
    return json;
}

json_t *bsc_api_words_or_null(const char *text)
{
    return text && *text ? bsc_api_words(text) : json_null();
}

/* RFC 3339 in UTC; 0 gives null. */
static json_t *time_or_null(int64_t wall_ms)
{
    char text[BSC_TIME_BYTES];
    return wall_ms ? json_string(bsc_time_format(wall_ms, text)) : json_null();
}

json_t *bsc_api_id(char letter, uint64_t id)
{
    return id ? json_sprintf("%c%llu", letter, (unsigned long long)id) : json_null();
}

uint64_t bsc_api_id_parse(char letter, const char *text)
{
    if (text[0] != letter || text[1] < '1' || text[1] > '9')
        return 0;
    char *end = NULL;
    errno = 0;
    unsigned long long id = strtoull(text + 1, &end, 10);
    return errno || *end ? 0 : id;
}

static const struct bsc_spec *release_spec(const struct bsc_service *service, uint64_t id)
{
    for (size_t i = 0; id && i < service->release_count; i++)
        if (service->releases[i].row.id == id)
            return service->releases[i].row.spec;
    return NULL;
}

const char *bsc_api_release_version(const struct bsc_service *service, uint64_t id)
{
    const struct bsc_spec *spec = release_spec(service, id);
    return spec ? spec->version : NULL;
}

const struct bsc_match_spec *bsc_api_match(const struct bsc_service *service, enum bsc_slot slot)
{
    const struct bsc_rollout_row *row = service->rollout ? &service->rollout->row : NULL;
    if (!row || row->slot != slot || !bsc_walk_matches(&row->walk, &row->plan))
        return NULL;
    const struct bsc_spec *spec = release_spec(service, row->release);
    return spec ? &spec->deploy.match : NULL;
}

const char *bsc_api_rollout_version(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const char *version = bsc_api_release_version(service, row->release);
    for (unsigned slot = 0; !version && slot < BSC_SLOT_COUNT; slot++)
        if (row->record && service->records[slot].id == row->record)
            version = service->records[slot].version;
    return version;
}

static const char *phase_name(enum bsc_instance_phase phase)
{
    static const char *const names[BSC_INSTANCE_PHASE_COUNT] = {
        [BSC_INSTANCE_STARTING] = "starting",     [BSC_INSTANCE_RUNNING] = "running",
        [BSC_INSTANCE_RESTARTING] = "restarting", [BSC_INSTANCE_DRAINING] = "draining",
        [BSC_INSTANCE_STOPPING] = "stopping",
    };
    return names[phase];
}

/* Targets that something else runs have no process of ours. */
static bool is_static(const struct bsc_service *service, const struct bsc_instance *instance)
{
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].row.id == instance->row.release && service->releases[i].row.spec)
            return service->releases[i].row.spec->runtime == BSC_RUNTIME_STATIC;
    return false;
}

static json_t *view_instance(const struct bsc_service *service, const struct bsc_instance *instance)
{
    bool ejected = instance->ejected && instance->health.state == BSC_HEALTH_HEALTHY;
    const char *detail = instance->row.phase == BSC_INSTANCE_RESTARTING && *instance->last_exit
                             ? instance->last_exit
                         : ejected ? instance->ejected_for
                                   : instance->health.last_detail;
    bool has_pid = instance->pid > 0 && !is_static(service, instance);
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:o}", "id", instance->row.id, "pid",
                     has_pid ? json_integer(instance->pid) : json_null(), "address",
                     bsc_api_words(instance->row.address), "phase", phase_name(instance->row.phase),
                     "health", ejected ? "ejected" : bsc_health_state_name(instance->health.state),
                     "detail", bsc_api_words(detail));
}

static const struct bsc_instance *at_position(const struct bsc_service *service, enum bsc_slot slot,
                                              size_t *from, unsigned position)
{
    for (size_t i = *from; i < service->instance_count; i++)
        if (service->instances[i].row.slot == slot &&
            service->instances[i].row.position == position) {
            *from = i + 1;
            return &service->instances[i];
        }
    return NULL;
}

/* By position; two releases may share one while the older one drains. */
static json_t *view_instances(const struct bsc_service *service, enum bsc_slot slot)
{
    json_t *list = json_array();
    unsigned highest = 0;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.slot == slot && service->instances[i].row.position > highest)
            highest = service->instances[i].row.position;
    for (unsigned position = 0; position <= highest; position++) {
        size_t from = 0;
        const struct bsc_instance *instance;
        while ((instance = at_position(service, slot, &from, position)))
            json_array_append_new(list, view_instance(service, instance));
    }
    return list;
}

json_t *bsc_api_view_match(const struct bsc_match_spec *match)
{
    json_t *list = json_array();
    for (unsigned i = 0; match && i < match->count; i++) {
        char text[BSC_MATCH_TEXT_BYTES];
        json_array_append_new(list, json_string(bsc_match_rule_format(&match->items[i], text)));
    }
    return list;
}

static json_t *view_slot(const struct bsc_service *service, enum bsc_slot slot)
{
    const struct bsc_service_row *row = &service->row;
    bool standby = row->slots.state[slot] == BSC_SLOT_STANDBY;
    return json_pack(
        "{s:s, s:o, s:o, s:i, s:o, s:o, s:o}", "state", bsc_slot_state_name(row->slots.state[slot]),
        "version", bsc_api_words_or_null(bsc_api_release_version(service, row->release[slot])),
        "record", bsc_api_id('d', row->record[slot]), "weight_bp", (int)row->weight_bp[slot],
        "match", bsc_api_view_match(bsc_api_match(service, slot)), "standby_until",
        time_or_null(standby ? row->standby_until_ms : 0), "instances",
        view_instances(service, slot));
}

static json_t *error_or_null(enum bsc_status error)
{
    return error == BSC_OK ? json_null() : json_string(bsc_status_name(error));
}

json_t *bsc_api_view_steps(const struct bsc_plan *plan)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < plan->count; i++) {
        const struct bsc_step *step = &plan->steps[i];
        char text[256] = "", undo[256] = "";
        bsc_step_describe(step, text, sizeof text);
        bsc_step_describe_undo(step, undo, sizeof undo);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind",
                                              bsc_step_kind_name(step->kind), "state",
                                              bsc_step_state_name(step->state), "slot",
                                              bsc_slot_name(step->slot), "text", text, "undo",
                                              bsc_api_words_or_null(undo)));
    }
    return list;
}

json_t *bsc_api_view_rollout(const struct bsc_rollout_row *row, const char *version,
                             const char *waiting, const struct bsc_judgement *judgement,
                             const struct bsc_router_service_figures *figures)
{
    json_t *json =
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:s, s:s}", "id", bsc_api_id('r', row->id),
                  "record", bsc_api_id('d', row->record), "service", row->service, "kind",
                  bsc_plan_kind_name(row->kind), "strategy", bsc_strategy_name(row->strategy),
                  "version", bsc_api_words_or_null(version), "slot", bsc_slot_name(row->slot),
                  "status", bsc_rollout_status_name(row->walk.status));
    json_object_set_new(json, "step", json_integer(row->walk.cursor));
    json_object_set_new(json, "steps", bsc_api_view_steps(&row->plan));
    json_object_set_new(json, "waiting", bsc_api_words(waiting));
    json_object_set_new(json, "paused",
                        row->paused_ms ? json_pack("{s:o, s:o}", "at", time_or_null(row->paused_ms),
                                                   "actor", bsc_api_words(row->paused_by))
                                       : json_null());
    json_object_set_new(json, "reason", bsc_api_words_or_null(row->reason));
    json_object_set_new(json, "error", error_or_null(row->error));
    json_object_set_new(json, "passed", row->total ? json_integer(row->passed) : json_null());
    json_object_set_new(json, "total", row->total ? json_integer(row->total) : json_null());
    json_object_set_new(json, "rescues",
                        figures && figures->rollout == row->id
                            ? bsc_api_view_rescues(&figures->rescues)
                            : json_null());
    json_object_set_new(json, "analysis",
                        judgement ? bsc_api_view_judgement(judgement) : json_null());
    json_object_set_new(json, "queries",
                        json_null()); /* only of the newest one something is known */
    json_object_set_new(json, "group", bsc_api_id('g', row->group.id));
    json_object_set_new(json, "actor", bsc_api_words(row->actor));
    json_object_set_new(json, "started_at", time_or_null(row->started_ms));
    json_object_set_new(json, "ended_at", time_or_null(row->ended_ms));
    return json;
}

/* As it will be: nothing of it has begun. */
json_t *bsc_api_view_successor(const struct bsc_service *service)
{
    const struct bsc_successor *next = &service->row.next;
    char waiting[96];
    struct bsc_rollout_row row = {
        .id = next->rollout,
        .service = service->name,
        .kind = next->kind,
        .release = next->release,
        .slot = bsc_slot_other(service->row.stable),
    };
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].row.id == next->release)
            row.strategy = service->releases[i].row.spec->deploy.strategy;
    snprintf(row.actor, sizeof row.actor, "%s", next->actor);
    snprintf(waiting, sizeof waiting, "begins when r%llu is taken back",
             (unsigned long long)service->rollout->row.id);
    return bsc_api_view_rollout(&row, bsc_api_release_version(service, next->release), waiting,
                                NULL, NULL);
}

json_t *bsc_api_view_newest_rollout(const struct bsc_service *service,
                                    const struct bsc_router_service_figures *figures)
{
    if (!service->rollout)
        return json_null();
    json_t *json =
        bsc_api_view_rollout(&service->rollout->row, bsc_api_rollout_version(service),
                             service->rollout->waiting, service->rollout->judgement, figures);
    json_object_set_new(json, "queries", bsc_api_view_queries(service));
    return json;
}

static json_t *lock_or_null(const struct bsc_lock *lock)
{
    if (!lock->at_ms)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "at", time_or_null(lock->at_ms), "actor",
                     bsc_api_words(lock->actor), "reason", bsc_api_words(lock->reason));
}

bool bsc_api_is_held(const struct bsc_service *service)
{
    return service->row.traffic == BSC_TRAFFIC_SERVE && service->rollout &&
           !bsc_rollout_ended(service->rollout->row.walk.status) &&
           bsc_plan_holds(&service->rollout->row.plan);
}

/* Its token is a secret, which is not told. */
json_t *bsc_api_view_preview(const struct bsc_service *service, const enum bsc_slot *slot,
                             const struct bsc_preview_way *way)
{
    const struct bsc_preview_spec *preview = &service->row.spec->preview;
    uint64_t release = slot ? service->row.release[*slot] : 0;
    if (!bsc_preview_defined(preview))
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "slot",
                     slot ? json_string(bsc_slot_name(*slot)) : json_null(), "version",
                     bsc_api_words_or_null(bsc_api_release_version(service, release)), "host",
                     bsc_api_words_or_null(preview->host), "header",
                     bsc_api_words_or_null(preview->token ? preview->header : NULL), "url",
                     bsc_api_words_or_null(way->url), "address",
                     bsc_api_words_or_null(way->address));
}

json_t *bsc_api_view_service(const struct bsc_service *service,
                             const struct bsc_router_service_figures *figures, json_t *take_preview)
{
    const struct bsc_service_row *row = &service->row;
    const struct bsc_rollout *rollout = service->rollout;
    bool at_work = rollout && !bsc_walk_over(&rollout->row.walk, &rollout->row.plan);
    json_t *newest = bsc_api_view_newest_rollout(service, figures);
    return json_pack("{s:s, s:s, s:{s:o, s:o}, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "name", service->name, "live", bsc_slot_name(row->slots.live), "slots", "blue",
                     view_slot(service, BSC_BLUE), "green", view_slot(service, BSC_GREEN),
                     "traffic", bsc_traffic_name(row->traffic), "held",
                     (int)bsc_api_is_held(service), "removed", (int)row->removed, "lock",
                     lock_or_null(&row->lock), "rollout", at_work ? newest : json_null(), "next",
                     bsc_api_id('r', row->next.rollout), "last_rollout",
                     at_work ? json_null() : newest, "figures",
                     bsc_api_view_service_figures(figures), "preview", take_preview);
}

json_t *bsc_api_view_listener(const struct bsc_router_listener *listener)
{
    const char *role = *listener->service   ? "tcp"
                       : listener->tls      ? "https"
                       : listener->redirect ? "redirect"
                                            : "http";
    unsigned port = listener->redirect_port ? listener->redirect_port : 443;
    return json_pack("{s:o, s:s, s:b, s:b, s:o, s:o}", "address", bsc_api_words(listener->address),
                     "role", role, "tls", (int)listener->tls, "proxy_protocol",
                     (int)listener->proxy_protocol, "service",
                     bsc_api_words_or_null(listener->service), "redirect_port",
                     listener->redirect ? json_integer(port) : json_null());
}

json_t *bsc_api_view_record(const struct bsc_record *record)
{
    return json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
                     bsc_api_id('d', record->id), "environment", bsc_slot_name(record->slot),
                     "version", bsc_api_words_or_null(record->version), "status",
                     bsc_record_status_name(record->status), "deployed_at",
                     time_or_null(record->deployed_at_ms), "switched_at",
                     time_or_null(record->switched_at_ms), "rolled_back_at",
                     time_or_null(record->rolled_back_at_ms), "reason",
                     bsc_api_words_or_null(record->reason), "error", error_or_null(record->error));
}

json_t *bsc_api_view_event(const struct bsc_audit_row *row)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sequence",
                     (json_int_t)row->sequence, "at", time_or_null(row->at_ms), "service",
                     bsc_api_words_or_null(row->service), "rollout", bsc_api_id('r', row->rollout),
                     "kind", bsc_api_words(row->kind), "actor", bsc_api_words(row->actor), "text",
                     bsc_api_words(row->text), "error", error_or_null(row->error));
}

json_t *bsc_api_view_check(const char *const *lines, unsigned count, bool healthy,
                           int64_t duration_ms)
{
    json_t *checks = json_array();
    int passed = 0, failed = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *verdict = strchr(lines[i], '\t');
        const char *detail = verdict ? strchr(verdict + 1, '\t') : NULL;
        if (!detail)
            continue;
        bool good = !strncmp(verdict, "\tpassed\t", 8);
        *(good ? &passed : &failed) += 1;
        json_array_append_new(checks,
                              json_pack("{s:o, s:b, s:o}", "instance",
                                        json_stringn(lines[i], (size_t)(verdict - lines[i])),
                                        "passed", (int)good, "detail", bsc_api_words(detail + 1)));
    }
    return json_pack("{s:b, s:i, s:i, s:I, s:o}", "healthy", (int)healthy, "passed", passed,
                     "failed", failed, "duration_ms", (json_int_t)duration_ms, "checks", checks);
}

void bsc_api_sse_write(struct bsc_text *out, uint64_t sequence, const char *event,
                       const json_t *data)
{
    char *text = json_dumps(data, JSON_COMPACT); /* one line: JSON escapes line ends */
    if (sequence)
        bsc_text_printf(out, "id: %llu\n", (unsigned long long)sequence);
    if (event)
        bsc_text_printf(out, "event: %s\n", event);
    bsc_text_printf(out, "data: %s\n\n", text);
    free(text);
}
