/* SPDX-License-Identifier: Apache-2.0
 * api/api.h - the HTTP API on the controller's Unix socket (docs/api.md).
 *
 * libmicrohttpd without threads of its own, turned by the controller's loop. Commands become events
 * of the engine and wait for its reply; views run inside BSC_EVENT_QUERY, so that nothing is shown
 * that is not durable. Everything runs in the loop's thread; no function here blocks on a network.
 */
#ifndef BASCULE_API_API_H
#define BASCULE_API_API_H

#include <stdbool.h>
#include <uv.h>

#include "engine/engine.h"
#include "ports/notifier.h"
#include "ports/router.h"

/* Tokens of the API's commands begin here and grow: whoever else submits commands stays below. */
#define BSC_API_TOKEN_FIRST (UINT64_C(1) << 48)

struct bsc_api_processes {
    int64_t supervisor, controller, proxy; /* 0: not there */
};

/* What the API reads past the engine, from the store: committed rows, borrowed by the callbacks, at
 * most 1,000 a call. */
struct bsc_api_reads {
    void *self;
    /* The newest `limit` records of a service with an id below `before` (0: of all), oldest first.
     */
    enum bsc_status (*history)(void *self, const char *service, uint64_t before, unsigned limit,
                               void (*on_record)(void *argument, const struct bsc_record *record),
                               void *argument, struct bsc_error *error);
    /* Audit entries, oldest first, of `service` or (NULL) all, with a sequence above `after`: the
     * first `limit` of them, or the last when `newest`. */
    enum bsc_status (*events)(void *self, const char *service, bool newest, uint64_t after,
                              unsigned limit,
                              void (*on_event)(void *argument, const struct bsc_audit_row *row),
                              void *argument, struct bsc_error *error);
    /* BSC_NOT_FOUND when there never was one. */
    enum bsc_status (*rollout)(void *self, uint64_t id,
                               void (*on_rollout)(void *argument,
                                                  const struct bsc_rollout_row *row),
                               void *argument, struct bsc_error *error);
};

/* Strings are copied; the engine and what the callbacks need outlive the API. */
struct bsc_api_options {
    uv_loop_t *loop;
    const char *socket_path;
    const char *group; /* whose members may; NULL or not existing: only root and our own user */
    const char *config_file; /* what `apply` without a text reads */
    struct bsc_engine *engine;
    struct bsc_api_reads reads;

    void *argument; /* of the callbacks below */
    /* Hands an event to bsc_engine_handle, now or later. What the event points to stays valid until
     * its reply (or its query function) was called. */
    void (*submit)(void *argument, const struct bsc_event *event);
    void (*processes)(void *argument, struct bsc_api_processes *out);
    /* The addresses in force, `index` from 0; false: there are not so many. */
    bsc_listener_at listener;
    void (*figures)(void *argument, struct bsc_router_figures *out);
    void (*service_figures)(void *argument, const char *service,
                            struct bsc_router_service_figures *out);
    void (*slot_counters)(void *argument, const char *service, enum bsc_slot slot,
                          struct bsc_router_slot_counters *out);
    /* Begins an upgrade of the proxy; answered by bsc_api_upgraded. */
    void (*upgrade)(void *argument, bsc_token token);
    /* The newest log file of an instance ("DIR/log", rotated to "DIR/log.1"); false: none. */
    bool (*log_path)(void *argument, const char *instance, char *out, size_t size);
};

struct bsc_api;

/* Makes the socket and serves. Until bsc_api_set_ready everything that needs the engine is answered
 * with 503. BSC_EXISTS when somebody answers on the socket already. */
enum bsc_status bsc_api_create(const struct bsc_api_options *options, struct bsc_api **out,
                               struct bsc_error *error) BSC_MUST_CHECK;

/* Answers what waits with 503, closes every connection, removes the socket. The engine must not
 * call back any more (destroy it first). Frees when the loop has closed the API's handles: run the
 * loop until then. NULL is allowed. */
void bsc_api_destroy(struct bsc_api *api);

struct bsc_notifier bsc_api_notifier(struct bsc_api *api);

/* From bsc_engine_on_ready: BSC_OK, or why the store can't be used (may be told again). */
void bsc_api_set_ready(struct bsc_api *api, enum bsc_status status, const char *text);

/* The end of an upgrade: the new proxy's generation, or what went wrong. */
void bsc_api_upgraded(struct bsc_api *api, bsc_token token, enum bsc_status status,
                      unsigned generation, const char *text);

#endif
