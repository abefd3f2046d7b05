/* SPDX-License-Identifier: Apache-2.0
 * adapters/prober_internal.h - what the files of the prober share.
 *
 * prober.c          the port: probes under way, results, life and death
 * prober_http.c     HTTP and TCP probes on a libcurl multi handle
 * prober_command.c  command probes
 *
 * A transport ends a probe by bsc_probe_finish, once, and has let go of it by then. When the prober
 * cancels one, the transport lets go and stays silent.
 */
#ifndef BASCULE_ADAPTERS_PROBER_INTERNAL_H
#define BASCULE_ADAPTERS_PROBER_INTERNAL_H

#include "adapters/prober.h"
#include "base/list.h"
#include "core/health.h"
#include "ports/store.h"

enum { BSC_PROBE_BUCKETS = 256 };

struct bsc_probe_http;    /* the libcurl side of the prober */
struct bsc_http_exchange; /* one HTTP or TCP probe */
struct bsc_probe_command; /* one command probe's process */

struct bsc_prober_loop {
    uv_loop_t *loop;
    void (*deliver)(void *argument, const struct bsc_event *event);
    void *argument;
    struct bsc_list probes[BSC_PROBE_BUCKETS]; /* under way or finished, by token */
    struct bsc_list results;                   /* finished, not yet delivered */
    uv_timer_t soon;                           /* delivers them */
    bsc_upstream_lookup lookup;                /* NULL: none */
    void *lookup_argument;
    struct bsc_probe_http *http;
    struct bsc_list commands; /* processes not yet reaped, also those that nobody waits for */
    unsigned handles;         /* of libuv that are open; at 0 a closing prober is freed */
};

struct bsc_probe_run {
    struct bsc_list by_token, by_result;
    struct bsc_prober_loop *prober;
    bsc_token token;
    char id[BSC_ID_BYTES];
    int64_t began_us, timeout_ms;
    struct bsc_http_exchange *exchange; /* NULL: another kind, or finished */
    struct bsc_probe_command *command;  /* likewise */
    bool passed;
    int64_t duration_us;
    char detail[BSC_PROBE_DETAIL_BYTES];
};

/* `detail` is cut to fit. The result is delivered by a later turn of the loop. */
void bsc_probe_finish(struct bsc_probe_run *run, bool passed, const char *detail);
/* An open handle less; frees a prober that was destroyed. */
void bsc_prober_handle_closed(struct bsc_prober_loop *prober);

/* --- prober_http.c --- */
enum bsc_status bsc_probe_http_create(struct bsc_prober_loop *prober,
                                      struct bsc_error *error) BSC_MUST_CHECK;
void bsc_probe_http_destroy(struct bsc_probe_http *http);
void bsc_probe_http_start(struct bsc_probe_run *run, const struct bsc_probe *probe);
void bsc_probe_http_cancel(struct bsc_probe_run *run);

/* --- prober_command.c --- */
void bsc_probe_command_start(struct bsc_probe_run *run, const struct bsc_probe *probe);
void bsc_probe_command_cancel(struct bsc_probe_run *run);
/* Kills what still runs; each is freed once it is reaped. */
void bsc_probe_commands_kill(struct bsc_prober_loop *prober);

#endif
