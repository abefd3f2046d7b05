/* SPDX-License-Identifier: Apache-2.0
 * proxy/control.h - the control thread: the proxy's conversations with its supervisor and with the
 * controller (docs/protocol.md), and what the workers are told of them.
 */
#ifndef BASCULE_PROXY_CONTROL_H
#define BASCULE_PROXY_CONTROL_H

#include "base/channel.h"
#include "proxy/access_log.h"
#include "proxy/controller.h"
#include "proxy/counters.h"
#include "proxy/mirror.h"
#include "proxy/worker.h"

struct bsc_control {
    int channel;  /* to the supervisor; -1: it is gone, a new one is waited for */
    int takeover; /* listening socket where a new supervisor comes; -1: none yet */
    int news;     /* eventfd: a worker has something to say */
    int counters_fd, pidfd;
    uid_t owner; /* who started it: a new supervisor must be the same */
    unsigned generation, worker_count;
    struct bsc_worker *workers[BSC_COUNTERS_WORKERS_MAX];
    struct bsc_worker *mirror_worker; /* that sends copies; not among them */
    struct bsc_mirror mirror;
    int64_t mirror_at_ms;    /* when its findings are told next; INT64_MAX: there are none */
    struct bsc_list updates; /* posted, oldest first; workers go through them in order */
    struct bsc_access_log access;
    struct bsc_lines lines;
    struct bsc_controller controller;
    struct bsc_list listens;
    bool opened; /* routes are in force, the workers were told to accept */
    bool ready;  /* and they do */
    bool retiring, retired;
    int64_t look_at_ms; /* when instances are judged next (eject.h) */
    int64_t exit_at_ms; /* end of the drain time; 0: not retiring */
    long long snapshot_id;
    int snapshot; /* memfd; -1: none yet */
    bool over;    /* nothing is left to do */
};

/* Serves until the proxy has retired, then ends the process, because the workers still run and
 * nothing that they use can be freed: returns only when it cannot start. `channel` is taken over.
 */
enum bsc_status bsc_control_run(int channel, struct bsc_error *error) BSC_MUST_CHECK;

/* Between the files of the control thread. */

/* Posts an update, which is taken over, to every worker. */
void bsc_control_post(struct bsc_control *control, struct bsc_update *take_update,
                      void (*on_done)(void *control, struct bsc_update *update));
/* Does what a supervisor's message says. */
void bsc_control_obey(struct bsc_control *control, struct bsc_message *message);
/* Tells a new supervisor everything: who this is, its listeners, its snapshot. */
void bsc_control_introduce(struct bsc_control *control);
/* Adds the addresses that may be served now, or otherwise than before. */
void bsc_control_serve(struct bsc_control *control, struct bsc_update *update);
/* The first routing state is in force: the workers may accept. */
void bsc_control_open(struct bsc_control *control);
/* Sends words to the supervisor, if there is one. */
void bsc_control_say(struct bsc_control *control, const int *fds, unsigned fd_count,
                     const char *format, ...) BSC_PRINTF(4, 5);
/* Ejects and takes back instances, when it is time for that. */
void bsc_control_look(struct bsc_control *control);
/* Instances or rules changed: it will soon be time. */
void bsc_control_look_soon(struct bsc_control *control);
/* Tells a controller that began anew whom the proxy has ejected. */
void bsc_control_tell_ejected(struct bsc_control *control);
/* Posts what a line brought. */
void bsc_control_on_line(void *control, const struct bsc_line *line);
/* A worker's split has tripped: tells the other workers and the controller. */
void bsc_control_trip(struct bsc_control *control);
/* Tells a controller that has everything anew what has tripped. */
void bsc_control_tell_tripped(struct bsc_control *control);
/* Makes the counters and the workers. */
enum bsc_status bsc_control_start_workers(struct bsc_control *control, unsigned count,
                                          struct bsc_error *error) BSC_MUST_CHECK;

#endif
