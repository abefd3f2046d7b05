/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker.h - a client of the Docker Engine's HTTP API, on the loop.
 *
 * Nothing here knows of instances. Every call ends with exactly one `on_done`, from the loop and
 * never from within bsc_docker_send, unless it is cancelled. The version of the API is the newest
 * that both sides know; it is asked for again after the Engine was away.
 */
#ifndef BASCULE_ADAPTERS_DOCKER_H
#define BASCULE_ADAPTERS_DOCKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct bsc_docker;
struct bsc_docker_request;

struct bsc_docker_answer {
    unsigned status; /* of HTTP; 0: there was no answer */
    const char
        *text; /* what went wrong, in the Engine's own words where it said any; "": nothing */
    const char *body; /* NUL-terminated; "" of a call with on_bytes that went well */
    size_t size;
};

/* All strings are borrowed during the call of bsc_docker_send only. */
struct bsc_docker_call {
    const char *method;
    const char *path;          /* without the version: "/containers/json?all=1" */
    const char *body;          /* JSON; NULL: none */
    const char *registry_auth; /* value of X-Registry-Auth; NULL: none */
    int64_t timeout_ms;        /* of the whole; 0: none, for streams */
    /* What a stream brings, as it comes; NULL: kept for on_done, up to 4 MiB. May cancel. */
    void (*on_bytes)(void *argument, const char *bytes, size_t size);
    void (*on_done)(void *argument, const struct bsc_docker_answer *answer);
    void *argument;
};

/* `socket`: the path of the Engine's. */
struct bsc_docker *bsc_docker_create(uv_loop_t *loop, const char *socket);
/* Cancels everything. The memory goes when the loop has turned once more. */
void bsc_docker_destroy(struct bsc_docker *docker);

struct bsc_docker_request *bsc_docker_send(struct bsc_docker *docker,
                                           const struct bsc_docker_call *call);
/* No on_bytes and no on_done any more. Not from its own on_done, where it is over already. */
void bsc_docker_cancel(struct bsc_docker_request *request);

#define BSC_DOCKER_SOCKET "/var/run/docker.sock"
/* The socket that DOCKER_HOST names, or that one; NULL: it names something else than a
 * Unix socket. Points into the environment. */
const char *bsc_docker_socket(void);

#endif
