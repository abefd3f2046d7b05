/* SPDX-License-Identifier: Apache-2.0
 * contract/store_client.h - an engine's view of a store, for tests: every call waits for its
 * answer.
 */
#ifndef BASCULE_TESTS_CONTRACT_STORE_CLIENT_H
#define BASCULE_TESTS_CONTRACT_STORE_CLIENT_H

#include <uv.h>

#include "ports/store.h"

/* An adapter of the store port. */
struct store_subject {
    const char *name;
    enum bsc_status (*open)(const char *directory, uv_loop_t *loop,
                            void (*deliver)(void *argument, const struct bsc_event *event),
                            void *argument, struct bsc_store *out, struct bsc_error *error);
    void (*close)(struct bsc_store *store);
};

struct store_client {
    const struct store_subject *subject;
    uv_loop_t loop;
    struct bsc_store store;
    bsc_token asked, answered;
    bool inside; /* a call of the port is under way: nothing may be delivered */
    enum bsc_event_kind kind;
    enum bsc_status status; /* of the last answer */
    bool full;              /* ... too */
    char text[BSC_ERROR_TEXT_BYTES];
    void (*on_state)(const struct bsc_stored_state *state, void *argument);
    void *argument;
};

enum bsc_status store_client_open(struct store_client *client, const struct store_subject *subject,
                                  const char *directory, struct bsc_error *error);
void store_client_close(struct store_client *client);
enum bsc_status store_client_commit(struct store_client *client, const struct bsc_change *changes,
                                    unsigned count);
/* `on_state` is called when it succeeds. */
enum bsc_status store_client_load(struct store_client *client,
                                  void (*on_state)(const struct bsc_stored_state *state,
                                                   void *argument),
                                  void *argument);

/* A state that a single number describes: transaction `n` changes a row of every table. */
enum { NUMBERED_CHANGES = 7 };
struct numbered {
    struct bsc_change changes[NUMBERED_CHANGES];
    struct bsc_rollout_row rollout;
    struct bsc_spec *spec;
};
void numbered_make(struct numbered *out, uint64_t n);
void numbered_free(struct numbered *numbered);
enum bsc_status numbered_commit(struct store_client *client, uint64_t n);
/* Loads and tells which number the state has: 0 when it is empty, UINT64_MAX when it is none, that
 * is: a mixture of two. */
enum bsc_status numbered_load(struct store_client *client, uint64_t *out);

/* Removes a directory and all in it. */
void remove_directory(const char *path);

#endif
