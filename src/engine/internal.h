/* SPDX-License-Identifier: Apache-2.0
 * engine/internal.h - shared by the engine's files, seen by nobody else.
 *
 * An event changes memory and leaves two lists: changes for the store and effects for the ports.
 * transaction.c commits the first and then releases the second. Handlers therefore only write down
 * what they want.
 */
#ifndef BASCULE_ENGINE_INTERNAL_H
#define BASCULE_ENGINE_INTERNAL_H

#include "base/text.h"
#include "core/command.h"
#include "engine/service.h"

enum {
    BSC_SERVICE_BITS = 20, /* of a token: which service it belongs to */
    BSC_EXITS_MAX = 3,     /* unasked exits of a candidate's instance that fail a rollout */
    BSC_RELEASES_KEPT = 10,
    BSC_PORT_TRIES = 20,
    BSC_TAIL_BYTES = 400,
    BSC_BATCH_SERVICES = 128, /* results of so many services at most share a commit */
};

enum bsc_phase {
    BSC_PHASE_LOADING, /* LOADED is awaited */
    BSC_PHASE_LISTING, /* LISTED is awaited from each runtime */
    BSC_PHASE_READY,
    BSC_PHASE_BROKEN, /* the store does not work; tried again at retry_ms */
};

enum bsc_effect_kind {
    BSC_EFFECT_START,
    BSC_EFFECT_STOP,
    BSC_EFFECT_FORGET,
    BSC_EFFECT_PROBE,
    BSC_EFFECT_GATE_PROBE,
    BSC_EFFECT_PUBLISH,
    BSC_EFFECT_REMOVE,
    BSC_EFFECT_DRAIN,
    BSC_EFFECT_HOOK,
    BSC_EFFECT_REPLY,
    BSC_EFFECT_AUDIT,
};

struct bsc_effect {
    enum bsc_effect_kind kind;
    bsc_token token;
    struct bsc_service *service;
    char id[BSC_ID_BYTES];
    enum bsc_runtime_kind runtime;
    bool early; /* may precede its record: giving the weight back to stable */
    bool performed;
    bool undo; /* HOOK: its undo command */
    int64_t grace_ms;
    enum bsc_status status; /* REPLY */
    uint64_t rollout;
    char *text; /* REPLY: lines, split at '\n' when `lines` */
    bool lines;
    struct bsc_audit_row *audit;
};

struct bsc_queued; /* an event that waits */

struct bsc_engine {
    struct bsc_ports ports;
    enum bsc_phase phase;
    struct bsc_settings settings;
    bool settings_dirty;
    int64_t wall_ms; /* when the event came that is handled: one time for all that it changes */
    bsc_token last_token;
    struct bsc_service *services; /* sorted by name */
    struct bsc_service **numbered;
    size_t number_count, number_capacity;
    unsigned port_low, port_high;
    struct bsc_text file; /* what is not a service's; empty: none was applied since the start */

    struct bsc_change *changes;
    size_t change_count, change_capacity;
    struct bsc_effect *effects;
    size_t effect_count, effect_capacity;
    struct bsc_service **touched;
    size_t touched_count, touched_capacity;
    bsc_token commit_token; /* of the commit under way; 0: none */
    bsc_token load_token;
    unsigned lists_awaited;
    bool store_full;
    bool unproved;     /* nothing was committed since the store was read */
    bool store_failed; /* the memory was thrown away after a failed commit */
    int64_t retry_ms, retry_pause_ms;
    enum bsc_status store_status; /* what is wrong; store_text says more */
    char store_text[BSC_ERROR_TEXT_BYTES];

    struct bsc_found_copy *found; /* what the runtimes listed: until all have, or it has ended */
    size_t found_count, found_capacity;

    const struct bsc_config *apply; /* waits for the router to take its listeners */
    bsc_token apply_reply, apply_token;
    char apply_actor[BSC_ACTOR_BYTES];

    bool terminating;
    bsc_token terminate_reply;

    struct bsc_queued *queue_first, *queue_last;
    void (*on_ready)(void *argument, enum bsc_status status, const char *text);
    void *on_ready_argument;
};

struct bsc_found_copy {
    char id[BSC_ID_BYTES];
    int64_t pid;
    int wait_status;
    char *text;
    enum bsc_runtime_kind runtime;
    bool claimed;
    bsc_token stop; /* of the call that stops it blindly */
};

/* engine.c */
int64_t bsc_now(const struct bsc_engine *engine);
/* The same for everything that one event changes. */
int64_t bsc_wall(const struct bsc_engine *engine);

/* transaction.c: writing down what is to be stored, done and told */
bsc_token bsc_token_next(struct bsc_engine *engine, const struct bsc_service *service);
struct bsc_service *bsc_token_service(const struct bsc_engine *engine, bsc_token token);
/* Whatever a handler reads or writes of a service, it says so: the service goes on and its timers
 * are set anew (look), listeners are told (touch), its row is stored (touch_row). */
void bsc_look(struct bsc_engine *engine, struct bsc_service *service);
void bsc_touch(struct bsc_engine *engine, struct bsc_service *service);
void bsc_touch_row(struct bsc_engine *engine, struct bsc_service *service);
struct bsc_change *bsc_change_add(struct bsc_engine *engine, enum bsc_change_kind kind);
struct bsc_effect *bsc_effect_add(struct bsc_engine *engine, enum bsc_effect_kind kind,
                                  struct bsc_service *service);
void bsc_reply(struct bsc_engine *engine, bsc_token token, enum bsc_status status, uint64_t rollout,
               const char *format, ...) BSC_PRINTF(5, 6);
void bsc_reply_lines(struct bsc_engine *engine, bsc_token token, enum bsc_status status,
                     const struct bsc_text *lines);
/* The entry that was written down, for the caller to add what went wrong. */
struct bsc_audit_row *bsc_audit(struct bsc_engine *engine, const struct bsc_service *service,
                                uint64_t rollout, const char *kind, const char *actor,
                                const char *format, ...) BSC_PRINTF(6, 7);
uint64_t bsc_id_next(struct bsc_engine *engine);
/* Commits what was written down, or releases the effects at once when nothing is to be stored. */
void bsc_settle(struct bsc_engine *engine);
void bsc_transaction_committed(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_transaction_clear(struct bsc_engine *engine); /* frees what was written down */

/* effect.c */
void bsc_effect_perform(struct bsc_engine *engine, struct bsc_effect *effect);
/* The last lines that an instance or hook wrote, without white space at their end. */
void bsc_tail(const struct bsc_engine *engine, enum bsc_runtime_kind kind, const char *id,
              char out[static BSC_TAIL_BYTES]);

/* load.c */
void bsc_load_begin(struct bsc_engine *engine);
/* The store does not work: nothing is done until it is tried again in a while. */
void bsc_load_later(struct bsc_engine *engine, enum bsc_status status, const char *text);
void bsc_load_done(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_load_listed(struct bsc_engine *engine, const struct bsc_event *event);
/* Asks every runtime what runs. */
void bsc_found_ask(struct bsc_engine *engine);
/* Keeps what one of them answered; true when that was the last answer. */
bool bsc_found_add(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_memory_clear(struct bsc_engine *engine);

/* memory.c: the tables */
struct bsc_service *bsc_service_add(struct bsc_engine *engine, const char *name);
void bsc_service_delete(struct bsc_engine *engine, struct bsc_service *service); /* frees */
/* Deletes it from the store, and from memory when that is durable. */
void bsc_service_forget(struct bsc_engine *engine, struct bsc_service *service);
struct bsc_service *bsc_service_find(const struct bsc_engine *engine, const char *name);
struct bsc_instance *bsc_instance_find(struct bsc_service *service, const char *id);
bool bsc_instance_stays(const struct bsc_instance *instance); /* not on its way out */
struct bsc_instance *bsc_instance_at(struct bsc_service *service, enum bsc_slot slot,
                                     uint64_t release, unsigned position);
struct bsc_instance *bsc_instance_new(struct bsc_service *service);
void bsc_instance_remove(struct bsc_engine *engine, struct bsc_service *service,
                         struct bsc_instance *instance);
struct bsc_release *bsc_release_find(const struct bsc_service *service, uint64_t id);
struct bsc_release *bsc_release_new(struct bsc_engine *engine, struct bsc_service *service,
                                    const struct bsc_spec *spec);
/* Of the releases that nothing names only the last BSC_RELEASES_KEPT that were live are left: what
 * a rollback by name can go back to. */
void bsc_releases_prune(struct bsc_engine *engine, struct bsc_service *service);
const struct bsc_spec *bsc_instance_spec(const struct bsc_service *service,
                                         const struct bsc_instance *instance);
/* "v2", or "what was there before" for a release without a version. */
const char *bsc_version_text(const struct bsc_spec *spec);

/* instance.c */
void bsc_instance_create(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_release *release, enum bsc_slot slot, unsigned position);
/* As many as lack to `count`. */
void bsc_instances_create(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_release *release, enum bsc_slot slot, unsigned count);
void bsc_instance_start(struct bsc_engine *engine, struct bsc_service *service,
                        struct bsc_instance *instance);
/* How far its start is. */
void bsc_instance_starting(struct bsc_engine *engine, struct bsc_service *service,
                           struct bsc_instance *instance, const char *text);
void bsc_instance_started(struct bsc_engine *engine, struct bsc_service *service,
                          struct bsc_instance *instance, const struct bsc_event *event);
/* Where a hook of the service runs as whom: containers have users of their own. */
const char *bsc_hook_user(const struct bsc_spec *spec);
void bsc_instance_exited(struct bsc_engine *engine, struct bsc_service *service,
                         struct bsc_instance *instance, const struct bsc_event *event);
/* Takes the instances of `slot` out of the routing, drains and stops them: all but those of the
 * release `kept`; 0: all. */
void bsc_instances_retire(struct bsc_engine *engine, struct bsc_service *service,
                          enum bsc_slot slot, uint64_t kept);
/* The same with as many as are more than `left`, ill ones first; of healthy ones at most `healthy`.
 */
void bsc_instances_shrink(struct bsc_engine *engine, struct bsc_service *service,
                          enum bsc_slot slot, unsigned left, unsigned healthy);
/* Those of `slot`, which gets nothing new, go on, but what lasts there shall leave: the time for
 * that is not given again when they are stopped. */
void bsc_instances_leave(struct bsc_engine *engine, struct bsc_service *service,
                         enum bsc_slot slot);
/* Is it so? Not of instances that are about to get traffic. */
bool bsc_instance_leaves(const struct bsc_service *service, const struct bsc_instance *instance);
/* Those that the proxies may not know to be drained are drained again from the newest publish on.
 */
void bsc_instances_drain_anew(struct bsc_engine *engine, struct bsc_service *service);
/* After a restart: goes on with draining and stopping. */
void bsc_instances_recover(struct bsc_engine *engine, struct bsc_service *service);
void bsc_instances_tick(struct bsc_engine *engine, struct bsc_service *service);
/* Those that are not on their way out. */
unsigned bsc_instances_staying(const struct bsc_service *service, enum bsc_slot slot);
/* Those on their way out included, until they are gone. */
unsigned bsc_instances_count(const struct bsc_service *service, enum bsc_slot slot);
int64_t bsc_instances_next_ms(const struct bsc_service *service);
void bsc_exit_describe(const struct bsc_event *event, char *out, size_t size);

/* health.c */
void bsc_probe_due(struct bsc_engine *engine, struct bsc_service *service,
                   struct bsc_instance *instance);
void bsc_probe_result(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event);
void bsc_ejected(struct bsc_engine *engine, const struct bsc_event *event);
/* How many instances of `release` there should be in `slot`, as far as its rollout has come. */
unsigned bsc_slot_wanted(const struct bsc_service *service, enum bsc_slot slot, uint64_t release);
bool bsc_slot_healthy(const struct bsc_service *service, enum bsc_slot slot, uint64_t release,
                      unsigned *healthy, unsigned *total);
void bsc_check_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event);
void bsc_check_progress(struct bsc_engine *engine, struct bsc_service *service);
/* "2 of 3 healthy; web-green-7: answered 503; its last output: ..." */
void bsc_slot_health_text(const struct bsc_engine *engine, const struct bsc_service *service,
                          enum bsc_slot slot, uint64_t release, char *out, size_t size);

/* routing.c */
/* So much of the traffic to `slot`, the rest to the other; returns whether that changed anything.
 */
bool bsc_weight_set(struct bsc_engine *engine, struct bsc_service *service, enum bsc_slot slot,
                    unsigned weight_bp);
/* Other users will be the first that see the next candidate. Only while all the traffic goes to one
 * slot: it takes effect with the next change of the weights. */
void bsc_affinity_renew(struct bsc_engine *engine, struct bsc_service *service);
bsc_token bsc_publish(struct bsc_engine *engine, struct bsc_service *service, bool early);
void bsc_unpublish(struct bsc_engine *engine, struct bsc_service *service);
/* The proxies did not take it, so nothing that waits for it goes on: it is said again in a while.
 */
void bsc_publish_refused(struct bsc_engine *engine, struct bsc_service *service);
void bsc_publish_tick(struct bsc_engine *engine, struct bsc_service *service);
bool bsc_published(const struct bsc_service *service, bsc_token token);
/* What the proxies do with requests: the user's wish, unless a rollout holds them. */
enum bsc_traffic bsc_traffic_in_force(const struct bsc_service *service);
/* Can stable take all the traffic? False when it lost instances to the rollout. */
bool bsc_stable_is_whole(const struct bsc_service *service);
/* Whose requests go to the candidate by match rules now; NULL: nobody's. */
const struct bsc_match_spec *bsc_match_in_force(const struct bsc_service *service);
/* Does stable answer what the candidate fails? */
bool bsc_rescues(const struct bsc_service *service);
void bsc_routing_perform(struct bsc_engine *engine, struct bsc_effect *effect);

/* rollout.c */
struct bsc_rollout *bsc_rollout_begin(struct bsc_engine *engine, struct bsc_service *service,
                                      enum bsc_plan_kind kind, const struct bsc_release *release,
                                      const struct bsc_plan *plan, uint64_t id, const char *actor);
void bsc_rollout_event(struct bsc_engine *engine, struct bsc_service *service,
                       enum bsc_walk_event event, const char *reason);
/* The proxies gave the traffic back to stable, because too much had to be rescued. */
void bsc_rollout_tripped(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_rollout_resume(struct bsc_engine *engine, struct bsc_service *service);
void bsc_rollout_progress(struct bsc_engine *engine, struct bsc_service *service);
int64_t bsc_rollout_next_ms(const struct bsc_service *service);
/* Why it fails, said before it is told as an event; what was said first stays. `passed` of `total`:
 * of BSC_UNHEALTHY. */
void bsc_rollout_blame(struct bsc_service *service, enum bsc_status error, unsigned passed,
                       unsigned total);
/* The standby in `slot` stays warm for as long as the release in the other slot says. */
void bsc_standby_begin(struct bsc_engine *engine, struct bsc_service *service, enum bsc_slot slot);
/* The same event, without what follows from it for the group. */
void bsc_rollout_turn(struct bsc_engine *engine, struct bsc_service *service,
                      enum bsc_walk_event event, const char *reason);
/* Uncommitted: an abort could still take it back. */
bool bsc_rollout_open(const struct bsc_service *service);

/* step.c: beginning, judging and undoing each kind of step */
enum bsc_verdict { BSC_WAIT, BSC_DONE, BSC_FAIL };
void bsc_step_begin(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size);
/* Of a rollout that is paused between two steps: is what was begun still well? */
enum bsc_verdict bsc_step_judge_held(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size);
void bsc_step_undo(struct bsc_engine *engine, struct bsc_service *service);
/* What instances are started, checked, drained and stopped for: step_instances.c */
void bsc_step_begin_start(struct bsc_engine *engine, struct bsc_service *service);
/* A start gets on, so its step gets its time anew: fetching an image takes as long as it takes. */
void bsc_step_progress(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_start(const struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size);
enum bsc_verdict bsc_step_judge_check(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size);
void bsc_step_begin_drain(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_drain(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size);
void bsc_step_begin_stop(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_stop(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size);
void bsc_step_undo_start(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_undo_start(const struct bsc_service *service, char *reason,
                                           size_t size);
void bsc_step_restart(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_restart(const struct bsc_engine *engine,
                                        struct bsc_service *service, char *reason, size_t size);
struct bsc_step *bsc_step_current(const struct bsc_service *service);
bool bsc_step_expired(const struct bsc_engine *engine, const struct bsc_rollout *rollout);
/* The candidate is not as healthy as it must be: the rollout fails for that. */
enum bsc_verdict bsc_step_fail_health(struct bsc_service *service);
/* The proxies did not take a publish: when it is the switch that the rollout waits for, that fails.
 */
void bsc_split_refused(struct bsc_service *service, const struct bsc_event *event);
enum bsc_verdict bsc_step_judge_undo(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size);
/* preview.c */
/* What can be looked at may be another: then the proxies are to be told. */
void bsc_preview_renew(struct bsc_service *service);
/* Something can be looked at, and not every proxy knows of it yet. */
bool bsc_preview_awaited(const struct bsc_service *service);

/* Commands of hooks and gates: step_hook.c */
/* Is the step at the cursor one that runs a command? */
bool bsc_hook_runs(const struct bsc_service *service);
/* Whose command it is; NULL: nobody's. */
struct bsc_release *bsc_hook_release(const struct bsc_service *service);
const struct bsc_command *bsc_hook_command(const struct bsc_spec *spec, const struct bsc_step *step,
                                           bool undo);
enum bsc_verdict bsc_hook_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size);
void bsc_hook_id(const struct bsc_rollout *rollout, bool undo, char out[static BSC_ID_BYTES]);
/* Unless it ran before, and may run once. */
void bsc_hook_begin(struct bsc_engine *engine, struct bsc_service *service, bool undo);
/* Also when it was begun before, but did not run. */
void bsc_hook_run(struct bsc_engine *engine, struct bsc_service *service, bool undo);
void bsc_hook_await(struct bsc_engine *engine, struct bsc_service *service);
void bsc_hook_exited(struct bsc_engine *engine, struct bsc_service *service,
                     const struct bsc_event *event);

/* Gates: step_gate.c */
/* NULL: the step at the cursor is none. */
const struct bsc_gate *bsc_gate_current(const struct bsc_service *service);
bool bsc_gate_commands(const struct bsc_gate *gate); /* Does it run a command? */
void bsc_gate_begin(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_gate_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size);
/* gate_approval.c */
void bsc_approval_begin(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_gate *gate);
enum bsc_verdict bsc_approval_judge(struct bsc_engine *engine, struct bsc_service *service,
                                    const struct bsc_gate *gate, char *reason, size_t size);
void bsc_approve_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event, enum bsc_rule rule);
/* When it looks again; INT64_MAX: when something else happens. */
int64_t bsc_gate_next_ms(const struct bsc_service *service);
/* gate_probe.c */
void bsc_gate_probe_begin(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_gate *gate);
enum bsc_verdict bsc_gate_probe_judge(struct bsc_engine *engine, struct bsc_service *service,
                                      const struct bsc_gate *gate, char *reason, size_t size);
int64_t bsc_gate_probe_next_ms(const struct bsc_service *service, const struct bsc_gate *gate);
void bsc_gate_probed(struct bsc_engine *engine, struct bsc_service *service,
                     struct bsc_instance *instance, const struct bsc_event *event);
/* gate_query.c */
void bsc_gate_query_begin(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_gate *gate);
enum bsc_verdict bsc_gate_query_judge(struct bsc_engine *engine, struct bsc_service *service,
                                      const struct bsc_gate *gate, char *reason, size_t size);
int64_t bsc_gate_query_next_ms(const struct bsc_service *service, const struct bsc_gate *gate);
void bsc_gate_query_answered(struct bsc_engine *engine, struct bsc_service *service,
                             const struct bsc_event *event);

/* analysis.c: what the judge sees of a rollout and what follows from it */
/* Is the candidate judged? */
bool bsc_analysis_watches(const struct bsc_service *service);
void bsc_analysis_counted(struct bsc_engine *engine, const struct bsc_event *event);
/* A bake begins: what was seen before is no evidence for it. */
void bsc_analysis_step(struct bsc_service *service);
/* The time of the bake is `over`: done, or a wait for more requests, or for external queries to be
 * `answered`, that itself ends. `reason` says how it stands. */
enum bsc_verdict bsc_analysis_bake(const struct bsc_engine *engine, struct bsc_service *service,
                                   bool over, bool answered, char *reason, size_t size);
/* The rollout is decided: what the judge had in memory is given back, what it said stays. */
void bsc_analysis_end(struct bsc_rollout *rollout);
void bsc_rollout_free(struct bsc_rollout *rollout); /* NULL is allowed */

/* query.c: external queries */
void bsc_queries_begin(struct bsc_engine *engine, struct bsc_service *service); /* a bake does */
/* The bake or gate is left: nothing is asked any more, what was said stays. */
void bsc_queries_end(struct bsc_engine *engine, struct bsc_rollout *rollout);
void bsc_query_answered(struct bsc_engine *engine, const struct bsc_event *event);
/* Asks what is due. FAILED: the rollout goes back; OPEN: the bake can't end; `reason` says why. */
enum bsc_query_state bsc_queries_judge(struct bsc_engine *engine, struct bsc_service *service,
                                       char *reason, size_t size);
int64_t bsc_queries_next_ms(const struct bsc_service *service);
/* effect.c */
void bsc_question_ask(struct bsc_engine *engine, const struct bsc_service *service,
                      const struct bsc_query_spec *spec, bsc_token token);
/* trial.c, step_trial.c: users decide */
struct bsc_trial *bsc_trial_create(void);
void bsc_trial_free(struct bsc_trial *trial); /* NULL is allowed */
void bsc_trial_load(struct bsc_rollout *rollout, const struct bsc_trial_row *stored);
struct bsc_fact_source *bsc_trial_source(struct bsc_trial *trial, uint64_t source);
/* Do users count now? */
bool bsc_trial_runs(const struct bsc_service *service);
void bsc_trial_say(const struct bsc_service *service, char *out, size_t size);
void bsc_trial_facts(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_convert_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event);
/* Writes down what is to be stored of it. */
void bsc_trial_collect(struct bsc_engine *engine, struct bsc_rollout *rollout);
void bsc_trial_row_free(struct bsc_trial_row *row);
/* The rollout is decided: its users are forgotten, the figures stay. */
void bsc_trial_end(struct bsc_rollout *rollout);
void bsc_step_begin_trial(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_trial(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size);

/* step_mirror.c */
/* What the proxies copy now, and how much of the requests; NULL: nothing. */
const struct bsc_shadow_spec *bsc_mirror_in_force(const struct bsc_service *service,
                                                  unsigned *share_bp);
void bsc_step_begin_mirror(struct bsc_engine *engine, struct bsc_service *service);
enum bsc_verdict bsc_step_judge_mirror(struct bsc_engine *engine, struct bsc_service *service,
                                       char *reason, size_t size);
/* It ends, in whatever way: the proxies are told, and the report is stored. */
void bsc_step_leave_mirror(struct bsc_engine *engine, struct bsc_service *service);
void bsc_mirrored(struct bsc_engine *engine, const struct bsc_event *event);
/* A copy of the report, when it is time to store it; else NULL. */
struct bsc_mirror_report *bsc_mirror_to_store(const struct bsc_engine *engine,
                                              struct bsc_rollout *rollout);

/* terminate.c: stopping all that runs, and telling when that is done */
void bsc_terminate_command(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_terminate_stop(struct bsc_engine *engine);
void bsc_terminate_progress(struct bsc_engine *engine);
/* Without a store, which may never work again. */
void bsc_terminate_blindly(struct bsc_engine *engine);
void bsc_terminate_hear(struct bsc_engine *engine, const struct bsc_event *event);

/* group.c: services that are released together */
/* With which the open rollout of the service stands or falls; 0: with none. */
uint64_t bsc_group_of(const struct bsc_service *service);
/* Nothing of it is open, and it begins with its group when what is open of the others ended. */
bool bsc_group_awaits(const struct bsc_service *service);
/* Where a member waits for others: only bsc_groups_progress leads on from there. */
enum bsc_verdict bsc_group_judge(struct bsc_engine *engine, struct bsc_service *service,
                                 char *reason, size_t size);
/* Members that waited for one another go on, all of them in this event; true: some did. */
bool bsc_groups_progress(struct bsc_engine *engine);
/* The member was taken back: so are the others, at once. */
void bsc_group_take_back(struct bsc_engine *engine, const struct bsc_service *member);
/* All members' successors, when none of their rollouts is open any more. True: they are under way.
 */
bool bsc_group_successors_begin(struct bsc_engine *engine, uint64_t group);
/* "shop (g12, with api and worker)" */
void bsc_group_text(const struct bsc_engine *engine, const struct bsc_group *group,
                    const struct bsc_service *without, char *out, size_t size);

/* command_group.c: what is asked of all members of a group */
void bsc_group_command(struct bsc_engine *engine, const struct bsc_event *event);

/* command.c: what others need of it */
enum bsc_situation bsc_service_situation(const struct bsc_service *service);
enum bsc_status bsc_busy_error(const struct bsc_engine *engine, const struct bsc_service *service,
                               struct bsc_error *error);
/* What stands against the command, in words. */
void bsc_refusal_error(const struct bsc_engine *engine, const struct bsc_service *service,
                       enum bsc_command_kind command, struct bsc_ruling ruling,
                       struct bsc_error *error);
enum bsc_command_kind bsc_command_of(const struct bsc_event *event);
/* What can't be planned is refused before anything is made of it. `together`: with others. */
enum bsc_status bsc_plan_check(const struct bsc_service *service, enum bsc_plan_kind kind,
                               const struct bsc_spec *spec, bool together,
                               struct bsc_error *error) BSC_MUST_CHECK;
/* What the plan of a rollout of `spec` depends on, as the service stands now. */
struct bsc_plan_ask bsc_plan_asked(const struct bsc_service *service, enum bsc_plan_kind kind,
                                   const struct bsc_spec *spec, bool together);
/* Answers, and names the rule by which the command won or lost. */
void bsc_reply_ruled(struct bsc_engine *engine, const struct bsc_event *event,
                     enum bsc_status status, uint64_t rollout, enum bsc_rule rule,
                     const char *format, ...) BSC_PRINTF(6, 7);
/* Begins a rollout of `release`, in `group` unless that is NULL, with the id `rollout`, 0: the
 * next. Or says why that can't be. */
enum bsc_status bsc_rollout_start(struct bsc_engine *engine, struct bsc_service *service,
                                  enum bsc_plan_kind kind, const struct bsc_release *release,
                                  uint64_t rollout, const struct bsc_group *group,
                                  const char *actor, struct bsc_error *error);
/* The same, and answers. */
void bsc_command_begin(struct bsc_engine *engine, struct bsc_service *service,
                       enum bsc_plan_kind kind, const struct bsc_release *release,
                       const struct bsc_event *event);

/* command_next.c */
void bsc_supersede_command(struct bsc_engine *engine, struct bsc_service *service,
                           const struct bsc_event *event, enum bsc_rule rule);
/* A rollback to a version while a rollout is open. */
void bsc_rollback_over(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule);
void bsc_retry_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event);
/* Whatever was to begin next does not. Returns its id; 0: there was none. */
uint64_t bsc_successor_drop(struct bsc_engine *engine, struct bsc_service *service,
                            enum bsc_rollout_status status, const char *reason);
/* As the slots will be when the open rollout is taken back. */
enum bsc_status bsc_plan_later(const struct bsc_service *service, enum bsc_plan_kind kind,
                               const struct bsc_spec *spec, bool together, struct bsc_error *error);
/* It follows when what is open is taken back. */
void bsc_successor_set(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_successor *next, const char *actor);
/* Begins it when nothing is open any more; true: it is under way. */
bool bsc_successor_begin(struct bsc_engine *engine, struct bsc_service *service);

/* command_back.c */
void bsc_rollback_command(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_event *event, enum bsc_rule rule);
void bsc_abort_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule);
/* NULL: there is none, and `error` says why. */
const struct bsc_release *bsc_rollback_target(const struct bsc_service *service,
                                              const char *version, struct bsc_error *error);
enum bsc_plan_kind bsc_rollback_kind(const struct bsc_service *service,
                                     const struct bsc_release *target);

/* command_rollout.c */
void bsc_pause_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule);
void bsc_resume_command(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event, enum bsc_rule rule);
void bsc_promote_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event, enum bsc_rule rule);
/* Paused between two steps: the one at the cursor has not begun. */
bool bsc_rollout_held(const struct bsc_service *service);
/* Why it does not go on: where it is paused, then what else there is to say. */
void bsc_rollout_pause_text(const struct bsc_rollout *rollout, const char *reason, char *out,
                            size_t size);
/* Is the time of the step at the cursor one that stands still while the rollout is paused? */
bool bsc_step_is_clocked(const struct bsc_rollout *rollout);
/* It runs from where it stood, or stands while it is paused. */
void bsc_step_clock(struct bsc_engine *engine, struct bsc_service *service);
/* How long the step at the cursor has lasted, unless it is paused. */
int64_t bsc_bake_clock(const struct bsc_engine *engine, const struct bsc_rollout *rollout);

/* command_lock.c */
void bsc_lock_command(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event);
void bsc_unlock_command(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event);
/* BSC_LOCKED, with who locked it, when and why. */
enum bsc_status bsc_lock_check(const struct bsc_service *service, struct bsc_error *error);

/* command.c, apply.c */
void bsc_command_handle(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_apply_command(struct bsc_engine *engine, const struct bsc_event *event);
void bsc_apply_configured(struct bsc_engine *engine, const struct bsc_event *event);
/* What is deployed in the staging slot can't be used any more: it is drained and stopped. False,
 * and nothing is changed, where nothing is deployed. */
bool bsc_staging_fail(struct bsc_engine *engine, struct bsc_service *service);
/* Empties the staging slot and forgets what was deployed there. */
void bsc_staging_empty(struct bsc_engine *engine, struct bsc_service *service);

#endif
