/* SPDX-License-Identifier: Apache-2.0
 * sim/world.h - the real engine in a world of fakes, in which time, failures and crashes are drawn
 * from one seed.
 *
 * One thread. Every answer of a port is an event with a due time; the scheduler takes the earliest.
 * A crash throws the engine away in the middle of whatever it was doing; processes, proxies and
 * what was committed stay.
 */
#ifndef BASCULE_SIM_WORLD_H
#define BASCULE_SIM_WORLD_H

#include <stdbool.h>

#include "core/configuration.h"
#include "engine/service.h"

enum {
    SIM_SERVICES = 3,
    SIM_GENERATIONS = 3,
    SIM_PROCESSES = 256,
    SIM_ENDPOINTS = 32,
    SIM_ID_BUCKETS = 64
};

/* How bad the world is; chances are per million of the occasions. */
struct sim_weather {
    unsigned commit_fails, disk_fills, load_fails, start_fails, start_slow, stop_slow, port_taken;
    unsigned dies, probe_fails, probe_silent, hook_fails, gate_fails, gate_hangs, configure_fails;
    unsigned crash_at_commit, crash_anywhere, terminate;
    unsigned proxy_dies, proxy_upgrade, proxy_slow, publish_refused, trips, wall_jumps;
    bool kind; /* nothing ever happens to an instance: then no request may find none */
};

/* What instances and hooks are called; who names one points here. Lives as long as the world. */
struct sim_id {
    struct sim_id *next;         /* in its bucket */
    struct sim_process *process; /* NULL: none has it, or none any more */
    unsigned flying;             /* requests that are on their way to it */
    bool gone;                   /* was stopped by the engine's wish, and forgotten */
    char text[BSC_ID_BYTES];
};

struct sim_process {
    struct sim_id *id;
    bool used, running, hook, doomed; /* doomed: never becomes healthy */
    bool container;                   /* another runtime has it */
    bool foreign;                     /* a static address: not ours to start or stop */
    int64_t ends_ms;                  /* when a hook, or what was told to stop, exits */
    bool watched;                     /* somebody is told when it exits */
    bsc_token exit_token;             /* of the call that stops it */
    int64_t
        excluded_ms; /* since when no publish has named it as one that stays; 0: the newest does */
    int wait_status;
    unsigned port;
    unsigned passes; /* probes passed in a row, the ground truth for invariant 2 */
    bool stopped;    /* by the engine's wish */
};

struct sim_route {
    char name[BSC_NAME_MAX + 1];
    bool known;
    uint64_t version;    /* of the wanted state that this is a copy of */
    uint64_t generation; /* of the split */
    unsigned weight_bp[BSC_SLOT_COUNT];
    bool rescue, tripped; /* tripped: the weights are the proxy's own, all to `stable` */
    enum bsc_slot stable, candidate;
    bool watch;
    bool match;   /* some requests go to the candidate by rule */
    bool mirror;  /* requests are copied to the candidate */
    bool counts;  /* users of an A/B test */
    bool preview; /* some may look at ... */
    enum bsc_slot preview_slot;
    uint64_t rollout;
    enum bsc_traffic traffic;
    unsigned endpoint_count;
    struct sim_endpoint {
        struct sim_id *id;
        enum bsc_slot slot;
        bool healthy, leaving;
    } endpoints[SIM_ENDPOINTS];
};

/* What requests make of a candidate: drawn once for a rollout. */
enum sim_trial { SIM_TRIAL_GOOD, SIM_TRIAL_BAD, SIM_TRIAL_SILENT };

/* What the proxies counted of a split. */
struct sim_counted {
    uint64_t generation, units[2], errors; /* of the candidate, of the live slot */
    int64_t told_ms;
};

struct sim_generation {
    bool alive, retiring;
    int64_t retires_ms; /* answers what comes on its connections until then */
    struct sim_route routes[SIM_SERVICES];
    int64_t adopts_at_ms[SIM_SERVICES]; /* when it takes the wanted state; 0: it has it */
};

struct sim_request {
    int64_t ends_ms;
    unsigned generation;
    struct sim_id *id;
};

enum { SIM_DRIVEN = 1000 }; /* as a script: a test asks, nothing happens by itself */

/* What a run is asked to meet, besides what its seed brings. */
struct sim_fate {
    unsigned script;      /* 0: random users and weather; else a story, see story.c */
    uint64_t crash_at[2]; /* crash when so many commits were asked for; 0: not */
    bool durable[2];      /* what was being committed then reaches the disk */
    bool approval;        /* every release asks for one */
};

struct sim_pending; /* an event on its way to the engine */

struct sim_row_list; /* the durable tables, store.c */

struct sim {
    uint64_t seed, random;
    uint64_t keys; /* of affinity, made so far */
    int64_t now_ms, wall_offset_ms;
    struct sim_weather weather;
    bool calm;             /* the end of a run: nothing fails any more */
    bool verbose, trial;   /* trial: a failure is looked for, not told */
    bool full;             /* the disk */
    bool ballast;          /* the store's reserve is whole */
    bool told_full;        /* ... and the engine heard that it is not */
    unsigned reserve;      /* commits that still fit where the ballast was */
    bsc_token terminating; /* who asked that all be stopped; 0: nobody */
    bool stopped;          /* all is stopped: the next turn starts it again */
    unsigned crashes, commits, requests, rollouts;
    struct sim_fate fate;
    bool crash_wanted;

    struct bsc_engine *engine;
    bool ready;
    struct sim_pending *pending;
    uint64_t order;

    struct sim_row_list *rows;
    struct bsc_change *commit; /* under way: a deep copy */
    unsigned commit_count;
    bsc_token commit_token;

    struct sim_id *ids[SIM_ID_BUCKETS];
    struct sim_process processes[SIM_PROCESSES];
    unsigned process_high; /* all behind it were never used */
    struct sim_route wanted[SIM_SERVICES];
    struct sim_route snapshot[SIM_SERVICES];
    int64_t snapshot_at_ms[SIM_SERVICES];
    bool published[SIM_SERVICES]; /* by the controller that runs now */
    /* Until its first release is promoted a service owes nobody an answer, nor does a proxy that
     * starts from a snapshot of then; after a start of the whole not until its stable slot has
     * answered again: an abort before that goes back to what is not up yet. */
    uint64_t known_since[SIM_SERVICES]; /* the version of the newest publish before that */
    uint64_t served[SIM_SERVICES];  /* ... of the route by which stable first answered after it; 0:
                                       none */
    int64_t drain_ms[SIM_SERVICES]; /* the least that any of its releases gives to requests */
    struct sim_generation generations[SIM_GENERATIONS];
    struct sim_counted counted[SIM_SERVICES];
    int64_t mirrored_ms[SIM_SERVICES]; /* when it was told last what came of copies */
    struct sim_facts {
        uint64_t trial, written, read; /* each about another user */
        int64_t told_ms;
    } facts[SIM_SERVICES];
    struct sim_wait {
        bsc_token token; /* 0: free */
        bool drain;
        unsigned service;
        uint64_t version;
        unsigned id_count;
        struct sim_id *ids[SIM_ENDPOINTS];
    } waits[128];
    unsigned wait_high; /* all behind it were never used */
    struct sim_request *flying;
    size_t flying_count, flying_capacity;

    const struct bsc_config *config; /* the newest that was asked for */
    struct sim_configs *configs;
    unsigned version_count, script_at, script_asked;
    int64_t script_ms; /* the next line of the script is not due before */
    bsc_token next_command;
    uint64_t once[512]; /* releases whose gate that runs once has run */
    unsigned once_count;
    struct sim_open_command {
        bsc_token token;
        int64_t asked_ms;
        bool refuse; /* must be refused: a deploy on a full disk */
        bool abort;
    } open[64];
    struct sim_held {
        uint64_t rollout; /* that was stored as paused; 0: none */
        unsigned weight_bp;
    } held[SIM_SERVICES];
    uint64_t aborted[SIM_SERVICES]; /* the newest rollout of which an abort was said to be done */
    enum bsc_status answer;         /* the newest reply */
    char answer_text[512];
    char failure[512]; /* the invariant that was broken; "" */
};

/* splitmix64 (Steele, Lea, Flood 2014): small, good enough, the same everywhere. */
static inline uint64_t sim_random(struct sim *sim, uint64_t below)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below ? z % below : z;
}

static inline bool sim_chance(struct sim *sim, unsigned per_million)
{
    return !sim->calm && per_million && sim_random(sim, 1000000) < per_million;
}

static inline unsigned sim_service_index(const char *name)
{
    return (unsigned)(name[1] - '0'); /* services are called s0, s1 ... */
}

void sim_fail(struct sim *sim, const char *format, ...) BSC_PRINTF(2, 3);
void sim_say(struct sim *sim, const char *format, ...) BSC_PRINTF(2, 3);

/* An event for the engine in `delay_ms`; strings are copied. */
void sim_send(struct sim *sim, int64_t delay_ms, const struct bsc_event *event);
void sim_drop_pending(struct sim *sim);
void sim_cancel_pending(struct sim *sim, enum bsc_event_kind kind, bsc_token token);

/* store.c */
void sim_store_init(struct sim *sim);
void sim_store_deinit(struct sim *sim);
struct bsc_store sim_store_port(struct sim *sim);
/* The commit under way is decided: made durable or lost. */
void sim_store_decide(struct sim *sim, bool durable);
/* What is durable. Every name of a service in it is one and the same pointer. */
const struct bsc_stored_state *sim_store_state(struct sim *sim);

/* runtime.c */
struct bsc_runtime sim_runtime_port(struct sim *sim, enum bsc_runtime_kind kind);
struct bsc_prober sim_prober_port(struct sim *sim);
struct bsc_query_port sim_query_port(struct sim *sim); /* query.c */
struct bsc_query_spec sim_draw_query(struct sim *sim); /* its name says what it answers */
struct sim_id *sim_id(struct sim *sim, const char *text);
struct sim_process *sim_process_find(struct sim *sim, const char *id);
/* Was it stopped by the engine's wish? What died by itself was not. */
bool sim_process_stopped(const struct sim_id *id);
void sim_runtime_deinit(struct sim *sim);
void sim_runtime_turn(struct sim *sim); /* processes die */
int64_t sim_runtime_next_ms(const struct sim *sim);
void sim_runtime_controller_lost(struct sim *sim);
void sim_runtime_stop(struct sim *sim); /* what was told to stop has done so */

/* router.c */
struct bsc_router sim_router_port(struct sim *sim);
void sim_router_turn(struct sim *sim); /* generations adopt, requests come and go, waits end */
int64_t sim_router_next_ms(const struct sim *sim);
void sim_router_controller_lost(struct sim *sim);
void sim_router_stop(struct sim *sim); /* the whole system goes down in order */
/* May a new request be sent to this instance by any live generation? */
enum sim_trial sim_trial_of(const struct sim *sim, uint64_t rollout);
bool sim_router_reaches(const struct sim *sim, const struct sim_id *id);

/* oracle.c */
void sim_check_durable(struct sim *sim);
void sim_check_publish(struct sim *sim, const struct bsc_routing *routing);
void sim_check_start(struct sim *sim, const struct bsc_launch *launch);
void sim_check_stop(struct sim *sim, const char *id);
/* Nothing happens to instances, and there is a release that nobody takes back: requests must find
 * it. */
bool sim_must_serve(struct sim *sim, unsigned service);
/* An abort of this rollout was said to be done: it wins over all that would go on with it. */
void sim_aborted(struct sim *sim, uint64_t rollout);
enum bsc_slot sim_stable(struct sim *sim, unsigned service); /* as it is stored */
void sim_check_stopped(struct sim *sim);
void sim_check_end(struct sim *sim);
bool sim_at_rest(struct sim *sim); /* would sim_check_end find nothing? */

/* preview.c */
void sim_draw_preview(const struct sim *sim, struct bsc_spec *spec, unsigned service);
void sim_check_preview(struct sim *sim, const struct bsc_service_row *row,
                       const struct bsc_routing *routing);
void sim_check_preview_at_rest(struct sim *sim, const struct bsc_service *service,
                               const struct sim_route *route);
void sim_check_preview_command(struct sim *sim, const struct bsc_launch *launch);
void sim_look(struct sim *sim, unsigned g, unsigned s);

/* groups.c: of services that are released together the store has all or none promoted, and the
 * proxies were told the splits of all or of none. */
void sim_check_groups(struct sim *sim);
void sim_check_together(struct sim *sim);
/* The two versions never run at once. */
bool sim_stops_first(const struct bsc_plan *plan);

/* memory.c: what the engine holds is what is stored */
void sim_check_memory(struct sim *sim);
bool sim_engine_free(const struct sim *sim); /* nothing is on its way to or from the store */

struct sim_configs;

/* scenario.c */
void sim_scenario_init(struct sim *sim);
void sim_scenario_deinit(struct sim *sim);
void sim_scenario_turn(struct sim *sim); /* users do something */
void sim_scenario_calm(struct sim *sim);
/* A strategy with everything that it can have. */
struct bsc_spec *sim_full_spec(struct sim *sim, unsigned service, enum bsc_strategy strategy);
void sim_command(struct sim *sim, struct bsc_event *event); /* somebody asks */
void sim_replied(struct sim *sim, bsc_token token, const struct bsc_reply *reply);

/* story.c */
struct bsc_spec *sim_story_spec(struct sim *sim, unsigned service);
void sim_script_turn(struct sim *sim);
void sim_script_check(struct sim *sim); /* the story ended as it must */
unsigned sim_script_count(void);

/* world.c */
void sim_engine_start(struct sim *sim);
void sim_crash(struct sim *sim);
/* A world whose users are a test; its specifications may be changed before the first turn. */
struct sim *sim_open(uint64_t seed, const struct sim_fate *fate, bool verbose);
void sim_close(struct sim *sim);
void sim_turn(struct sim *sim);
struct bsc_spec *sim_spec(struct sim *sim, unsigned service); /* of the first configuration */
/* Asks the engine and waits for its answer, which is in sim->answer and sim->answer_text. */
enum bsc_status sim_ask(struct sim *sim, struct bsc_event event);
bool sim_run(uint64_t seed, bool verbose, const struct sim_fate *fate, struct sim *out);

#endif
