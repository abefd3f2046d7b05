/* SPDX-License-Identifier: Apache-2.0
 * engine/service.h - what the engine knows of one service. The engine writes, views read.
 */
#ifndef BASCULE_ENGINE_SERVICE_H
#define BASCULE_ENGINE_SERVICE_H

#include "core/analysis/judge.h"
#include "core/analysis/trial.h"
#include "core/health.h"
#include "core/mirror.h"
#include "core/preview.h"
#include "engine/engine.h"

/* What the gate at the cursor has asked of an instance. */
enum { BSC_GATE_DETAIL_BYTES = 160 };
struct bsc_gate_count {
    bsc_token token; /* of the request under way; 0: none */
    unsigned passed, failed;
    char detail[BSC_GATE_DETAIL_BYTES]; /* of the last failure */
};

struct bsc_instance {
    struct bsc_instance_row row;
    struct bsc_health health;
    int64_t pid;             /* 0: none */
    unsigned exits;          /* unasked ones, since it was last healthy */
    unsigned port_conflicts; /* starts that found the port taken, in a row */
    bool never_started;      /* the last exit was a start that could not happen */
    bool check_pending;      /* `bascule check` waits for its next probe */
    bool dirty;              /* the row differs from what is stored */
    int64_t restart_at_ms;   /* RESTARTING: when (boot clock) */
    int64_t drain_until_ms;  /* DRAINING: stop waiting then (boot clock) */
    int64_t leaving_ms;      /* since when those who are still there are told to go; 0: unknown */
    bsc_token runtime_token, probe_token, drain_token; /* of the call under way; 0: none */
    bsc_token drain_publish; /* the publish that took it out of the routing */
    bool drained;            /* the router said so */
    bool drain_confirmed;    /* its time is over, and drain_publish is a newer one */
    bool retire;             /* chosen to be drained, inside one handler */
    bool ejected;            /* by the proxy, for its answers: it gets nothing for a while */
    char ejected_for[96];    /* why */
    struct bsc_gate_count gate;
    char progress[128];  /* how far its start is; "": nothing is told */
    char last_exit[512]; /* "exited with status 1", "killed by signal 9"; "" */
};

struct bsc_release {
    struct bsc_release_row row; /* row.spec is counted */
    bool dirty;
};

/* One external query in the bake or gate at the cursor, or the last one. */
struct bsc_query_run {
    struct bsc_query_tally tally;
    bsc_token token; /* of the question under way; 0: none */
    int64_t next_ms; /* when it is asked again (boot clock); INT64_MAX: it is not */
};

/* An A/B test. */
struct bsc_trial {
    struct bsc_cohort cohort; /* empty when it is over */
    struct bsc_trial_tally tally;
    enum bsc_trial_verdict verdict; /* stays, once it is not open */
    uint64_t lost;                  /* facts that proxies overwrote before they were read */
    uint64_t untaken;               /* facts about users beyond BSC_COHORT_MAX */
    struct bsc_fact_source *sources;
    size_t source_count, source_capacity;
    size_t changed; /* users that differ from what is stored */
    bool over;      /* nobody is counted any more */
    bool dirty;
};

struct bsc_rollout {
    struct bsc_rollout_row row;
    int64_t step_until_ms;    /* the current step's deadline (boot clock); 0: none */
    int64_t step_began_ms;    /* boot clock */
    bsc_token step_token;     /* what the step waits for: a publish, a drain, a hook; 0: nothing */
    bool step_answered;       /* ... and it came */
    bool step_refused;        /* ... as a refusal, which `waiting` tells */
    bool step_unknown;        /* a hook whose end nobody knows: a person must abort */
    bool overtime;            /* the bake is over and there is not enough to judge by, or the time
                                 for an approval is */
    int64_t round_ms;         /* when a gate asks its instances again (boot clock) */
    struct bsc_judge *judge;  /* NULL: nothing was counted yet, or the rollout is over */
    struct bsc_judge *chosen; /* of what match rules choose beside the coin; NULL: nothing yet */
    struct bsc_trial *trial;  /* NULL: none was begun */
    struct bsc_judgement *judgement; /* what it said last; NULL: nothing yet */
    struct bsc_query_run *queries;   /* as in the release's specification */
    unsigned query_count;
    struct bsc_query_run gate_query;  /* of the gate at the cursor */
    struct bsc_mirror_report *mirror; /* what came of copied requests; NULL: none were */
    int64_t mirror_stored_ms;         /* when it was stored last (boot clock); 0: it is due */
    bool mirror_dirty;
    char waiting[BSC_REASON_BYTES]; /* why it has not gone on, for status and why; "" */
    bool dirty;
};

struct bsc_service {
    char name[BSC_NAME_MAX + 1];
    struct bsc_service_row row; /* row.spec is counted: the file's */
    struct bsc_instance *instances;
    size_t instance_count, instance_capacity;
    struct bsc_release *releases; /* oldest first; all that a rollback may go to */
    size_t release_count, release_capacity;
    struct bsc_record records[BSC_SLOT_COUNT]; /* of the slots; id 0: none */
    struct bsc_rollout *rollout;               /* the newest one; NULL: none yet */
    bool gone;                                 /* was removed: freed when that is durable */
    int64_t standby_at_ms;                     /* row.standby_until_ms on the boot clock; 0: none */
    bsc_token publish_token, acked_token;      /* the newest publish, the newest that is in force */
    bsc_token doubted_token; /* the newest when one was refused: all of them may be half in force */
    int64_t republish_at_ms; /* a publish was refused: when it is said again (boot clock); 0 */
    bsc_token check_reply;   /* who waits for a CHECK of the staging slot; 0: nobody */
    bsc_token traffic_reply, traffic_publish; /* who waits for a change of the traffic mode */
    unsigned number;                          /* index in the engine's table, part of every token */
    int64_t next_ms;                          /* its earliest timer (boot clock) */
    unsigned preview_shown; /* what the newest publish lets people look at: slot and 1; 0: none */
    bool dirty, record_dirty[BSC_SLOT_COUNT], publish_wanted, touched, changed;
    struct bsc_service *next; /* sorted by name */
};

/* For views: call them from a BSC_EVENT_QUERY, or from a notifier. */
const struct bsc_service *bsc_engine_services(const struct bsc_engine *engine); /* the first */
const struct bsc_service *bsc_engine_service(const struct bsc_engine *engine, const char *name);
const struct bsc_release *bsc_service_release(const struct bsc_service *service, uint64_t id);
struct bsc_mirror_limits bsc_mirror_limits(const struct bsc_shadow_spec *shadow);
bool bsc_engine_store_full(const struct bsc_engine *engine); /* as the last commit told */

/* The id of the hook's or gate's command that runs now; false: none does. */
bool bsc_service_command(const struct bsc_service *service, char out[static BSC_ID_BYTES]);

/* Is a rollout (or its tail) still at work? */
bool bsc_service_busy(const struct bsc_service *service);

/* Is there something to be looked at before it is live, and in which slot? */
bool bsc_preview_slot(const struct bsc_service *service, enum bsc_slot *slot);
/* How it is asked for; false: there is no way, or no address to ask at. */
bool bsc_preview_find_way(const struct bsc_spec *spec, bsc_listener_at at, void *self,
                          struct bsc_preview_way *out);

/* The plan that a command would run now: for `bascule plan`. */
struct bsc_planned {
    /* DEPLOY, STAGE, SWITCH or ROLLBACK, which may turn out a REVERT. */
    enum bsc_plan_kind kind;
    bool together; /* with others */
    enum bsc_strategy strategy;
    struct bsc_plan plan;
    unsigned whole[BSC_SLOT_COUNT]; /* instances of what is, or will be, in the slot */
    struct bsc_spec *spec;          /* of the release, as the command wishes it; the caller's */
};
/* `version` and `wish` as in the command, `out->kind` and `out->together` say which. */
enum bsc_status bsc_engine_plan(const struct bsc_engine *engine, const char *service,
                                const char *version, const struct bsc_deploy_wish *wish,
                                struct bsc_planned *out, struct bsc_error *error);

/* What the A/B test of a release is decided by. */
struct bsc_trial_options bsc_trial_options_of(const struct bsc_ab_spec *ab);
const char *bsc_trial_decider(const struct bsc_ab_spec *ab); /* a goal's name, or "value" */

#endif
