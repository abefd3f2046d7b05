/* SPDX-License-Identifier: Apache-2.0
 * ports/router.h - what the engine needs from whatever carries the traffic.
 *
 * The engine always gives a service's whole routing state; the adapter sends what changed and
 * repeats it to every proxy generation that comes. Answers are events.
 */
#ifndef BASCULE_PORTS_ROUTER_H
#define BASCULE_PORTS_ROUTER_H

#include "core/analysis/trial.h"
#include "core/histogram.h"
#include "ports/event.h"

struct bsc_endpoint {
    const char *id;      /* of the instance */
    const char *address; /* "127.0.0.1:31001", "[::1]:80", "unix:/path" */
    enum bsc_slot slot;
    enum bsc_speech speech;
    const struct bsc_upstream_tls_spec *tls; /* NULL: without TLS */
    bool healthy;                            /* gets requests */
    bool leaving;    /* what lasts there, is told within the drain time to go on elsewhere */
    unsigned weight; /* 1..100, beside the others of its slot; 0 stands for 1 */
};

/* Where facts about users come from, and how far they were read. */
struct bsc_fact_source {
    uint64_t source; /* a number that no other source has, also after a restart of everything */
    uint64_t read;
};

/* What a source tells of an A/B test: everything from where it was read to, up to `read`. */
struct bsc_facts {
    uint64_t rollout;
    uint64_t source, read;
    uint64_t lost;                      /* overwritten before anybody read them */
    const struct bsc_trial_fact *items; /* `candidate` stands for green */
    unsigned count;
    bool *taken; /* set by who handles it: the source goes on behind it */
};

enum { BSC_AFFINITY_KEY_BYTES = 33 }; /* 128 bits in hexadecimal, and a NUL */

struct bsc_routing {
    const struct bsc_spec *spec; /* name, routes, traffic options */
    enum bsc_traffic traffic;
    uint64_t generation;                /* of the split; grows with each change of the weights */
    unsigned weight_bp[BSC_SLOT_COUNT]; /* sum BSC_WEIGHT_FULL_BP */
    /* Under which users are drawn for the slots, with affinity; "" stands for zeros. It travels
     * with the split: a new one takes effect when `generation` grows. */
    const char *affinity_key;
    /* While a rollout runs: what the other slot fails, instances of `stable` answer. Never true
     * unless one of them runs and is healthy. */
    bool rescue;
    enum bsc_slot stable;
    unsigned rescue_percent; /* of the requests; TRIPPED when that is used up */
    uint64_t rollout;        /* for which rescues are counted; 0: none is at work */
    /* COUNTED is told while the candidate gets requests. */
    bool watch;
    enum bsc_slot candidate;
    /* Whose requests go to the candidate whatever its weight is; they are counted apart from those
     * that the weights chose. NULL: nobody's. Travels with the split, like the key. */
    const struct bsc_match_spec *match;
    /* Requests are copied to the candidate, for `rollout`; NULL: none are. MIRRORED tells what
     * came of it. Its lists are borrowed during the call. */
    const struct bsc_shadow_spec *mirror;
    unsigned mirror_bp; /* so many of them */
    /* Who asks for it as `spec->preview` says gets instances of `preview_slot`, and is counted
     * nowhere; false: is told that there is nothing to be seen. */
    bool preview;
    enum bsc_slot preview_slot;
    /* Users of this split are counted for `rollout`, and FACTS told of them; NULL: none are. */
    const struct bsc_ab_spec *trial;
    const struct bsc_fact_source *sources; /* that were read already, before a restart */
    unsigned source_count;
    const struct bsc_endpoint *endpoints;
    unsigned endpoint_count;
};

/* What happened to clients that no service is charged with, for whoever looks: added up over all
 * workers and generations. What is not marked "now" grows while its controller lives. */
struct bsc_router_figures {
    uint64_t connections, held; /* now: of clients; requests that wait for `traffic serve` */
    uint64_t connections_opened, connections_refused;
    uint64_t own_answers; /* without a service */
    uint64_t held_refused, held_timed_out;
    uint64_t rate_limited, overloaded;
    uint64_t scarce, idle_closed; /* times that descriptors ran short; connections that gave way */
    uint64_t h2_floods;           /* connections of HTTP/2 that were closed for what they asked */
    uint64_t h2_refused_streams;  /* of HTTP/2 that were no valid requests */
    uint64_t access_dropped;      /* records of the access log */
};

/* What the candidate of a rollout failed and stable answered, by how it was failed. */
struct bsc_router_rescues {
    uint64_t status; /* an answer with 500, 502, 503 or 504 */
    uint64_t no_instance, connect_failed, reset, timed_out;
    uint64_t failed;  /* in stable, too */
    uint64_t refused; /* not tried: nothing healthy in stable, or too many at once */
};

/* Of a service, added up over slots, workers and generations, since its controller began. */
struct bsc_router_service_figures {
    uint64_t requests, errors, retries; /* that have ended; before rescue; beyond the first try */
    uint64_t queued, queue_refused, queue_timed_out; /* requests that found all instances full */
    uint64_t ejections;                              /* of instances, for their answers */
    uint64_t rollout; /* the last one that was routed; 0: none since the controller began */
    struct bsc_router_rescues rescues; /* of that one */
};

/* What clients met in a slot of a service since its controller began: who looks twice has what was
 * in between. */
struct bsc_router_slot_counters {
    uint64_t requests, errors;               /* that have ended; before rescue */
    uint64_t latency[BSC_HISTOGRAM_BUCKETS]; /* to the answer's head */
};

/* An address at which clients are served now, and what is spoken there. */
enum { BSC_ROUTER_ADDRESS_BYTES = 64 };
struct bsc_router_listener {
    char address[BSC_ROUTER_ADDRESS_BYTES]; /* "0.0.0.0:8080" */
    bool tls;
    bool redirect;                  /* plain HTTP is only told the address of HTTPS */
    unsigned redirect_port;         /* 0: the usual one */
    bool proxy_protocol;            /* connections begin with its header */
    char service[BSC_NAME_MAX + 1]; /* of TCP, that gets every connection; "": HTTP */
};

/* The addresses that are in force: what the last configuration said that was taken. `index` from 0;
 * false: there are not so many. */
typedef bool (*bsc_listener_at)(void *self, unsigned index, struct bsc_router_listener *out);

struct bsc_router_ops {
    const char *name;
    /* What is no service's: listening addresses, what is spoken there, the proxy. CONFIGURED when
     * every worker of every live generation uses them, at once while none is there; or CONFIGURED
     * with status and text and the old ones still in force. Borrowed during the call. */
    void (*configure)(void *self, const struct bsc_config *config, bsc_token token);
    /* PUBLISHED when every worker of every live generation uses this or a newer state of the
     * service. While no generation is there, it waits for one. With status and text: a proxy did
     * not take it, and what is in force may be a part of it; the next publish says it all again.
     * Borrowed during the call. */
    void (*publish)(void *self, const struct bsc_routing *routing, bsc_token token);
    /* Of several services at once, each with its token: each worker of each generation takes all
     * their splits between the same two requests. Where one of them can't be published none is,
     * and all are told so. */
    void (*publish_together)(void *self, const struct bsc_routing *routings,
                             const bsc_token *tokens, unsigned count);
    /* PUBLISHED when the service is gone everywhere. */
    void (*remove)(void *self, const char *service, bsc_token token);
    /* DRAINED when every generation uses what was published before, nothing is in flight on these
     * instances in any of them, and the snapshot for a fresh proxy says so too. No time limit. It
     * says nothing after a publish that was refused: what is in force may still name them. */
    void (*drain)(void *self, const char *const *ids, unsigned count, bsc_token token);
    /* No DRAINED for this token any more. */
    void (*cancel)(void *self, bsc_token token);
    bsc_listener_at listener;
};

struct bsc_router {
    const struct bsc_router_ops *ops;
    void *self;
};

#endif
