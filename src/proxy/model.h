/* SPDX-License-Identifier: Apache-2.0
 * proxy/model.h - what the control thread tells the workers, as objects that never change.
 *
 * Services, instances and rosters are immutable and counted: the control thread holds one
 * reference, every worker one for each that it uses. The counts move only when something is
 * swapped or forgotten, never on the path of a request; an object goes when the last worker's last
 * request that needs it ended. Splits are small and travel by value.
 */
#ifndef BASCULE_PROXY_MODEL_H
#define BASCULE_PROXY_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/list.h"
#include "core/slots.h"
#include "proxy/blame.h"
#include "proxy/edge.h"
#include "proxy/mirror_rules.h"
#include "proxy/options.h"
#include "proxy/preview.h"
#include "proxy/retry_policy.h"
#include "proxy/roles.h"
#include "proxy/routes.h"
#include "proxy/rules.h"
#include "proxy/tls.h"
#include "proxy/trial.h"

enum bsc_balancing {
    BSC_BALANCING_ROUND_ROBIN,
    BSC_BALANCING_LEAST_REQUESTS,
    BSC_BALANCING_HASH /* of the request's identity */
};

/* What of a request says who sends it, or what it is about. */
enum bsc_identity {
    BSC_IDENTITY_NONE,
    BSC_IDENTITY_CLIENT, /* the address */
    BSC_IDENTITY_HEADER,
    BSC_IDENTITY_COOKIE,
    BSC_IDENTITY_PATH /* without the query */
};

enum bsc_traffic_mode {
    BSC_TRAFFIC_SERVE,
    BSC_TRAFFIC_HOLD,        /* requests wait */
    BSC_TRAFFIC_MAINTENANCE, /* 503 and a page */
    BSC_TRAFFIC_STOP         /* 503, the connection is closed */
};

/* How many requests of one service wait, over all workers, and which workers have some in the queue
 * of a slot (a bit each). Outlives changes of the service's options. */
struct bsc_hold_count {
    _Atomic unsigned references;
    _Atomic unsigned held;
    _Atomic unsigned queued[BSC_SLOT_COUNT];
    _Atomic uint64_t waiting[BSC_SLOT_COUNT];
    _Atomic uint64_t tripped; /* the generation of the split that did, and one; 0: none */
};

/* When an instance is left out for a while because of its answers (eject.h). */
struct bsc_ejection {
    unsigned errors;       /* in a row; 0: never */
    unsigned min_requests; /* of each instance in an interval, to compare them; 0: never */
    unsigned max_percent;  /* of a slot's healthy instances; never the last one */
    int64_t interval_ms, time_ms;
};

struct bsc_service_route {
    char *host; /* NULL: any */
    char *path;
};

struct bsc_service {
    _Atomic unsigned references;
    char *name;
    enum bsc_balancing balancing;
    enum bsc_traffic_mode traffic;
    int64_t connect_ms, answer_ms, idle_ms, hold_ms;
    int64_t drain_ms; /* an instance that goes may go on so long with what it serves */
    unsigned hold_max;
    struct bsc_edge edge;
    enum bsc_identity identity;
    char *identity_name;   /* of the header or the cookie */
    bool sticky;           /* the identity chooses the slot, too, and its instance at any load */
    char *cookie;          /* what stands behind the value of a cookie of ours; NULL: not ours */
    int64_t slow_start_ms; /* 0: none */
    unsigned requests_max; /* in flight on one instance, over all workers; 0: no limit */
    unsigned queue_max;    /* waiting for one slot, over all workers */
    int64_t queue_ms;
    struct bsc_ejection ejection;
    struct bsc_retry_policy retry;
    struct bsc_mirror_rules *mirror; /* NULL: no request is copied */
    struct bsc_blame blame;          /* which of its answers are errors */
    struct bsc_pages pages;          /* before the proxy's own */
    struct bsc_trial_rules *trial;   /* an A/B test; NULL: none is under way */
    struct bsc_preview *preview;     /* who may look at what is not live; NULL: nobody */
    struct bsc_hold_count *hold;
    bool special; /* an identity, rules for paths, a mirror or a trial: heads are looked at again */
    unsigned route_count;
    struct bsc_service_route *routes;
};

/* What the control thread remembers of an instance to judge its answers (eject.h). */
struct bsc_outlier {
    int64_t until_ms; /* ejected until then; 0: it is not */
    int64_t calm_ms;  /* since when it is not */
    unsigned times;   /* ejections, each longer than the last; calm makes them fewer */
    char reason[80];
    bool sampled;
    uint64_t finished, errors; /* at the last comparison */
};

struct bsc_instance {
    _Atomic unsigned references;
    char *id;
    enum bsc_slot slot;
    bool h2, tcp;      /* it speaks HTTP/2, or what not; else HTTP/1.1 */
    char *tls;         /* in TLS, as the bsc_tls_upstream of this name says; NULL: not */
    char *server_name; /* that its certificate is for; NULL: it may have any */
    uint32_t gauge;
    /* Written when something failed, and by the first success after that; else only read. */
    _Atomic unsigned errors_in_row, errors;
    struct bsc_outlier outlier;
    socklen_t address_size;
    union {
        struct sockaddr any;
        struct sockaddr_storage inet;
        struct sockaddr_un local;
    } address;
    /* Over all workers; counted only where the service has a limit, so it has a line of its own. */
    _Alignas(64) _Atomic unsigned in_flight;
};

struct bsc_ring_point {
    uint32_t hash;
    uint16_t at; /* among the slot's healthy instances, in the order of the roster */
};

/* How requests are shared out among the healthy instances of a slot, worked out once. */
struct bsc_arrangement {
    unsigned turn_count; /* 0: all weigh the same, each in turn */
    uint16_t *turns;     /* otherwise: who is next, as often as its weight says, well mixed */
    unsigned ring_count; /* 0: nobody asks for a hash */
    struct bsc_ring_point *ring;
};

/* The instances of a service, as they are now. */
struct bsc_roster {
    _Atomic unsigned references;
    unsigned count;
    struct bsc_arrangement arrangements[BSC_SLOT_COUNT];
    struct bsc_roster_item {
        struct bsc_instance *instance;
        bool healthy;
        bool ejected; /* by the proxy itself: it gets nothing, healthy or not */
        bool leaving; /* what lasts there is told to go (farewell.h) */
        uint16_t weight;
        int64_t risen_ms;     /* when it became healthy; 0: before anybody looked */
        int64_t slow_from_ms; /* the same, when others were warm; 0: no slow start */
    } items[];
};

enum { BSC_SPLIT_WHOLE_BP = 10000, BSC_KEY_BYTES = 16, BSC_INSTANCE_WEIGHT_MAX = 100 };

struct bsc_split {
    uint64_t generation;
    unsigned weight_bp[BSC_SLOT_COUNT];
    uint32_t cell[BSC_SLOT_COUNT];
    unsigned char key[BSC_KEY_BYTES]; /* of the rollout: who is in, with affinity */
    bool rescue;                      /* what the other slot fails, `stable` answers (rescue.h) */
    bool tripped;                     /* the weights are not the controller's any more */
    enum bsc_slot stable;
    unsigned rescue_share; /* what every request earns, of BSC_BUDGET_ONE */
    unsigned rescue_least; /* rescues that need not be earned, over all workers */
    /* Whose requests go to `rules_slot`, whatever it weighs, and are counted in `rules_cell`; NULL:
     * nobody's. Every copy of a split holds a reference. */
    struct bsc_rules *rules;
    enum bsc_slot rules_slot;
    uint32_t rules_cell;
};

/* `to` is a split, or zeroed. */
void bsc_split_set(struct bsc_split *to, const struct bsc_split *from);
void bsc_split_deinit(struct bsc_split *split);
/* Does anybody get there, by weight or by rule? */
static inline bool bsc_split_serves(const struct bsc_split *split, unsigned slot)
{
    return split->weight_bp[slot] > 0 || (split->rules && split->rules_slot == slot);
}
/* Everything to stable. */
void bsc_split_trip(struct bsc_split *split);
/* `split` takes the place of `old`: when it is the same one told again, it has tripped as well. */
void bsc_split_succeed(struct bsc_split *split, const struct bsc_split *old);

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; numeric only: the proxy never asks a resolver. */
enum bsc_status bsc_instance_create(const char *id, enum bsc_slot slot, const char *address,
                                    uint32_t gauge, struct bsc_instance **out,
                                    struct bsc_error *error) BSC_MUST_CHECK;
bool bsc_instance_same(const struct bsc_instance *a, const struct bsc_instance *b);
struct bsc_instance *bsc_instance_acquire(struct bsc_instance *instance);
void bsc_instance_release(struct bsc_instance *instance); /* NULL is allowed, here and below */

struct bsc_hold_count *bsc_hold_count_create(void);
/* With one reference, no routes, and a reference to `hold` taken over. */
struct bsc_service *bsc_service_create(const char *name, struct bsc_hold_count *take_hold);
struct bsc_service *bsc_service_acquire(struct bsc_service *service);
void bsc_service_release(struct bsc_service *service);
struct bsc_hold_count *bsc_hold_count_acquire(struct bsc_hold_count *hold);

struct bsc_roster *bsc_roster_create(unsigned count); /* items zeroed, of weight 1 */
struct bsc_roster *bsc_roster_acquire(struct bsc_roster *roster);
void bsc_roster_release(struct bsc_roster *roster);

/* The sockets of one listening address; workers know it by its pointer. Owned by the control
 * thread, which closes the descriptors after every worker has let go of them. */
enum { BSC_LISTEN_SOCKETS = 128 };
struct bsc_listen {
    struct bsc_list node;
    char address[BSC_LISTEN_BYTES];
    bool shared; /* one inherited socket for all workers */
    bool served; /* the workers were told, with this role; the control thread's own */
    struct bsc_role role;
    unsigned count;
    int fds[BSC_LISTEN_SOCKETS];
};

/* What changed for one service; NULL and false: that part stays. Holds references. */
struct bsc_change {
    uint32_t index;
    bool remove;
    bool whole; /* what is not given here is not there any more */
    struct bsc_service *service;
    struct bsc_roster *roster;
    bool has_split;
    struct bsc_split split;
};

/* Accept there in this role, or in this role from now on. */
struct bsc_serve {
    const struct bsc_listen *listen;
    struct bsc_role role;
};

/* One message to all workers; each applies it whole, between two requests, and counts `pending`
 * down. The control thread frees it after that. */
struct bsc_update {
    _Atomic unsigned pending;
    const struct bsc_routes *routes;   /* NULL: the same as before */
    const struct bsc_options *options; /* likewise */
    struct bsc_tls *tls;               /* likewise; holds a reference */
    unsigned change_count;
    struct bsc_change *changes;
    unsigned serve_count;
    struct bsc_serve *serves;
    const struct bsc_listen *unlisten;
    bool retire;       /* accept nothing more */
    int64_t drain_ms;  /* end after that */
    int64_t spread_ms; /* and say so to clients that stay, one after the other over this time */

    struct bsc_list node;                         /* the rest is the control thread's own */
    struct bsc_routes *old_routes;                /* freed with the update */
    struct bsc_options *old_options;              /* likewise */
    void (*on_done)(void *, struct bsc_update *); /* every worker has swapped */
    void *context;
    long long number; /* of the ping; epoch of the lines */
    unsigned seq_count;
    long long *seqs; /* lines of the controller that this acknowledges */
};

struct bsc_update *bsc_update_create(void);
struct bsc_change *bsc_update_add(struct bsc_update *update); /* a zeroed change */
void bsc_update_serve(struct bsc_update *update, const struct bsc_listen *listen,
                      const struct bsc_role *role);
void bsc_update_destroy(struct bsc_update *update);

#endif
