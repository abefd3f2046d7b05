/* SPDX-License-Identifier: Apache-2.0
 * contract/store_client.c - see store_client.h. */
#include "store_client.h"

#include <assert.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void on_event(void *argument, const struct bsc_event *event)
{
    struct store_client *client = argument;
    assert(!client->inside);
    assert(event->token == client->asked && event->kind == client->kind);
    client->answered = event->token;
    client->status = event->status;
    client->full = event->full;
    assert(!event->status == !event->text);
    snprintf(client->text, sizeof client->text, "%s", event->text ? event->text : "");
    assert((event->state != NULL) == (event->kind == BSC_EVENT_LOADED && !event->status));
    if (event->state && client->on_state)
        client->on_state(event->state, client->argument);
}

enum bsc_status store_client_open(struct store_client *client, const struct store_subject *subject,
                                  const char *directory, struct bsc_error *error)
{
    *client = (struct store_client){ .subject = subject };
    int failed = uv_loop_init(&client->loop);
    assert(!failed);
    enum bsc_status status =
        subject->open(directory, &client->loop, on_event, client, &client->store, error);
    if (status) {
        failed = uv_loop_close(&client->loop);
        assert(!failed);
    }
    return status;
}

void store_client_close(struct store_client *client)
{
    client->subject->close(&client->store);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&client->loop);
    assert(!failed);
}

static enum bsc_status wait_for_answer(struct store_client *client)
{
    client->inside = false;
    while (client->answered != client->asked)
        uv_run(&client->loop, UV_RUN_ONCE);
    return client->status;
}

enum bsc_status store_client_commit(struct store_client *client, const struct bsc_change *changes,
                                    unsigned count)
{
    client->kind = BSC_EVENT_COMMITTED;
    client->inside = true;
    client->store.ops->commit(client->store.self, changes, count, ++client->asked);
    return wait_for_answer(client);
}

enum bsc_status store_client_load(struct store_client *client,
                                  void (*on_state)(const struct bsc_stored_state *state,
                                                   void *argument),
                                  void *argument)
{
    client->kind = BSC_EVENT_LOADED;
    client->on_state = on_state;
    client->argument = argument;
    client->inside = true;
    client->store.ops->load(client->store.self, ++client->asked);
    return wait_for_answer(client);
}

void numbered_make(struct numbered *out, uint64_t n)
{
    unsigned small = (unsigned)(n % 10000);
    *out = (struct numbered){ .spec = bsc_spec_create() };
    struct bsc_spec *spec = out->spec;
    spec->name = bsc_arena_copy(&spec->arena, "web");
    spec->version = bsc_arena_printf(&spec->arena, "v%" PRIu64, n);
    spec->directory = "/";
    spec->replicas = 1;
    out->rollout = (struct bsc_rollout_row){
        .id = 3, .service = "web", .release = 1, .started_ms = (int64_t)n
    };
    out->rollout.plan.count = 5;
    for (unsigned i = 0; i < 5; i++)
        out->rollout.plan.steps[i].duration_ms = (int64_t)n;
    out->changes[0] =
        (struct bsc_change){ BSC_PUT_SETTINGS, .settings = { .next_id = n, .next_sequence = n } };
    out->changes[1] = (struct bsc_change){
        BSC_PUT_SERVICE,
        .service = { .name = "web",
                     .spec = spec,
                     .slots = { BSC_BLUE, { BSC_SLOT_LIVE, BSC_SLOT_IDLE }, { true, false } },
                     .release = { 1 },
                     .record = { 2 },
                     .generation = n,
                     .weight_bp = { small, 10000 - small } }
    };
    out->changes[2] = (struct bsc_change){
        BSC_PUT_RELEASE,
        .release = { .id = 1, .service = "web", .spec = spec, .created_ms = (int64_t)n }
    };
    out->changes[3] = (struct bsc_change){
        BSC_PUT_INSTANCE,
        .instance = { .id = "web-1", .service = "web", .release = 1, .port = small }
    };
    out->changes[4] = (struct bsc_change){ BSC_PUT_ROLLOUT, .rollout = &out->rollout };
    out->changes[5] = (struct bsc_change){ BSC_PUT_RECORD, .record = { "web", { .id = 2 } } };
    out->changes[5].record.record.deployed_at_ms = (int64_t)n;
    snprintf(out->changes[5].record.record.reason, BSC_REASON_BYTES, "%0*u", 400, small);
    out->changes[6] = (struct bsc_change){ BSC_ADD_AUDIT, .audit = { .sequence = n } };
    snprintf(out->changes[6].audit.text, BSC_REASON_BYTES, "%0*u", 400, small);
}

void numbered_free(struct numbered *numbered)
{
    bsc_spec_release(numbered->spec);
}

enum bsc_status numbered_commit(struct store_client *client, uint64_t n)
{
    struct numbered numbered;
    numbered_make(&numbered, n);
    enum bsc_status status = store_client_commit(client, numbered.changes, NUMBERED_CHANGES);
    numbered_free(&numbered);
    return status;
}

static void read_number(const struct bsc_stored_state *state, void *argument)
{
    uint64_t *out = argument, n = state->settings.next_id;
    unsigned small = (unsigned)(n % 10000);
    char version[32];
    *out = UINT64_MAX;
    if (state->settings.next_sequence == 1 && !state->service_count && !state->release_count &&
        !state->instance_count && !state->rollout_count && !state->record_count) {
        *out = 0;
        return;
    }
    if (state->service_count != 1 || state->release_count != 1 || state->instance_count != 1 ||
        state->rollout_count != 1 || state->record_count != 1)
        return;
    snprintf(version, sizeof version, "v%" PRIu64, n);
    bool same = state->settings.next_sequence == n && state->services[0].generation == n &&
                state->services[0].weight_bp[0] == small &&
                !strcmp(state->services[0].spec->version, version) &&
                state->releases[0].created_ms == (int64_t)n &&
                !strcmp(state->releases[0].spec->version, version) &&
                state->instances[0].port == small && state->rollouts[0].started_ms == (int64_t)n &&
                state->rollouts[0].plan.count == 5 &&
                state->records[0].record.deployed_at_ms == (int64_t)n;
    for (unsigned i = 0; same && i < 5; i++)
        same = state->rollouts[0].plan.steps[i].duration_ms == (int64_t)n;
    if (same)
        *out = n;
}

enum bsc_status numbered_load(struct store_client *client, uint64_t *out)
{
    return store_client_load(client, read_number, out);
}

static int remove_one(const char *path, const struct stat *file, int type, struct FTW *at)
{
    (void)file;
    (void)type;
    (void)at;
    return remove(path);
}

void remove_directory(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
