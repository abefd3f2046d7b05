/* SPDX-License-Identifier: Apache-2.0
 * adapters/supervisor_link.h - the controller's end of its channel to the supervisor (the words of
 * docs/protocol.md).
 *
 * What concerns the proxies goes to the router, the rest to the controller's main. Callbacks come
 * from the loop; none of them may destroy the link.
 */
#ifndef BASCULE_ADAPTERS_SUPERVISOR_LINK_H
#define BASCULE_ADAPTERS_SUPERVISOR_LINK_H

#include <sys/types.h>
#include <uv.h>

#include "ports/event.h"

struct bsc_supervisor_link;

/* For main. */
struct bsc_supervisor_events {
    void (*reload)(void *argument);    /* apply the configuration file */
    void (*terminate)(void *argument); /* stop all instances, then bsc_supervisor_link_terminated */
    /* The answer to bsc_supervisor_link_upgrade. */
    void (*upgraded)(void *argument, bsc_token token, enum bsc_status status, const char *text,
                     uint64_t generation);
    void (*closed)(void *argument); /* the supervisor is gone: the controller exits now */
};

/* A proxy process to talk to. The receiver owns the descriptors. */
struct bsc_proxy_arrival {
    uint64_t generation;
    pid_t pid;
    unsigned workers;
    bool retiring; /* accepts nothing new */
    int socket, counters;
};

/* For the router. */
struct bsc_proxy_events {
    void (*configured)(void *argument, enum bsc_status status, const char *text);
    /* The last snapshot of an earlier controller. The receiver owns the descriptor. */
    void (*snapshot)(void *argument, uint64_t id, int memfd);
    void (*snapshot_taken)(void *argument, uint64_t id);
    void (*arrived)(void *argument, const struct bsc_proxy_arrival *arrival);
    void (*retiring)(void *argument, uint64_t generation);
    void (*gone)(void *argument, uint64_t generation, int wait_status);
};

/* `channel` stays the caller's; `events` and `argument` must outlive the link. */
struct bsc_supervisor_link *bsc_supervisor_link_create(uv_loop_t *loop, int channel,
                                                       const struct bsc_supervisor_events *events,
                                                       void *argument);
void bsc_supervisor_link_destroy(struct bsc_supervisor_link *link);

/* Who hears of proxies. Before the loop turns, so that nothing is missed. */
void bsc_supervisor_link_route(struct bsc_supervisor_link *link,
                               const struct bsc_proxy_events *events, void *argument);

enum bsc_status bsc_supervisor_link_configure(struct bsc_supervisor_link *link,
                                              const struct bsc_config *config,
                                              struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_supervisor_link_snapshot(struct bsc_supervisor_link *link, uint64_t id,
                                             int memfd, struct bsc_error *error) BSC_MUST_CHECK;
/* The first configuration is in force. */
enum bsc_status bsc_supervisor_link_ready(struct bsc_supervisor_link *link,
                                          struct bsc_error *error) BSC_MUST_CHECK;
/* The store can't be read: where no proxy serves the supervisor ends everything, with status 2. */
enum bsc_status bsc_supervisor_link_unusable(struct bsc_supervisor_link *link,
                                             struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_supervisor_link_upgrade(struct bsc_supervisor_link *link, bsc_token token,
                                            struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_supervisor_link_terminated(struct bsc_supervisor_link *link,
                                               struct bsc_error *error) BSC_MUST_CHECK;

#endif
