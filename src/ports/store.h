/* SPDX-License-Identifier: Apache-2.0
 * ports/store.h - where state lives. One transaction at a time; durable when COMMITTED says so.
 *
 * A store keeps a reserve of room, so that an abort can be recorded on a full disk: the transaction
 * that finds no room fails with BSC_NO_SPACE and frees the reserve, those that follow succeed. So a
 * success alone does not mean that there is room again; COMMITTED says so itself: `full` is set, on
 * success and failure, for as long as the reserve is not whole. The engine begins nothing new then,
 * so nothing may be committed for a while: the store looks by itself, and says BSC_EVENT_ROOM.
 */
#ifndef BASCULE_PORTS_STORE_H
#define BASCULE_PORTS_STORE_H

#include "core/analysis/latency.h"
#include "core/mirror.h"
#include "core/record.h"
#include "core/rollout.h"
#include "ports/event.h"
#include "ports/router.h"

enum {
    BSC_ID_BYTES = 160,
    BSC_ADDRESS_BYTES = 128,
    BSC_IMAGE_BYTES = 384, /* a name of at most 255, "@sha256:" and 64 digits */
    BSC_ACTOR_BYTES = 64,
    BSC_LOCK_REASON_BYTES = 201,
};

/* The values of a table's row are what the engine's memory is made of. Numbers as ids come from one
 * sequence (bsc_settings.next_id) and are never used twice. */

/* Nothing but the way back is released while somebody has it locked. */
struct bsc_lock {
    int64_t at_ms; /* wall clock; 0: not locked */
    char actor[BSC_ACTOR_BYTES];
    char reason[BSC_LOCK_REASON_BYTES];
};

/* Services that are released together: all or none. The rollouts of its members name it. */
struct bsc_group {
    uint64_t id; /* shown as "g12"; 0: released alone */
    char name[BSC_NAME_MAX + 1];
};

/* What begins when the open rollout is taken back; of a group: when those of all members are. */
struct bsc_successor {
    struct bsc_group group;
    uint64_t rollout; /* the id that it will have; 0: there is none */
    uint64_t release;
    enum bsc_plan_kind kind;
    char actor[BSC_ACTOR_BYTES];
};

struct bsc_service_row {
    const char *name;
    const struct bsc_spec *spec; /* as the file says */
    struct bsc_slots slots;
    uint64_t release[BSC_SLOT_COUNT]; /* 0: none */
    uint64_t record[BSC_SLOT_COUNT];  /* 0: none */
    int64_t standby_until_ms;         /* wall clock; 0: no limit runs */
    enum bsc_traffic traffic;
    uint64_t generation;
    unsigned weight_bp[BSC_SLOT_COUNT];
    char affinity_key[BSC_AFFINITY_KEY_BYTES]; /* of the last rollout, hexadecimal; "": none yet */
    enum bsc_slot stable;
    bool removed; /* left the configuration: drains, stops, then disappears */
    struct bsc_lock lock;
    struct bsc_successor next;
};

struct bsc_release_row {
    uint64_t id;
    const char *service;
    const struct bsc_spec *spec; /* expanded; its version may be NULL: what was there before us */
    int64_t created_ms;
    int64_t live_ms; /* last time it became live; 0: never */
    bool rejected;   /* a rollback took it back */
    /* Of its gates (bit = index) and hooks (32 + enum bsc_hook) that are marked `once`. */
    uint64_t once_begun, once_passed;
    uint64_t group;              /* with which it became live last; 0: alone */
    char image[BSC_IMAGE_BYTES]; /* what its image was when it was first started; "": unknown */
};

enum bsc_instance_phase {
    BSC_INSTANCE_STARTING,   /* should run */
    BSC_INSTANCE_RUNNING,    /* runs */
    BSC_INSTANCE_RESTARTING, /* exited, will be started again */
    BSC_INSTANCE_DRAINING,   /* should go: waits until nothing is in flight */
    BSC_INSTANCE_STOPPING,   /* should go: was told to stop */
    BSC_INSTANCE_PHASE_COUNT
};

struct bsc_instance_row {
    char id[BSC_ID_BYTES];
    const char *service;
    uint64_t release;
    enum bsc_slot slot;
    unsigned position; /* 0 .. replicas-1 */
    unsigned port;     /* 0: none of ours */
    char address[BSC_ADDRESS_BYTES];
    enum bsc_instance_phase phase;
    bool healthy; /* the last verdict: a restarted controller goes on with it */
};

struct bsc_rollout_row {
    uint64_t id; /* shown as "r12" */
    const char *service;
    enum bsc_plan_kind kind;
    enum bsc_strategy strategy;
    uint64_t release, record;
    enum bsc_slot slot; /* the candidate */
    struct bsc_plan plan;
    struct bsc_walk walk;
    int64_t started_ms, ended_ms; /* wall clock; 0: never began, while it runs */
    char actor[BSC_ACTOR_BYTES];
    enum bsc_status error;         /* what made it fail; BSC_OK: nothing, or somebody's wish */
    unsigned passed, total;        /* of BSC_UNHEALTHY: healthy instances, of how many */
    char reason[BSC_REASON_BYTES]; /* why it failed, was aborted or rolled back */
    int64_t paused_ms;             /* since when (wall clock); 0: it is not paused */
    char paused_by[BSC_ACTOR_BYTES];
    int64_t baked_ms; /* of the bake at the cursor, when it was paused last */
    struct bsc_group group;
    struct bsc_baseline before; /* the live version before the candidate got traffic */
};

/* The audit: never changed, never deleted. */
struct bsc_audit_row {
    uint64_t sequence;
    int64_t at_ms;
    const char *service; /* NULL: of the whole */
    uint64_t rollout;    /* 0: none */
    char kind[32];       /* "deploy", "step", "promoted", "health", "traffic", ... */
    char actor[BSC_ACTOR_BYTES];
    enum bsc_status error; /* what went wrong, where the event tells of that */
    char text[BSC_REASON_BYTES];
};

struct bsc_settings {
    uint64_t next_id;
    uint64_t next_sequence; /* of the audit */
    unsigned next_port;
};

/* An A/B test. Users are forgotten when it is over. */
struct bsc_trial_row {
    uint64_t rollout;
    struct bsc_trial_tally tally;
    enum bsc_trial_verdict verdict;
    uint64_t lost, untaken;
    bool over;
    const struct bsc_cohort_user *users; /* PUT: those that changed */
    unsigned user_count;
    const struct bsc_fact_source *sources;
    unsigned source_count;
};

enum bsc_change_kind {
    BSC_PUT_SERVICE,
    BSC_DELETE_SERVICE, /* with its releases, instances; records, rollouts and audit stay */
    BSC_PUT_RELEASE,
    BSC_DELETE_RELEASE, /* by id */
    BSC_PUT_INSTANCE,
    BSC_DELETE_INSTANCE, /* by id */
    BSC_PUT_ROLLOUT,
    BSC_PUT_MIRROR, /* what came of the requests that were copied for a rollout */
    BSC_PUT_TRIAL,
    BSC_PUT_RECORD,
    BSC_ADD_AUDIT,
    BSC_PUT_SETTINGS,
    BSC_CHANGE_KIND_COUNT
};

struct bsc_change {
    enum bsc_change_kind kind;
    union {
        struct bsc_service_row service; /* DELETE: only name */
        struct bsc_release_row release; /* DELETE: only id */
        struct bsc_instance_row instance;
        struct bsc_rollout_row *rollout; /* large: owned by the change list */
        struct bsc_stored_mirror {
            uint64_t rollout;
            struct bsc_mirror_report *report; /* owned by the change list, or by the store */
        } mirror;
        struct bsc_trial_row *trial; /* likewise, with what it points to */
        struct {
            const char *service;
            struct bsc_record record;
        } record;
        struct bsc_audit_row audit;
        struct bsc_settings settings;
    };
};

/* All that lives; ended rollouts only where a service has no newer one that began, records only
 * those that a slot names. Valid during the LOADED event. */
struct bsc_stored_state {
    struct bsc_settings settings;
    const struct bsc_service_row *services;
    unsigned service_count;
    const struct bsc_release_row *releases;
    unsigned release_count;
    const struct bsc_instance_row *instances;
    unsigned instance_count;
    const struct bsc_rollout_row *rollouts;
    unsigned rollout_count;
    const struct bsc_stored_mirror *mirrors; /* of these rollouts */
    unsigned mirror_count;
    const struct bsc_stored_record {
        const char *service;
        struct bsc_record record;
    } * records;
    unsigned record_count;
    const struct bsc_trial_row *trials; /* of those rollouts */
    unsigned trial_count;
};

struct bsc_store_ops {
    const char *name;
    /* LOADED. */
    void (*load)(void *self, bsc_token token);
    /* COMMITTED: all of `changes` in one transaction, or none. The array and what it points to
     * stays valid and unchanged until then. BSC_NO_SPACE: the disk is full. */
    void (*commit)(void *self, const struct bsc_change *changes, unsigned count, bsc_token token);
};

struct bsc_store {
    const struct bsc_store_ops *ops;
    void *self;
};

#endif
