/* SPDX-License-Identifier: Apache-2.0
 * supervisor/supervisor.h - what the supervisor knows, and what its parts offer each other.
 *
 * One thread, one poll loop (supervisor.c). proxy.c and proxy_watch.c keep the proxy generations,
 * controller.c the controller, takeover.c finds the proxies that an earlier supervisor left. Times
 * are of the boot clock; BSC_NEVER_MS stands for no time at all.
 */
#ifndef BASCULE_SUPERVISOR_SUPERVISOR_H
#define BASCULE_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/channel.h"
#include "supervisor/backoff.h"
#include "supervisor/generation.h"
#include "supervisor/listeners.h"
#include "supervisor/notify.h"
#include "supervisor/options.h"

#define BSC_NEVER_MS INT64_MAX

enum { BSC_PROXIES_MAX = 16, BSC_TOKEN_BYTES = 64 };

/* One generation; a slot of the table is free when its state is NONE. */
struct bsc_proxy {
    long long generation;
    enum bsc_generation_state state;
    pid_t pid;
    int pidfd, channel, counters; /* -1: not there (yet) */
    unsigned workers;
    bool introduced;             /* its hello came */
    bool upgrade;                /* somebody waits for it to serve */
    bool killed;                 /* by us; only its end is waited for */
    char token[BSC_TOKEN_BYTES]; /* of the upgrade; "": nobody to answer */
    const char *trouble;         /* why it was killed */
    int64_t ready_ms;            /* since when it accepts; BSC_NEVER_MS: not yet */
    int64_t deadline_ms;         /* to be ready, or to be gone */
    int64_t ping_ms;             /* when the last ping went out, or the next but one */
    long long ping;              /* its number */
    bool ponged;
};

struct bsc_controller {
    pid_t pid;   /* 0: not running */
    int channel; /* -1: closed */
    int64_t started_ms;
    int64_t start_ms; /* when to start it (again) */
    int64_t kill_ms;  /* it closed its channel and has not exited */
    struct bsc_backoff backoff;
    bool first; /* it has been started only once */
    bool ready; /* any of its lives reported ready */
};

enum bsc_phase {
    BSC_PHASE_TAKEOVER, /* proxies of an earlier supervisor introduce themselves */
    BSC_PHASE_RUN,
    BSC_PHASE_DRAIN,     /* the proxies retire */
    BSC_PHASE_TERMINATE, /* the controller stops the instances */
    BSC_PHASE_CLOSE,     /* the controller exits */
    BSC_PHASE_DONE,
    BSC_PHASE_COUNT
};

struct bsc_supervisor {
    const struct bsc_supervisor_options *options;
    int state_directory, proxy_directory, signals;
    enum bsc_phase phase;
    int64_t phase_deadline_ms;
    int exit_status;
    bool keep; /* leaving: the proxies stay for the next supervisor */

    struct bsc_listeners listeners;
    unsigned workers;
    int access_log;             /* where the proxies log requests; -1: nowhere */
    char access_words[64];      /* how */
    char sandbox[16], user[64]; /* what a proxy is told of its sandbox */
    bool configured;
    int64_t drain_ms;

    struct bsc_proxy proxies[BSC_PROXIES_MAX];
    long long last_generation;
    int64_t proxy_start_ms; /* when to start one that is missing */
    int64_t proxy_lived_ms; /* how long the last one served; BSC_NEVER_MS: none was */
    struct bsc_backoff proxy_backoff;

    int snapshot;                         /* memfd of the newest one, -1: none */
    long long snapshot_id, snapshot_told; /* told: to the controller, as taken */

    struct bsc_controller controller;
    struct bsc_notify notify;
};

/* --- supervisor.c --- */

/* Runs until everything is over; returns the exit status. The directory and the lock are the
 * caller's; signals are blocked from here on. */
int bsc_supervisor_run(struct bsc_supervisor *supervisor,
                       const struct bsc_supervisor_options *options, int state_directory);

void bsc_supervisor_enter(struct bsc_supervisor *supervisor, enum bsc_phase phase);

/* --- proxy.c: the lives of the generations --- */

/* A free slot, in state STARTING with nothing open; NULL when all are taken. */
struct bsc_proxy *bsc_proxy_add(struct bsc_supervisor *supervisor, long long generation);

/* The only function that changes a generation's state. */
void bsc_proxy_handle(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy,
                      enum bsc_generation_event event);

/* Starts a generation when one should serve and none does or is about to. */
void bsc_proxy_ensure(struct bsc_supervisor *supervisor);
/* Makes the newest ready one the one that serves. */
void bsc_proxy_elect(struct bsc_supervisor *supervisor);
/* A new generation beside the current one; answered to the controller when `token` is not empty. */
void bsc_proxy_upgrade(struct bsc_supervisor *supervisor, const char *token);
void bsc_proxy_retire_all(struct bsc_supervisor *supervisor);
void bsc_proxy_kill_all(struct bsc_supervisor *supervisor, const char *trouble);

/* How many generations are in one of the states of the mask (1 << state). */
unsigned bsc_proxy_count(const struct bsc_supervisor *supervisor, unsigned states);

/* Gives the generation and the controller a stream to each other, when both are there. */
void bsc_proxy_introduce(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy);
/* Tells every generation that still serves: new and dropped addresses, the newest snapshot. */
void bsc_proxy_tell_listeners(struct bsc_supervisor *supervisor);
void bsc_proxy_tell_snapshot(struct bsc_supervisor *supervisor);
/* Every generation, also one that retires, writes to the newest access log. */
void bsc_proxy_tell_access_log(struct bsc_supervisor *supervisor);

/* Sends one line to it. Who does not take a message dies, or is found hung by its next ping. */
void bsc_proxy_tell(struct bsc_proxy *proxy, const int *fds, unsigned fd_count, const char *line);

/* --- proxy_watch.c: what they say and how they end --- */

void bsc_proxy_on_channel(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy);
/* `status` as of waitpid(2), -1 unknown. */
void bsc_proxy_on_exit(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy, int status);
/* Pings and deadlines; `late`: we slept through them, so that silence means nothing. Returns when
 * to call again. */
int64_t bsc_proxy_on_time(struct bsc_supervisor *supervisor, bool late);

/* --- controller.c --- */

/* Sends unless it is not there. The descriptors stay the caller's. */
void bsc_controller_tell(struct bsc_supervisor *supervisor, const int *fds, unsigned fd_count,
                         const char *format, ...) BSC_PRINTF(4, 5);
/* Answers its newest snapshot once every proxy that was started from an older one is announced to
 * it: it stops instances on the strength of that. */
void bsc_controller_tell_snapshot(struct bsc_supervisor *supervisor);
void bsc_controller_on_channel(struct bsc_supervisor *supervisor);
void bsc_controller_on_exit(struct bsc_supervisor *supervisor, int status);
int64_t bsc_controller_on_time(struct bsc_supervisor *supervisor);
/* Lets it exit: it does when its channel closes. */
void bsc_controller_close(struct bsc_supervisor *supervisor);

/* --- takeover.c --- */

/* Connects to every proxy that answers in STATE/proxy and removes what nobody listens on. */
void bsc_takeover_begin(struct bsc_supervisor *supervisor);
/* True when all have introduced themselves. */
bool bsc_takeover_complete(const struct bsc_supervisor *supervisor);
/* Chooses the one that serves, ends what did not get ready. */
void bsc_takeover_end(struct bsc_supervisor *supervisor);

#endif
