/* SPDX-License-Identifier: Apache-2.0
 * History, events and old rollouts are read in pages, in order, from what is committed.
 */
#include <stdio.h>
#include <string.h>

#include "store_place.h"

/* What the last question was answered: ids or sequence numbers. */
static uint64_t rows[2000];
static unsigned count;
static struct bsc_audit_row last_event;
static char last_service[64];
static struct bsc_record last_record;
static struct bsc_rollout_row last_rollout;

static int set_up(void **unused)
{
    make_directory(unused);
    open_store(directory);
    loaded();
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    store_client_close(&client);
    remove_directory(directory);
    return 0;
}

static void on_record(void *argument, const struct bsc_record *record)
{
    (void)argument;
    rows[count++] = record->id;
    last_record = *record;
}

static void on_event(void *argument, const struct bsc_audit_row *row)
{
    (void)argument;
    rows[count++] = row->sequence;
    last_event = *row;
    snprintf(last_service, sizeof last_service, "%s", row->service ? row->service : "(none)");
}

static void on_rollout(void *argument, const struct bsc_rollout_row *row)
{
    (void)argument;
    last_rollout = *row;
    snprintf(last_service, sizeof last_service, "%s", row->service);
}

static void history(const char *service, uint64_t before, unsigned limit)
{
    count = 0;
    if (bsc_store_history(&client.store, service, before, limit, on_record, NULL, &error))
        fail_msg("%s", error.text);
}

static void events(const char *service, uint64_t after, unsigned limit, bool newest)
{
    struct bsc_events_query query = { service, after, limit, newest };
    count = 0;
    if (bsc_store_events(&client.store, &query, on_event, NULL, &error))
        fail_msg("%s", error.text);
}

static void expect(unsigned wanted, uint64_t first, uint64_t step)
{
    assert_int_equal(count, wanted);
    for (unsigned i = 0; i < wanted; i++)
        assert_int_equal(rows[i], first + i * step);
}

/* Odd numbers belong to web, even ones to api. */
static void fill(void)
{
    enum { EACH = 1500 };
    static struct bsc_change changes[2 * EACH];
    for (unsigned i = 0; i < EACH; i++) {
        const char *service = i % 2 ? "api" : "web";
        changes[2 * i] =
            (struct bsc_change){ BSC_PUT_RECORD, .record = { service, { .id = i + 1 } } };
        changes[2 * i + 1] =
            (struct bsc_change){ BSC_ADD_AUDIT,
                                 .audit = { .sequence = i + 1, .service = service, .at_ms = i } };
    }
    assert_int_equal(store_client_commit(&client, changes, 2 * EACH), BSC_OK);
}

static void history_is_read_in_pages_from_the_newest_back(void **unused)
{
    (void)unused;
    history("web", 0, 10);
    expect(0, 0, 0);
    fill();
    history("web", 0, 3);
    expect(3, 1495, 2);
    history("web", 1495, 3);
    expect(3, 1489, 2);
    history("web", 5, 100);
    expect(2, 1, 2);
    history("api", 0, 5000);
    expect(750, 2, 2);
    history("nobody", 0, 10);
    expect(0, 0, 0);
    history("web' OR 1=1 --", 0, 10);
    expect(0, 0, 0);
}

static void events_are_read_in_pages_of_at_most_a_thousand(void **unused)
{
    (void)unused;
    fill();
    events(NULL, 0, 5000, false);
    expect(BSC_STORE_PAGE_MAX, 1, 1);
    events(NULL, 1000, 5000, false);
    expect(500, 1001, 1);
    events(NULL, 0, 5, true);
    expect(5, 1496, 1);
    events(NULL, 1498, 5, true);
    expect(2, 1499, 1);
    events("api", 0, 3, false);
    expect(3, 2, 2);
    events("api", 4, 3, false);
    expect(3, 6, 2);
    events("api", 0, 2, true);
    expect(2, 1498, 2);
    events(NULL, 0, 0, false);
    expect(0, 0, 0);
    events(NULL, UINT64_C(1) << 62, 10, false);
    expect(0, 0, 0);
}

static void every_field_of_an_event_comes_back(void **unused)
{
    (void)unused;
    struct bsc_change change = { BSC_ADD_AUDIT,
                                 .audit = { 7, 1769860800123, NULL, 12, "deploy", "uid 1000",
                                            BSC_TIMEOUT, "web v2: \"begun\"\n" } };
    assert_int_equal(store_client_commit(&client, &change, 1), BSC_OK);
    events(NULL, 0, 10, false);
    assert_int_equal(count, 1);
    assert_int_equal(last_event.sequence, 7);
    assert_int_equal(last_event.at_ms, 1769860800123);
    assert_string_equal(last_service, "(none)");
    assert_int_equal(last_event.rollout, 12);
    assert_string_equal(last_event.kind, "deploy");
    assert_string_equal(last_event.actor, "uid 1000");
    assert_int_equal(last_event.error, BSC_TIMEOUT);
    assert_string_equal(last_event.text, "web v2: \"begun\"\n");
    change.audit.sequence = 8;
    change.audit.service = "web";
    assert_int_equal(store_client_commit(&client, &change, 1), BSC_OK);
    events("web", 0, 10, false); /* what was committed since is seen */
    expect(1, 8, 1);
    assert_string_equal(last_service, "web");
}

static void a_deleted_service_keeps_its_history(void **unused)
{
    (void)unused;
    assert_int_equal(numbered_commit(&client, 1), BSC_OK);
    struct bsc_change delete = { BSC_DELETE_SERVICE, .service = { .name = "web" } };
    assert_int_equal(store_client_commit(&client, &delete, 1), BSC_OK);
    history("web", 0, 10);
    expect(1, 2, 1);
    assert_int_equal(last_record.deployed_at_ms, 1);
    assert_int_equal(bsc_store_rollout(&client.store, 3, on_rollout, NULL, &error), BSC_OK);
    assert_string_equal(last_service, "web");
    assert_int_equal(last_rollout.id, 3);
    assert_int_equal(last_rollout.plan.count, 5);
    assert_int_equal(last_rollout.plan.steps[4].duration_ms, 1);
}

static void an_unknown_rollout_is_not_found(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_store_rollout(&client.store, 12, on_rollout, NULL, &error), BSC_NOT_FOUND);
    assert_string_equal(error.text, "there is no rollout r12");
}

int main(void)
{
#define query_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        query_test(history_is_read_in_pages_from_the_newest_back),
        query_test(events_are_read_in_pages_of_at_most_a_thousand),
        query_test(every_field_of_an_event_comes_back),
        query_test(a_deleted_service_keeps_its_history),
        query_test(an_unknown_rollout_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
