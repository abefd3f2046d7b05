/* SPDX-License-Identifier: Apache-2.0
 * api/context.h - what one API holds: its server, its connections, requests and streams.
 */
#ifndef BASCULE_API_CONTEXT_H
#define BASCULE_API_CONTEXT_H

#include <jansson.h>
#include <microhttpd.h>
#include <sys/types.h>

#include "api/api.h"
#include "base/list.h"
#include "ports/store.h"

enum {
    BSC_API_CONNECTIONS_MAX = 512,  /* more wait in the listening socket's queue */
    BSC_API_CONNECTIONS_BUSY = 448, /* from here on requests are answered with 503 */
    BSC_API_STREAMS_MAX = 128,
    BSC_API_UPLOADS_BYTES = 32 * 1024 * 1024, /* bodies of all requests together */
    BSC_API_REQUEST_MS = 30000, /* a request must be complete so long after the one before */
};

struct bsc_api_peer {
    bool allowed;
    char actor[BSC_ACTOR_BYTES]; /* "root", a user's name, "uid 1000" */
};

struct bsc_api_connection {
    struct bsc_list node; /* of bsc_api.connections */
    int fd;               /* libmicrohttpd's */
    struct bsc_api_peer peer;
    int64_t waiting_since_ms; /* for a complete request, boot clock; 0: one is being answered */
};

struct bsc_api {
    struct bsc_api_options options; /* its strings are our own */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;     /* libmicrohttpd's epoll descriptor */
    uv_timer_t timer;   /* libmicrohttpd's next time-out */
    uv_timer_t sweep;   /* several times a second while somebody is connected */
    uv_timer_t changes; /* flushes what changed */
    unsigned open_handles;
    bool stopping;

    struct bsc_list connections, requests, streams;
    unsigned connection_count, stream_count;
    size_t upload_bytes; /* of all requests */
    bsc_token next_token;

    int64_t refusal_told_ms;  /* the last one that was recorded, boot clock; 0: none yet */
    unsigned refusals_untold; /* since then */
    enum bsc_status ready;    /* BSC_OK, or why not */
    char *ready_text;
    json_t *changed; /* services whose streams have not been told yet: an object used as a set */
    int64_t changes_told_ms;
};

/* socket.c: a listening socket at `path`: 0600, or 0660 with the group when it exists. */
enum bsc_status bsc_api_listen(const char *path, const char *group, int *out,
                               struct bsc_error *error) BSC_MUST_CHECK;
/* peer.c: who is at the other end, and whether root, our own user or a member of `group`. */
void bsc_api_peer_read(int fd, const char *group, struct bsc_api_peer *out);

/* server.c: libmicrohttpd in the loop. */
enum bsc_status bsc_api_server_start(struct bsc_api *api, int listener,
                                     struct bsc_error *error) BSC_MUST_CHECK;
void bsc_api_server_stop(struct bsc_api *api);
void bsc_api_resume(struct bsc_api *api, struct MHD_Connection *connection);

/* events.c, logs.c: what the notifier has to tell their streams. */
void bsc_api_events_add(struct bsc_api *api, const struct bsc_audit_row *row);
void bsc_api_events_changed(struct bsc_api *api, const char *service);
void bsc_api_logs_changed(struct bsc_api *api, const char *service);

#endif
