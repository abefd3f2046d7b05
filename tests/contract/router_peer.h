/* SPDX-License-Identifier: Apache-2.0
 * contract/router_peer.h - the other ends of router_proxy: a supervisor and proxies that do what
 * docs/protocol.md says, inside the test, so that every moment can be held and looked at.
 */
#ifndef BASCULE_TESTS_CONTRACT_ROUTER_PEER_H
#define BASCULE_TESTS_CONTRACT_ROUTER_PEER_H

#include "loop.h"

#include <jansson.h>

#include "adapters/router_proxy.h"
#include "base/channel.h"
#include "base/text.h"
#include "proxy/counters.h"

/* A proxy generation. */
struct peer {
    uint64_t generation;
    int socket, counters_fd;
    struct bsc_counters *counters;
    struct bsc_text in;
    json_t *services;   /* name -> {service, instances, split}: what is in force */
    json_t *collecting; /* the same between hello and end */
    json_t *listeners;  /* address -> what is spoken there */
    unsigned hellos, lines;
    unsigned split_together; /* services in the last line of splits */
    uint64_t seq, epoch;     /* of the last line */
    bool deaf;               /* reads nothing */
    bool quiet;              /* acknowledges nothing */
    const char *refuses;     /* refuses lines that hold this; NULL: none */
};

struct stage {
    uint64_t rollout; /* of routings that are published */
    bool watch;       /* they are watched; green is the candidate */
    struct loop loop;
    int supervisor; /* its end of the channel */
    int channel;
    struct bsc_supervisor_link *link;
    struct bsc_router_proxy *router;
    struct bsc_router port;
    struct peer peers[4];
    unsigned peer_count;
    bool holds_snapshots; /* does not say that they were taken */
    unsigned snapshots;
    uint64_t snapshot_id;
    int snapshot;         /* the last one; -1: none */
    char last_words[256]; /* the last message that was neither */
    unsigned reloads, terminates, closes, upgrades;
    enum bsc_status upgrade_status;
};

int stage_set_up(void **state);
int stage_tear_down(void **state);
/* A controller that starts anew: link and router, not the proxies. */
void stage_restart(struct stage *stage, uint64_t epoch);

/* A proxy arrives; `workers` shards. */
struct peer *stage_arrive(struct stage *stage, uint64_t generation, unsigned workers);
void stage_say(struct stage *stage, const char *words);
void stage_gone(struct stage *stage, struct peer *peer);
/* Turns everything once. */
void stage_turn(struct stage *stage);
void stage_turn_for(struct stage *stage, unsigned ms);
/* Turns until the event was delivered; fails after 20 s. */
const struct loop_event *stage_wait(struct stage *stage, enum bsc_event_kind kind, bsc_token token);
bool stage_has(struct stage *stage, enum bsc_event_kind kind, bsc_token token);

/* A routing with `blue` and `green` healthy instances, "NAME-blue-0" ..., published. */
void stage_publish(struct stage *stage, const char *name, unsigned blue, unsigned green,
                   unsigned green_bp, uint64_t generation, bsc_token token);

/* The same of several, with tokens from `token` on. */
struct stage_together {
    const char *name;
    unsigned blue, green, green_bp;
    const char *path; /* of its route; NULL: "/" */
};
void stage_publish_together(struct stage *stage, const struct stage_together *what, unsigned count,
                            uint64_t generation, bsc_token token);

/* Fails when a service gives weight to a slot without a healthy instance. */
void peer_check(const struct peer *peer);
void peer_send(struct peer *peer, const char *line);
/* The instance's gauge, the slot's cell, as the proxy was told. */
unsigned peer_gauge(const struct peer *peer, const char *service, const char *id);
unsigned peer_cell(const struct peer *peer, const char *service, const char *slot);

#endif
