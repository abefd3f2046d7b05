/* SPDX-License-Identifier: Apache-2.0
 * The engine's structures become the JSON of docs/api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/route.h"
#include "api/view.h"

/* A service with v1 live in blue and a rollout of v2 at its check in green. */
struct world {
    struct bsc_spec v1, v2;
    struct bsc_instance instances[3];
    struct bsc_release releases[2];
    struct bsc_rollout rollout;
    struct bsc_service service;
    struct bsc_router_service_figures figures;
};

static void put(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static struct bsc_instance make_instance(const char *id, enum bsc_slot slot, unsigned position,
                                         uint64_t release)
{
    struct bsc_instance instance = { .pid = 100 + position };
    put(instance.row.id, sizeof instance.row.id, id);
    put(instance.row.address, sizeof instance.row.address, "127.0.0.1:31000");
    instance.row.slot = slot;
    instance.row.position = position;
    instance.row.release = release;
    instance.row.phase = BSC_INSTANCE_RUNNING;
    instance.health.state = BSC_HEALTH_HEALTHY;
    put(instance.health.last_detail, sizeof instance.health.last_detail, "200 in 3 ms");
    return instance;
}

static void make_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    struct bsc_service *service = &world->service;
    world->v1.version = "v1";
    world->v2.version = "v2";
    world->releases[0].row = (struct bsc_release_row){ .id = 1, .spec = &world->v1 };
    world->releases[1].row = (struct bsc_release_row){ .id = 5, .spec = &world->v2 };
    world->instances[0] = make_instance("web-blue-1-1", BSC_BLUE, 1, 1);
    world->instances[1] = make_instance("web-blue-1-0", BSC_BLUE, 0, 1);
    world->instances[2] = make_instance("web-green-5-0", BSC_GREEN, 0, 5);
    world->instances[2].health.state = BSC_HEALTH_UNKNOWN;
    put(service->name, sizeof service->name, "web");
    bsc_slots_init(&service->row.slots);
    service->row.slots.state[BSC_GREEN] = BSC_SLOT_DEPLOYING;
    service->row.release[BSC_BLUE] = 1;
    service->row.release[BSC_GREEN] = 5;
    service->row.record[BSC_BLUE] = 2;
    service->row.record[BSC_GREEN] = 6;
    service->row.weight_bp[BSC_BLUE] = 10000;
    service->instances = world->instances;
    service->instance_count = 3;
    service->releases = world->releases;
    service->release_count = 2;
    struct bsc_rollout_row *row = &world->rollout.row;
    *row = (struct bsc_rollout_row){
        .id = 12,
        .service = "web",
        .kind = BSC_PLAN_DEPLOY,
        .release = 5,
        .record = 6,
        .slot = BSC_GREEN,
        .walk = { .status = BSC_ROLLOUT_RUNNING, .cursor = 1 },
        .started_ms = 1769860800123,
        .actor = "root",
    };
    row->plan.count = 2;
    row->plan.steps[0] = (struct bsc_step){
        .kind = BSC_STEP_START,
        .state = BSC_STEP_DONE,
        .slot = BSC_GREEN,
        .undo = BSC_UNDO_STOP,
        .instances = 1,
    };
    row->plan.steps[1] =
        (struct bsc_step){ .kind = BSC_STEP_CHECK, .state = BSC_STEP_RUNNING, .slot = BSC_GREEN };
    service->rollout = &world->rollout;
}

/* Walks "a.b.0" through objects and lists. */
static const json_t *at(const json_t *json, const char *path)
{
    while (*path) {
        size_t size = strcspn(path, ".");
        char key[64];
        memcpy(key, path, size);
        key[size] = '\0';
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
                                   : json_object_get(json, key);
        path += size + (path[size] == '.');
    }
    return json;
}

static const char *text_at(const json_t *json, const char *path)
{
    const char *text = json_string_value(at(json, path));
    assert_non_null(text);
    return text;
}

static const struct bsc_api_field *fields_of(const char *schema)
{
    for (size_t i = 0; i < bsc_api_schema_count; i++)
        if (!strcmp(bsc_api_schemas[i].name, schema))
            return bsc_api_schemas[i].fields;
    fail_msg("no schema %s", schema);
    return NULL;
}

/* What the description promises is there, and nothing that it does not name. */
static void assert_described(const json_t *json, const char *schema)
{
    const struct bsc_api_field *fields = fields_of(schema);
    size_t described = 0;
    for (; fields->name; fields++) {
        const json_t *value = json_object_get(json, fields->name);
        if (!value && fields->flags & BSC_API_OPTIONAL)
            continue;
        described++;
        if (!value)
            fail_msg("%s has no %s", schema, fields->name);
        if (json_is_null(value))
            assert_true(fields->flags & BSC_API_NULLABLE);
        else if (fields->type == BSC_API_OBJECT)
            assert_described(value, fields->of);
        else if (fields->type == BSC_API_LIST)
            for (size_t i = 0; fields->of && i < json_array_size(value); i++)
                assert_described(json_array_get(value, i), fields->of);
        else
            assert_int_equal(json_is_integer(value), fields->type == BSC_API_INTEGER);
    }
    assert_int_equal(json_object_size(json), described);
}

static void a_service_shows_both_slots_and_its_rollout(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_described(json, "Service");
    assert_string_equal(text_at(json, "name"), "web");
    assert_string_equal(text_at(json, "live"), "blue");
    assert_string_equal(text_at(json, "slots.blue.state"), "live");
    assert_string_equal(text_at(json, "slots.blue.version"), "v1");
    assert_int_equal(json_integer_value(at(json, "slots.blue.weight_bp")), 10000);
    assert_string_equal(text_at(json, "slots.green.state"), "deploying");
    assert_string_equal(text_at(json, "slots.green.record"), "d6");
    assert_string_equal(text_at(json, "slots.green.instances.0.health"), "unknown");
    assert_string_equal(text_at(json, "traffic"), "serve");
    assert_true(json_is_false(at(json, "held")));
    assert_string_equal(text_at(json, "rollout.id"), "r12");
    assert_string_equal(text_at(json, "rollout.version"), "v2");
    assert_string_equal(text_at(json, "rollout.status"), "running");
    assert_string_equal(text_at(json, "rollout.strategy"), "blue-green");
    assert_string_equal(text_at(json, "rollout.started_at"), "2026-01-31T12:00:00.123Z");
    assert_int_equal(json_integer_value(at(json, "rollout.step")), 1);
    assert_string_equal(text_at(json, "rollout.steps.1.state"), "running");
    assert_true(json_is_null(at(json, "rollout.ended_at")));
    assert_true(json_is_null(at(json, "rollout.reason")));
    json_decref(json);
}

static void a_rollout_that_holds_the_requests_is_told_beside_the_traffic_mode(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    struct bsc_plan *plan = &world.rollout.row.plan;
    plan->steps[0] = (struct bsc_step){ .kind = BSC_STEP_HOLD, .state = BSC_STEP_DONE };
    assert_true(bsc_api_is_held(&world.service));
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_true(json_is_true(at(json, "held")));
    assert_string_equal(text_at(json, "traffic"), "serve");
    json_decref(json);
    world.service.row.traffic = BSC_TRAFFIC_STOP; /* then nobody waits */
    assert_false(bsc_api_is_held(&world.service));
    world.service.row.traffic = BSC_TRAFFIC_SERVE;
    plan->steps[1] = (struct bsc_step){ .kind = BSC_STEP_RESUME, .state = BSC_STEP_DONE };
    assert_false(bsc_api_is_held(&world.service));
}

static void the_way_to_what_is_not_live_is_shown_without_its_secret(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    struct bsc_spec spec = { .preview = { NULL, "X-Look", "0123456789abcdef" } };
    const struct bsc_preview_way way = { "http://shop.example/", "127.0.0.1:80" };
    const enum bsc_slot green = BSC_GREEN;
    world.service.row.spec = &spec;
    json_t *json = bsc_api_view_service(&world.service, &world.figures,
                                        bsc_api_view_preview(&world.service, &green, &way));
    assert_described(json, "Service");
    assert_string_equal(text_at(json, "preview.slot"), "green");
    assert_string_equal(text_at(json, "preview.version"), "v2");
    assert_string_equal(text_at(json, "preview.header"), "X-Look");
    assert_string_equal(text_at(json, "preview.url"), "http://shop.example/");
    char *text = json_dumps(json, 0);
    assert_null(strstr(text, "0123456789abcdef"));
    free(text);
    json_decref(json);
    json = bsc_api_view_preview(&world.service, NULL, &(struct bsc_preview_way){ "", "" });
    assert_described(json, "Preview");
    assert_true(json_is_null(at(json, "slot")) && json_is_null(at(json, "url")));
    json_decref(json);
    spec.preview.token = NULL;
    json = bsc_api_view_preview(&world.service, NULL, &way);
    assert_true(json_is_null(json));
    json_decref(json);
}

static void instances_come_by_position(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_int_equal(json_array_size(at(json, "slots.blue.instances")), 2);
    assert_string_equal(text_at(json, "slots.blue.instances.0.id"), "web-blue-1-0");
    assert_string_equal(text_at(json, "slots.blue.instances.1.id"), "web-blue-1-1");
    json_decref(json);
}

static void a_rollout_that_is_over_is_no_longer_the_rollout(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.rollout.row.walk = (struct bsc_walk){ .status = BSC_ROLLOUT_FAILED, .cursor = 2 };
    put(world.rollout.row.reason, sizeof world.rollout.row.reason, "not healthy by the deadline");
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_described(json, "Service");
    assert_true(json_is_null(at(json, "rollout")));
    assert_string_equal(text_at(json, "last_rollout.status"), "failed");
    assert_string_equal(text_at(json, "last_rollout.reason"), "not healthy by the deadline");
    json_decref(json);
}

static void rescues_are_those_of_the_rollout(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.figures = (struct bsc_router_service_figures){
        .requests = 1000, .ejections = 2, .rollout = 12, .rescues = { .status = 7, .refused = 1 }
    };
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_described(json, "Service");
    assert_int_equal(json_integer_value(at(json, "figures.requests")), 1000);
    assert_int_equal(json_integer_value(at(json, "figures.ejections")), 2);
    assert_int_equal(json_integer_value(at(json, "rollout.rescues.status")), 7);
    assert_int_equal(json_integer_value(at(json, "rollout.rescues.refused")), 1);
    json_decref(json);
    world.figures.rollout = 11;
    json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_described(json, "Service");
    assert_true(json_is_null(at(json, "rollout.rescues")));
    json_decref(json);
}

static void what_is_not_known_is_null(void **unused)
{
    (void)unused;
    struct world world;
    memset(&world, 0, sizeof world);
    put(world.service.name, sizeof world.service.name, "web");
    bsc_slots_init(&world.service.row.slots);
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_described(json, "Service");
    assert_string_equal(text_at(json, "slots.blue.state"), "live");
    assert_true(json_is_null(at(json, "slots.blue.version")));
    assert_true(json_is_null(at(json, "rollout")));
    assert_int_equal(json_array_size(at(json, "slots.green.instances")), 0);
    json_decref(json);
}

static void a_rollouts_version_is_known_from_its_record_when_its_release_is_gone(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.service.release_count = 1;
    assert_null(bsc_api_rollout_version(&world.service));
    world.service.records[BSC_GREEN].id = 6;
    put(world.service.records[BSC_GREEN].version, sizeof world.service.records[BSC_GREEN].version,
        "v2");
    assert_string_equal(bsc_api_rollout_version(&world.service), "v2");
}

static void an_instance_that_restarts_tells_how_it_exited(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.instances[2].row.phase = BSC_INSTANCE_RESTARTING;
    world.instances[2].pid = 0;
    put(world.instances[2].last_exit, sizeof world.instances[2].last_exit, "exited with status 1");
    json_t *json = bsc_api_view_service(&world.service, &world.figures, json_null());
    assert_string_equal(text_at(json, "slots.green.instances.0.detail"), "exited with status 1");
    assert_true(json_is_null(at(json, "slots.green.instances.0.pid")));
    json_decref(json);
}

static void a_check_counts_who_passed(void **unused)
{
    (void)unused;
    static const char *const lines[] = { "web-green-5-0\tpassed\t200 in 3 ms",
                                         "web-green-5-1\tfailed\tconnection\trefused" };
    json_t *json = bsc_api_view_check(lines, 2, false, 31);
    assert_described(json, "CheckResult");
    assert_int_equal(json_integer_value(at(json, "passed")), 1);
    assert_int_equal(json_integer_value(at(json, "failed")), 1);
    assert_int_equal(json_integer_value(at(json, "duration_ms")), 31);
    assert_string_equal(text_at(json, "checks.0.instance"), "web-green-5-0");
    assert_true(json_is_true(at(json, "checks.0.passed")));
    assert_string_equal(text_at(json, "checks.1.detail"), "connection\\x09refused");
    json_decref(json);
}

static void records_and_events_are_as_described(void **unused)
{
    (void)unused;
    struct bsc_record record = { .id = 3, .slot = BSC_GREEN, .status = BSC_RECORD_FAILED };
    put(record.version, sizeof record.version, "v2");
    record.deployed_at_ms = 1769860800123;
    json_t *json = bsc_api_view_record(&record);
    assert_described(json, "Record");
    assert_string_equal(text_at(json, "id"), "d3");
    assert_string_equal(text_at(json, "status"), "failed");
    assert_true(json_is_null(at(json, "switched_at")));
    json_decref(json);
    struct bsc_audit_row row = { .sequence = 7, .at_ms = 1769860800123, .rollout = 12 };
    put(row.kind, sizeof row.kind, "step");
    json = bsc_api_view_event(&row);
    assert_described(json, "Event");
    assert_string_equal(text_at(json, "rollout"), "r12");
    assert_true(json_is_null(at(json, "service")));
    json_decref(json);
}

static void control_characters_and_broken_utf8_are_escaped(void **unused)
{
    (void)unused;
    json_t *json = bsc_api_words("a\x1b[31m\xff\r\nb");
    assert_string_equal(json_string_value(json), "a\\x1b[31m\\xff\\x0d\nb");
    json_decref(json);
    json = bsc_api_words_or_null("");
    assert_true(json_is_null(json));
    json_decref(json);
}

static void ids_are_read_as_they_are_written(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_api_id_parse('r', "r12"), 12);
    static const char *const bad[] = { "",    "r",    "12",
                                       "d12", "r0",   "r-1",
                                       "r 1", "r12x", "r99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bsc_api_id_parse('r', bad[i]), 0);
}

static void a_server_sent_event_is_one_block_of_lines(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    json_t *json = json_pack("{s:s}", "text", "two\nlines");
    bsc_api_sse_write(&text, 7, NULL, json);
    bsc_api_sse_write(&text, 0, "changed", json);
    assert_string_equal(bsc_text_get(&text),
                        "id: 7\ndata: {\"text\":\"two\\nlines\"}\n\n"
                        "event: changed\ndata: {\"text\":\"two\\nlines\"}\n\n");
    json_decref(json);
    bsc_text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_shows_both_slots_and_its_rollout),
        cmocka_unit_test(a_rollout_that_holds_the_requests_is_told_beside_the_traffic_mode),
        cmocka_unit_test(the_way_to_what_is_not_live_is_shown_without_its_secret),
        cmocka_unit_test(instances_come_by_position),
        cmocka_unit_test(a_rollout_that_is_over_is_no_longer_the_rollout),
        cmocka_unit_test(rescues_are_those_of_the_rollout),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(a_rollouts_version_is_known_from_its_record_when_its_release_is_gone),
        cmocka_unit_test(an_instance_that_restarts_tells_how_it_exited),
        cmocka_unit_test(a_check_counts_who_passed),
        cmocka_unit_test(records_and_events_are_as_described),
        cmocka_unit_test(control_characters_and_broken_utf8_are_escaped),
        cmocka_unit_test(ids_are_read_as_they_are_written),
        cmocka_unit_test(a_server_sent_event_is_one_block_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
