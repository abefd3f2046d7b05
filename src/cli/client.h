/* SPDX-License-Identifier: Apache-2.0
 * cli/client.h - requests to the daemon's API over its Unix socket.
 *
 * Nothing blocks but bsc_client_call and the waiting in bsc_client_turn. libcurl is initialised by
 * the first request, so that a command without one does not pay for it.
 */
#ifndef BASCULE_CLI_CLIENT_H
#define BASCULE_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct bsc_client {
    const char *socket; /* borrowed */
    void *multi;        /* CURLM; NULL until the first request */
};

/* A zeroed client with `socket` set is ready; this lets go of what it opened. */
void bsc_client_deinit(struct bsc_client *client);

struct bsc_request_spec {
    const char *method, *path; /* the path is escaped already */
    const char *accept;        /* NULL: JSON */
    const json_t *body;        /* NULL: none */
    int64_t last_event;        /* Last-Event-ID of an event stream; 0: none */
    int64_t timeout_ms;        /* of the whole exchange; 0: none */
    /* When set, the answer's body goes there as it comes, if it is a success. */
    void (*on_data)(void *argument, const char *data, size_t size);
    void *argument;
};

struct bsc_request; /* one exchange under way */

/* Ends by itself; look with bsc_request_done after each turn. Destroying it cancels it. */
struct bsc_request *bsc_request_begin(struct bsc_client *client,
                                      const struct bsc_request_spec *spec);
bool bsc_request_done(const struct bsc_request *request);
void bsc_request_destroy(struct bsc_request *request); /* NULL is allowed */

struct bsc_answer {
    enum bsc_status status; /* BSC_OK, what the daemon's problem says, or why there is no answer */
    bool answered;          /* the daemon spoke, also when it refused */
    json_t *body;           /* of a refusal: the problem details. NULL: none, or not JSON */
    struct bsc_error error; /* when status is not BSC_OK */
};

/* Of a request that is done. The caller owns answer->body. */
void bsc_request_answer(struct bsc_request *request, struct bsc_answer *answer);

/* Moves all requests on; returns when something happened, after `wait_ms`, or when `fd` (-1: none)
 * can be read, which it tells by true. */
bool bsc_client_turn(struct bsc_client *client, int64_t wait_ms, int fd);

/* One request, begun and awaited. A refused connection is tried again for two seconds: so long the
 * controller may need to come back after a crash, and nothing was sent yet. */
enum bsc_status bsc_client_call(struct bsc_client *client, const struct bsc_request_spec *spec,
                                struct bsc_answer *answer);

/* Appends `text` percent-encoded. */
void bsc_client_escape(struct bsc_text *out, const char *text);

/* "urn:bascule:environment-busy" to BSC_BUSY; what is unknown is judged by the HTTP status. */
enum bsc_status bsc_problem_status(const char *type, long code);

#endif
