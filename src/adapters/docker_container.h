/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_container.h - one instance that is a container, from its start or adoption to its
 * removal. Part of runtime_docker.
 *
 * What is wanted of it (the aim) and what the Engine was last seen to have (the state) are kept
 * apart: bsc_docker_container_advance does the next thing that brings the one to the other, one
 * request at a time, and begins by looking whenever something may have changed. So it makes no
 * difference whether the Engine, or we, died in between.
 */
#ifndef BASCULE_ADAPTERS_DOCKER_CONTAINER_H
#define BASCULE_ADAPTERS_DOCKER_CONTAINER_H

#include <jansson.h>

#include "adapters/docker.h"
#include "adapters/docker_image.h"
#include "adapters/docker_log.h"
#include "adapters/outbox.h"
#include "adapters/tracked.h"
#include "base/list.h"
#include "ports/runtime.h"

enum bsc_docker_aim {
    BSC_DOCKER_WATCH, /* tell when it ends */
    BSC_DOCKER_RUN,
    BSC_DOCKER_STOP,
    BSC_DOCKER_REMOVE
};

enum bsc_docker_state {
    BSC_DOCKER_UNKNOWN, /* has to be looked at */
    BSC_DOCKER_ABSENT,
    BSC_DOCKER_FOREIGN, /* somebody else's has the name */
    BSC_DOCKER_CREATED,
    BSC_DOCKER_RUNNING,
    BSC_DOCKER_EXITED
};

enum bsc_docker_network { BSC_DOCKER_NO_NETWORK, BSC_DOCKER_ASKING, BSC_DOCKER_HAS_NETWORK };

struct bsc_runtime_docker {
    uv_loop_t *loop;
    struct bsc_outbox *outbox;
    uv_timer_t *timer; /* runs while something is to be tried again or waited for */
    struct bsc_docker *docker;
    struct bsc_docker_images *images;
    char *socket;
    char *state_dir; /* whose containers are ours */
    char *project;   /* its last part: before every name, and the network's */
    int directory;   /* STATE/containers */
    struct bsc_list containers;
    struct bsc_tokens lists;
    int64_t lists_until_ms; /* then they are answered without the Engine */
    struct bsc_docker_request *listing, *events, *asking;
    struct bsc_text event; /* a line of the events, as far as it came */
    enum bsc_docker_network network;
    bool listed; /* the Engine told what it has, and nothing failed since */
    int64_t since_s;
};

struct bsc_docker_container {
    struct bsc_list link;
    struct bsc_runtime_docker *runtime;
    char *id, *name;
    enum bsc_docker_aim aim;
    enum bsc_docker_state state;
    struct bsc_docker_request *request;
    struct bsc_docker_image_wish *wish;
    bool stale;          /* something changed while the request was under way */
    bool told_running;   /* its end is news */
    bool created, begun; /* by the start under way */
    json_t *config;      /* RUN: what it is created from, but for the image */
    char *image, *pinned;
    char *resolved; /* the image's name for ever */
    enum bsc_pull pull;
    enum bsc_reach network;
    unsigned port;         /* inside */
    unsigned port_outside; /* must be free; 0: none */
    struct bsc_tokens starts, stops;
    int64_t grace_ms;
    int64_t failing_since_ms; /* the Engine does not answer; 0: it does */
    int64_t due_ms;           /* try again then; 0: not by itself */
    int64_t log_until_ms;     /* EXITED: its last output is waited for until then */
    struct bsc_docker_log log;
    struct bsc_docker_request *follow;
    bool log_done;
    int64_t limit_bytes; /* of its memory; 0: none */
    bool seen_twice;     /* since it was killed: that it was for memory is told late */
    /* as it was last seen */
    int64_t pid;
    int wait_status;
    char address[64]; /* in our network; "": none */
    char text[256];   /* more of its end than the status says; "": nothing */
};

/* Of an id that is not there yet. */
struct bsc_docker_container *bsc_docker_container_create(struct bsc_runtime_docker *runtime,
                                                         const char *id);
/* Forgets it without touching it. */
void bsc_docker_container_destroy(struct bsc_docker_container *container);
/* The launch is borrowed. */
enum bsc_status bsc_docker_container_prepare(struct bsc_docker_container *container,
                                             const struct bsc_launch *launch,
                                             struct bsc_error *error) BSC_MUST_CHECK;
/* Does the next thing; may destroy it, when it was to be removed. */
void bsc_docker_container_advance(struct bsc_docker_container *container);
/* The same after it was looked at anew. */
void bsc_docker_container_look(struct bsc_docker_container *container);
void bsc_docker_container_tell_failed(struct bsc_docker_container *container,
                                      enum bsc_status status, const char *text);

/* Gives up a start for which the Engine has been away too long. */
void bsc_docker_container_lose_patience(struct bsc_docker_container *container);

/* docker_json.c */
json_t *bsc_docker_config(const struct bsc_runtime_docker *runtime, const struct bsc_launch *launch,
                          struct bsc_error *error);
/* What an inspection says. */
void bsc_docker_inspected(struct bsc_docker_container *container, const char *body, size_t size);
/* The filters of a request for ours, as they stand in an address. The caller owns it. */
char *bsc_docker_filters(const struct bsc_runtime_docker *runtime, bool events);

/* runtime_docker.c */
/* The network is there, or is asked for and this container goes on when it is. */
bool bsc_docker_network_ready(struct bsc_runtime_docker *runtime);
/* The Engine did not answer: everything is looked at again when it does. */
void bsc_docker_away(struct bsc_runtime_docker *runtime);
/* Sets the timer, answers `list` when everything is settled. */
void bsc_docker_turn(struct bsc_runtime_docker *runtime);

#endif
