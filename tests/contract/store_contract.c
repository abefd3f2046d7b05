/* SPDX-License-Identifier: Apache-2.0
 * contract/store_contract.c - what is committed is there, whole, whatever happens; the rest is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_contract.h"
#include "store_same.h"

static struct fixture {
    const struct store_subject *subject;
    char directory[64];
    struct store_client client;
    bool open;
} the;

static void reopen(void)
{
    struct bsc_error error;
    if (the.open)
        store_client_close(&the.client);
    the.open = false;
    if (store_client_open(&the.client, the.subject, the.directory, &error))
        fail_msg("%s", error.text);
    the.open = true;
}

static int set_up(void **unused)
{
    (void)unused;
    snprintf(the.directory, sizeof the.directory, "/tmp/bascule-test-XXXXXX");
    assert_non_null(mkdtemp(the.directory));
    reopen();
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    if (the.open)
        store_client_close(&the.client);
    the.open = false;
    remove_directory(the.directory);
    return 0;
}

static void commit(const struct bsc_change *changes, unsigned count)
{
    if (store_client_commit(&the.client, changes, count))
        fail_msg("%s", the.client.text);
}

static void commit_one(struct bsc_change change)
{
    commit(&change, 1);
}

/* Loads twice: from the store that wrote, and from one opened afresh. */
static void check(void (*on_state)(const struct bsc_stored_state *state, void *argument),
                  const void *argument)
{
    for (unsigned i = 0; i < 2; i++) {
        if (store_client_load(&the.client, on_state, (void *)(uintptr_t)argument))
            fail_msg("%s", the.client.text);
        reopen();
    }
}

/* --- rows --- */

static struct bsc_spec *make_spec(const char *name, const char *version)
{
    static const char *const argv[] = { "python3", "app.py", "--say", "\"quoted\" \\ \xc3\xa9" };
    static const char *const variables[] = { "A=1", "EMPTY=", "TWO=line\nbreak" };
    static const struct bsc_route routes[] = { { "shop.example", "/" }, { NULL, "/api" } };
    struct bsc_spec *spec = bsc_spec_create();
    spec->name = bsc_arena_copy(&spec->arena, name);
    spec->version = bsc_arena_copy(&spec->arena, version);
    spec->route_count = 2;
    spec->routes = routes;
    spec->preview = (struct bsc_preview_spec){ "p.example", "X-Look", "0123456789abcdef" };
    spec->command.argv = (struct bsc_strings){ 4, argv };
    spec->directory = "/srv/web";
    spec->environment = (struct bsc_strings){ 3, variables };
    spec->replicas = 3;
    spec->grace_ms = 10000;
    spec->health = (struct bsc_health_spec){ .path = "/health",
                                             .status_low = 200,
                                             .status_high = 399,
                                             .interval_ms = 1000,
                                             .timeout_ms = 2000,
                                             .rise = 2,
                                             .fall = 3,
                                             .deadline_ms = 60000,
                                             .min_healthy_percent = 100 };
    return spec;
}

static struct bsc_change service_change(const char *name, const struct bsc_spec *spec)
{
    struct bsc_change change = { BSC_PUT_SERVICE, .service = { .name = name, .spec = spec } };
    bsc_slots_init(&change.service.slots);
    change.service.weight_bp[BSC_BLUE] = BSC_WEIGHT_FULL_BP;
    return change;
}

static struct bsc_change release_change(uint64_t id, const char *service,
                                        const struct bsc_spec *spec)
{
    return (struct bsc_change){ BSC_PUT_RELEASE,
                                .release = { .id = id, .service = service, .spec = spec } };
}

static void put_service(const char *name, uint64_t release)
{
    struct bsc_spec *spec = make_spec(name, "v1");
    struct bsc_change changes[] = { service_change(name, spec),
                                    release_change(release, name, spec) };
    commit(changes, 2);
    bsc_spec_release(spec);
}

/* --- what is put comes back --- */

static void expect_nothing(const struct bsc_stored_state *state, void *unused)
{
    (void)unused;
    assert_int_equal(state->settings.next_id, 1);
    assert_int_equal(state->settings.next_sequence, 1);
    assert_int_equal(state->settings.next_port, 0);
    assert_int_equal(state->service_count + state->release_count + state->instance_count +
                         state->rollout_count + state->record_count,
                     0);
}

static void a_new_store_is_empty(void **unused)
{
    (void)unused;
    check(expect_nothing, NULL);
}

static void expect_settings(const struct bsc_stored_state *state, void *argument)
{
    const struct bsc_settings *want = argument;
    assert_field(&state->settings, want, next_id);
    assert_field(&state->settings, want, next_sequence);
    assert_field(&state->settings, want, next_port);
}

static void settings_come_back(void **unused)
{
    (void)unused;
    struct bsc_change change = { BSC_PUT_SETTINGS,
                                 .settings = { UINT64_C(1) << 62, UINT64_C(1) << 40, 65535 } };
    commit(&change, 1);
    check(expect_settings, &change.settings);
    change.settings = (struct bsc_settings){ 12, 13, 31000 };
    commit(&change, 1);
    check(expect_settings, &change.settings);
}

struct all_rows {
    struct bsc_service_row service;
    struct bsc_release_row release;
    struct bsc_instance_row instance;
    struct bsc_rollout_row rollout;
    struct bsc_record record;
};

static void expect_all(const struct bsc_stored_state *state, void *argument)
{
    const struct all_rows *want = argument;
    assert_int_equal(state->service_count, 1);
    assert_int_equal(state->release_count, 1);
    assert_int_equal(state->instance_count, 1);
    assert_int_equal(state->rollout_count, 1);
    assert_int_equal(state->record_count, 1);
    assert_same_service(&state->services[0], &want->service);
    assert_same_release(&state->releases[0], &want->release);
    assert_same_instance(&state->instances[0], &want->instance);
    assert_same_rollout(&state->rollouts[0], &want->rollout);
    assert_string_equal(state->records[0].service, "web");
    assert_same_record(&state->records[0].record, &want->record);
}

static void commit_all(const struct all_rows *rows, struct bsc_rollout_row *rollout)
{
    /* Instances before their release before its service: the order is free. */
    struct bsc_change changes[] = {
        { BSC_PUT_INSTANCE, .instance = rows->instance },
        { BSC_PUT_RELEASE, .release = rows->release },
        { BSC_PUT_ROLLOUT, .rollout = rollout },
        { BSC_PUT_SERVICE, .service = rows->service },
        { BSC_PUT_RECORD, .record = { "web", rows->record } },
    };
    commit(changes, 5);
}

static void fill(char *out, size_t size, const char *pattern)
{
    for (size_t i = 0; i + 1 < size; i++)
        out[i] = pattern[i % strlen(pattern)];
    out[size - 1] = '\0';
}

static const struct all_rows full_rows = {
    .service = { .name = "web",
                 .slots = { BSC_GREEN, { BSC_SLOT_STANDBY, BSC_SLOT_LIVE }, { true, true } },
                 .release = { 11, 0 },
                 .record = { 0, 21 },
                 .standby_until_ms = 1769860800123,
                 .removed = true,
                 .traffic = BSC_TRAFFIC_MAINTENANCE,
                 .generation = UINT64_C(1) << 40,
                 .weight_bp = { 1, 9999 },
                 .affinity_key = "0123456789abcdef0123456789abcdef",
                 .stable = BSC_GREEN,
                 .lock = { 1769860800000, "anna", "incident 42" },
                 .next = { { 15, "all" }, UINT64_C(1) << 51, 11, BSC_PLAN_REVERT, "anna" } },
    .release = { 11, "web", NULL, 1769860800001, 1769860800002, true, 14, 0, 0,
                 "shop/web@sha256:0123" },
    .instance = { .service = "web",
                  .release = 11,
                  .slot = BSC_GREEN,
                  .position = 7,
                  .port = 65535,
                  .phase = BSC_INSTANCE_DRAINING,
                  .healthy = true },
    .rollout = { .id = UINT64_C(1) << 50,
                 .service = "web",
                 .kind = BSC_PLAN_REVERT,
                 .release = 11,
                 .record = 21,
                 .slot = BSC_GREEN,
                 .walk = { BSC_ROLLOUT_UNDOING, BSC_ROLLOUT_CANCELLED, 31, true },
                 .started_ms = 1769860800003,
                 .ended_ms = 1769860800004,
                 .paused_ms = 1769860800005,
                 .paused_by = "anna",
                 .baked_ms = 7,
                 .group = { 15, "shop" } },
    .record = { .id = 21,
                .slot = BSC_GREEN,
                .status = BSC_RECORD_ROLLED_BACK,
                .deployed_at_ms = 1,
                .switched_at_ms = 2,
                .rolled_back_at_ms = 3 },
};

static void every_field_comes_back(void **unused)
{
    (void)unused;
    struct all_rows rows = full_rows;
    struct bsc_spec *file = make_spec("web", NULL), *release = make_spec("web", "v1.2-rc+3");
    rows.service.spec = file;
    rows.release.spec = release;
    fill(rows.instance.id, sizeof rows.instance.id, "web-green-12-");
    fill(rows.instance.address, sizeof rows.instance.address, "unix:/a/");
    fill(rows.rollout.actor, sizeof rows.rollout.actor, "uid 1000 ");
    rows.rollout.error = BSC_UNHEALTHY, rows.rollout.passed = 1, rows.rollout.total = 2;
    rows.rollout.before = (struct bsc_baseline){ 1000, 7, 990, { 1000, 2000, 30000 } };
    rows.record.error = BSC_NO_SWITCH;
    fill(rows.rollout.reason, sizeof rows.rollout.reason, "it's \"bad\";\n\t\x01 -- %s ");
    fill(rows.record.version, sizeof rows.record.version, "v1.0-");
    fill(rows.record.reason, sizeof rows.record.reason, "\xff not UTF-8 ");
    rows.rollout.plan.count = BSC_PLAN_STEPS_MAX;
    for (unsigned i = 0; i < BSC_PLAN_STEPS_MAX; i++)
        rows.rollout.plan.steps[i] = (struct bsc_step){
            .kind = i % BSC_STEP_KIND_COUNT,
            .state = i % BSC_STEP_STATE_COUNT,
            .undo = i % (BSC_UNDO_HOOK + 1),
            .slot = i % BSC_SLOT_COUNT,
            .hook = i % BSC_HOOK_COUNT,
            .weight_bp = 10000 - i,
            .instances = i,
            .duration_ms = INT64_C(1) << 40,
            .timeout_ms = i,
        };
    commit_all(&rows, &rows.rollout);
    check(expect_all, &rows);

    rows.service.standby_until_ms = 0; /* everything changes, the plan gets shorter */
    rows.service.slots = (struct bsc_slots){ BSC_BLUE, { BSC_SLOT_LIVE, BSC_SLOT_IDLE }, { 0 } };
    rows.release.rejected = false;
    snprintf(rows.instance.address, sizeof rows.instance.address, "127.0.0.1:1");
    snprintf(rows.record.reason, sizeof rows.record.reason, "%s", "");
    rows.rollout.plan.count = 1;
    rows.rollout.walk.cursor = 0;
    rows.rollout.paused_ms = rows.rollout.walk.paused = 0;
    rows.rollout.plan.steps[0].state = BSC_STEP_UNDONE;
    rows.rollout.ended_ms = 0;
    commit_all(&rows, &rows.rollout);
    check(expect_all, &rows);
    bsc_spec_release(file);
    bsc_spec_release(release);
}

static void every_value_of_every_enumeration_comes_back(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = make_spec("web", "v1");
    for (unsigned i = 0; i < 10; i++) { /* more than the longest has */
        struct all_rows rows = {
            .service = { .name = "web",
                         .spec = spec,
                         .slots = { i % 2,
                                    { 1 + i % (BSC_SLOT_STATE_COUNT - 1),
                                      1 + (i + 1) % (BSC_SLOT_STATE_COUNT - 1) },
                                    { i % 2, i % 3 == 0 } },
                         .release = { 1, 1 },
                         .record = { 2, 2 },
                         .traffic = i % (BSC_TRAFFIC_STOP + 1),
                         .weight_bp = { BSC_WEIGHT_FULL_BP, 0 },
                         .stable = (i + 1) % 2 },
            .release = { .id = 1, .service = "web", .spec = spec },
            .instance = { .id = "web-1",
                          .service = "web",
                          .release = 1,
                          .slot = i % 2,
                          .phase = i % BSC_INSTANCE_PHASE_COUNT,
                          .healthy = i % 2 },
            .rollout = { .id = 3,
                         .service = "web",
                         .kind = i % BSC_PLAN_KIND_COUNT,
                         .release = 1,
                         .slot = i % 2,
                         .walk = { i % BSC_ROLLOUT_STATUS_COUNT, (i + 2) % BSC_ROLLOUT_STATUS_COUNT,
                                   i },
                         .plan.count = 10 },
            .record = { .id = 2, .slot = i % 2, .status = i % BSC_RECORD_STATUS_COUNT },
        };
        commit_all(&rows, &rows.rollout);
        check(expect_all, &rows);
    }
    bsc_spec_release(spec);
}

static void expect_many(const struct bsc_stored_state *state, void *unused)
{
    (void)unused;
    assert_int_equal(state->service_count, 1000);
    assert_int_equal(state->release_count, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "service-%03u", i);
        assert_string_equal(state->services[i].name, name);
        assert_string_equal(state->releases[i].service, name);
        assert_int_equal(state->releases[i].id, i + 1);
    }
}

static void a_thousand_services_come_back(void **unused)
{
    (void)unused;
    static struct bsc_change changes[2000];
    static char names[1000][32];
    static struct bsc_spec *specs[1000];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "service-%03u", i);
        specs[i] = make_spec(names[i], "v1");
        changes[2 * i] = service_change(names[i], specs[i]);
        changes[2 * i + 1] = release_change(i + 1, names[i], specs[i]);
    }
    commit(changes, 2000);
    check(expect_many, NULL);
    for (unsigned i = 0; i < 1000; i++)
        bsc_spec_release(specs[i]);
}

/* --- what is deleted goes, and nothing else --- */

struct counts {
    unsigned services, releases, instances, rollouts, records;
};

static void expect_counts(const struct bsc_stored_state *state, void *argument)
{
    const struct counts *want = argument;
    assert_int_equal(state->service_count, want->services);
    assert_int_equal(state->release_count, want->releases);
    assert_int_equal(state->instance_count, want->instances);
    assert_int_equal(state->rollout_count, want->rollouts);
    assert_int_equal(state->record_count, want->records);
}

static struct bsc_change instance_change(const char *id, const char *service, uint64_t release)
{
    struct bsc_change change = { BSC_PUT_INSTANCE,
                                 .instance = { .service = service, .release = release } };
    snprintf(change.instance.id, sizeof change.instance.id, "%s", id);
    return change;
}

static void a_deleted_service_takes_its_releases_and_instances_and_leaves_its_history(void **unused)
{
    (void)unused;
    struct bsc_rollout_row rollout = {
        .id = 9, .service = "web", .walk.status = BSC_ROLLOUT_FAILED, .started_ms = 1, .ended_ms = 1
    };
    put_service("web", 1);
    put_service("api", 2);
    commit_one(instance_change("web-1", "web", 1));
    commit_one(instance_change("api-1", "api", 2));
    commit_one((struct bsc_change){ BSC_PUT_ROLLOUT, .rollout = &rollout });
    commit_one((struct bsc_change){ BSC_PUT_RECORD, .record = { "web", { .id = 8 } } });
    check(expect_counts, &(struct counts){ 2, 2, 2, 1, 0 });

    commit_one((struct bsc_change){ BSC_DELETE_SERVICE, .service = { .name = "web" } });
    check(expect_counts, &(struct counts){ 1, 1, 1, 0, 0 });

    struct bsc_spec *spec = make_spec("web", NULL);
    struct bsc_change again = service_change("web", spec);
    again.service.record[BSC_BLUE] = 8; /* the record and the rollout stayed */
    commit_one(again);
    bsc_spec_release(spec);
    check(expect_counts, &(struct counts){ 2, 1, 1, 1, 1 });
}

static void a_deleted_release_or_instance_is_gone(void **unused)
{
    (void)unused;
    put_service("web", 1);
    commit_one(instance_change("web-1", "web", 1));
    commit_one(instance_change("web-2", "web", 1));
    commit_one((struct bsc_change){ BSC_DELETE_INSTANCE, .instance = { .id = "web-1" } });
    check(expect_counts, &(struct counts){ 1, 1, 1, 0, 0 });
    struct bsc_change both[] = { { BSC_DELETE_RELEASE, .release = { .id = 1 } },
                                 { BSC_DELETE_INSTANCE, .instance = { .id = "web-2" } } };
    commit(both, 2);
    check(expect_counts, &(struct counts){ 1, 0, 0, 0, 0 });
    commit(both, 2); /* again: nothing to do */
    check(expect_counts, &(struct counts){ 1, 0, 0, 0, 0 });
}

static void expect_rollouts(const struct bsc_stored_state *state, void *unused)
{
    (void)unused;
    assert_int_equal(state->rollout_count, 3);
    assert_int_equal(state->rollouts[0].id, 4); /* of api */
    assert_int_equal(state->rollouts[1].id, 5); /* has not ended */
    assert_int_equal(state->rollouts[2].id, 7); /* the newest of web */
}

static void of_ended_rollouts_the_newest_of_each_service_is_loaded(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t id;
        const char *service;
        int64_t ended_ms;
    } cases[] = {
        { 3, "web", 30 }, { 4, "api", 40 }, { 5, "web", 0 }, { 6, "web", 60 },
        { 7, "web", 70 }, { 8, "gone", 0 }, { 9, "web", 90 }
    }; /* the last one never began */
    put_service("web", 1);
    put_service("api", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_rollout_row row = { .id = cases[i].id,
                                       .service = cases[i].service,
                                       .walk.status = BSC_ROLLOUT_FAILED,
                                       .started_ms = cases[i].id == 9 ? 0 : 1,
                                       .ended_ms = cases[i].ended_ms };
        commit_one((struct bsc_change){ BSC_PUT_ROLLOUT, .rollout = &row });
    }
    check(expect_rollouts, NULL);
}

/* --- all or nothing --- */

static void a_transaction_that_fails_leaves_nothing(void **unused)
{
    (void)unused;
    struct numbered refused;
    uint64_t n = 0;
    assert_int_equal(numbered_commit(&the.client, 1), BSC_OK);
    numbered_make(&refused, 2);
    refused.changes[6].audit.sequence = 1; /* is there: the audit is never changed */
    assert_int_equal(store_client_commit(&the.client, refused.changes, NUMBERED_CHANGES),
                     BSC_FAILED);
    numbered_free(&refused);
    assert_int_equal(numbered_load(&the.client, &n), BSC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(numbered_commit(&the.client, 2), BSC_OK);
    reopen();
    assert_int_equal(numbered_load(&the.client, &n), BSC_OK);
    assert_int_equal(n, 2);
}

static void what_refers_to_nothing_is_refused(void **unused)
{
    (void)unused;
    put_service("web", 1);
    struct bsc_change orphan = instance_change("web-1", "web", 99);
    assert_int_equal(store_client_commit(&the.client, &orphan, 1), BSC_FAILED);
    orphan = (struct bsc_change){ BSC_DELETE_RELEASE, .release = { .id = 1 } };
    commit_one(instance_change("web-1", "web", 1));
    assert_int_equal(store_client_commit(&the.client, &orphan, 1), BSC_FAILED);
    check(expect_counts, &(struct counts){ 1, 1, 1, 0, 0 });
}

/* --- killed at any moment --- */

static void commit_until_killed(int tell)
{
    struct store_client client;
    struct bsc_error error;
    uint64_t n = 0;
    if (store_client_open(&client, the.subject, the.directory, &error) ||
        numbered_load(&client, &n) || n == UINT64_MAX)
        _exit(1);
    for (;;) {
        n++;
        if (numbered_commit(&client, n))
            _exit(1);
        if (write(tell, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

static void what_was_committed_survives_a_kill_at_any_moment(void **unused)
{
    (void)unused;
    uint64_t told = 0, n = 0;
    unsigned random = 12345, untold = 0; /* one transaction a kill may be committed and not told */
    store_client_close(&the.client);
    the.open = false;
    for (unsigned kills = 0; kills < 100; kills++) {
        int ends[2], wait_status;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (!child) {
            close(ends[0]);
            commit_until_killed(ends[1]);
        }
        close(ends[1]);
        untold++;
        random = random * 1103515245 + 12345;
        if (kills % 2 && read(ends[0], &told, sizeof told) == sizeof told)
            untold = 1; /* it works: kill it in the middle of that; the others while they open */
        usleep(random / 65536 % 30000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &wait_status, 0), child);
        assert_true(WIFSIGNALED(wait_status)); /* and not exit(1) */
        while (read(ends[0], &told, sizeof told) == sizeof told)
            untold = 1;
        close(ends[0]);
        if (kills % 4) /* the child opens what was left behind, or we do */
            continue;
        reopen();
        assert_int_equal(numbered_load(&the.client, &n), BSC_OK);
        store_client_close(&the.client);
        the.open = false;
        assert_in_range(n, told, told + untold);
        told = n;
        untold = 0;
    }
    reopen();
    assert_int_equal(numbered_load(&the.client, &n), BSC_OK);
    assert_in_range(n, told, told + untold);
    print_message("%llu transactions\n", (unsigned long long)n);
    assert_true(n > 10);
}

int store_contract_run(const struct store_subject *subject)
{
    the.subject = subject;
#define store_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        store_test(a_new_store_is_empty),
        store_test(settings_come_back),
        store_test(every_field_comes_back),
        store_test(every_value_of_every_enumeration_comes_back),
        store_test(a_thousand_services_come_back),
        store_test(a_deleted_service_takes_its_releases_and_instances_and_leaves_its_history),
        store_test(a_deleted_release_or_instance_is_gone),
        store_test(of_ended_rollouts_the_newest_of_each_service_is_loaded),
        store_test(a_transaction_that_fails_leaves_nothing),
        store_test(what_refers_to_nothing_is_refused),
        store_test(what_was_committed_survives_a_kill_at_any_moment),
    };
    return cmocka_run_group_tests_name(subject->name, tests, NULL, NULL);
}
