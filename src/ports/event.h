/* SPDX-License-Identifier: Apache-2.0
 * ports/event.h - everything that the engine is told: commands of users, results of ports, time.
 *
 * Results carry the token of the call that they answer. All pointers are borrowed: they are valid
 * only during bsc_engine_handle, which copies what it keeps (specifications by counting), with two
 * exceptions: the configuration of an APPLY and the argument of a QUERY stay the caller's and valid
 * until the reply came or the query ran.
 */
#ifndef BASCULE_PORTS_EVENT_H
#define BASCULE_PORTS_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/wish.h"

struct bsc_config;        /* core/configuration.h */
struct bsc_sample;        /* core/analysis/sample.h */
struct bsc_answer_read;   /* core/query.h */
struct bsc_baseline;      /* core/analysis/latency.h */
struct bsc_stored_state;  /* ports/store.h */
struct bsc_facts;         /* ports/router.h */
struct bsc_mirror_report; /* core/mirror.h */
struct bsc_engine;

typedef uint64_t bsc_token; /* 0: nobody waits for an answer */

enum bsc_event_kind {
    /* commands */
    BSC_EVENT_APPLY,     /* a new configuration */
    BSC_EVENT_DEPLOY,    /* service, version; supersede, stage, wish */
    BSC_EVENT_SWITCH,    /* service */
    BSC_EVENT_ROLLBACK,  /* service; version or NULL */
    BSC_EVENT_ABORT,     /* service */
    BSC_EVENT_CHECK,     /* service */
    BSC_EVENT_CLEANUP,   /* service */
    BSC_EVENT_RETRY,     /* service */
    BSC_EVENT_PROMOTE,   /* service; to_end */
    BSC_EVENT_PAUSE,     /* service */
    BSC_EVENT_RESUME,    /* service */
    BSC_EVENT_APPROVE,   /* service; text: a comment or NULL */
    BSC_EVENT_REJECT,    /* service; text: a comment or NULL */
    BSC_EVENT_LOCK,      /* service; text: why */
    BSC_EVENT_UNLOCK,    /* service */
    BSC_EVENT_CONVERT,   /* service; text: who; id: the goal, or NULL; has_number, number */
    BSC_EVENT_TRAFFIC,   /* service, traffic */
    BSC_EVENT_QUERY,     /* run `query` when nothing is on its way to the store */
    BSC_EVENT_TERMINATE, /* stop every instance, then reply */
    /* results */
    BSC_EVENT_TICK,       /* the time that bsc_engine_next_ms named has come */
    BSC_EVENT_REFUSED,    /* api: somebody may not use it: actor, text, for the audit */
    BSC_EVENT_LOADED,     /* store: state, or status and text */
    BSC_EVENT_COMMITTED,  /* store: status and text */
    BSC_EVENT_ROOM,       /* store: its reserve is whole again */
    BSC_EVENT_LISTED,     /* runtime: what runs, after a restart */
    BSC_EVENT_STARTING,   /* runtime: id, text: how far the start is; it takes its time */
    BSC_EVENT_STARTED,    /* runtime: id, pid; address and image, or NULL */
    BSC_EVENT_EXITED,     /* runtime: id, wait_status, text; status: it never ran */
    BSC_EVENT_PROBED,     /* prober: id, passed, text, duration_us */
    BSC_EVENT_ANSWERED,   /* query: answer */
    BSC_EVENT_CONFIGURED, /* router: they are in force, or status and text */
    BSC_EVENT_PUBLISHED,  /* router: every worker of every generation has swapped */
    BSC_EVENT_DRAINED,    /* router: nothing new goes there, nothing is in flight */
    BSC_EVENT_EJECTED,  /* router: service, id: gets nothing for duration_us because of its answers
                           (text); told again after a while without word of it */
    BSC_EVENT_RETURNED, /* router: service, id: it gets requests again; no service: all do */
    BSC_EVENT_TRIPPED,  /* router: id (of the service), generation, text: what could be rescued is
                         * used up, and everything went back to stable. May be told again. */
    BSC_EVENT_COUNTED,  /* router: service, sample; baseline, when the live version was counted
                         * before  the candidate got traffic. Every BSC_SAMPLE_MS; may be lost. */
    BSC_EVENT_MIRRORED, /* router: service, rollout, report: what came of copied requests since it
                         * was told last */
    BSC_EVENT_FACTS,    /* router: service, facts. Told again until it was taken. */
    BSC_EVENT_CERTIFICATES, /* router: their files changed: text, and status when it can't use them
                             */
    BSC_EVENT_KIND_COUNT
};

enum bsc_traffic { BSC_TRAFFIC_SERVE, BSC_TRAFFIC_HOLD, BSC_TRAFFIC_MAINTENANCE, BSC_TRAFFIC_STOP };

/* One instance or hook that a runtime found. */
struct bsc_found {
    const char *id;
    int64_t pid;      /* 0 when it has exited */
    int wait_status;  /* as of waitpid(2) when it has exited; -1: unknown (power loss) */
    const char *text; /* why it never started, or NULL */
};

enum { BSC_WAIT_UNKNOWN = -1 };

struct bsc_event {
    enum bsc_event_kind kind;
    bsc_token token;   /* of the answer expected (commands) or of the call answered (results) */
    const char *actor; /* commands: who asked, for the audit: "root", "uid 1000", "SIGHUP" */
    const char *service;
    const char *release; /* in place of a service: all that the file releases under this name */
    const char *version;
    bool stage;
    struct bsc_deploy_wish wish;
    bool supersede; /* DEPLOY: take back what is under way first */
    bool to_end;    /* PROMOTE: nothing more is watched */
    enum bsc_traffic traffic;
    const struct bsc_config *config;
    void (*query)(struct bsc_engine *engine, void *argument);
    void *argument;

    enum bsc_status status; /* results: BSC_OK or what went wrong, with `text` */
    const char *text;
    const char *id; /* of the instance or hook */
    int64_t pid;
    const char *address; /* STARTED: where it listens; NULL: where it was told to */
    const char *image;   /* STARTED: by which the very same image is found again; NULL: none */
    int wait_status;
    bool passed;
    int64_t duration_us;
    uint64_t generation; /* TRIPPED: of the split */
    bool full; /* COMMITTED: it went into the store's last reserve, or even that is gone */
    const struct bsc_sample *sample;
    const struct bsc_baseline *baseline;
    const struct bsc_answer_read *answer;
    uint64_t rollout; /* MIRRORED: for which they were copied */
    const struct bsc_mirror_report *report;
    const struct bsc_facts *facts;
    bool has_number; /* CONVERT */
    double number;
    const struct bsc_stored_state *state;
    const struct bsc_found *found;
    unsigned found_count;
    enum bsc_runtime_kind runtime; /* LISTED, EXITED: which runtime tells it */
};

const char *bsc_traffic_name(enum bsc_traffic traffic);
bool bsc_traffic_parse(const char *name, enum bsc_traffic *out);

#endif
