/* SPDX-License-Identifier: Apache-2.0
 * supervisor/listeners.h - the listening sockets, which no proxy's death can close.
 *
 * An address has several SO_REUSEPORT sockets, made once and kept as long as the address is wanted:
 * closing one would reset the connections that the kernel has queued on it. Worker w of a proxy
 * serves every socket i with i mod workers = w. A socket inherited from systemd is one for all
 * workers (`shared`) and is never closed.
 */
#ifndef BASCULE_SUPERVISOR_LISTENERS_H
#define BASCULE_SUPERVISOR_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "supervisor/address.h"

enum { BSC_LISTENER_SOCKETS = 64, BSC_LISTENERS_MAX = 64 };

struct bsc_listener {
    char name[BSC_ADDRESS_BYTES]; /* as the controller wrote it */
    struct sockaddr_storage address;
    int fds[BSC_LISTENER_SOCKETS];
    unsigned count;
    bool shared;
    bool wanted; /* by the configuration that is being applied */
    bool fresh;  /* made for it */
};

struct bsc_listeners {
    struct bsc_listener *list;
    size_t count, capacity;
    int inherited[BSC_LISTENERS_MAX];
    unsigned inherited_count;
};

/* Takes the sockets that LISTEN_FDS and LISTEN_PID tell of (sd_listen_fds(3)) out of the
 * environment. */
void bsc_listeners_init(struct bsc_listeners *listeners);
void bsc_listeners_deinit(struct bsc_listeners *listeners);

/* What a running proxy handed over. Takes the descriptors; an address that is there already keeps
 * its own. */
void bsc_listeners_adopt(struct bsc_listeners *listeners, const char *name, bool shared,
                         const int *take_fds, unsigned count);

/* Makes the list of addresses ("A,B,C"; empty: none) possible: sockets for new ones are made with
 * max(cores, workers) of them each, all or none. Then the caller tells the proxies of what is
 * `fresh` and what is not `wanted`, and calls bsc_listeners_commit. On failure everything is as it
 * was; the text names address, reason and, if /proc tells, holder. */
enum bsc_status bsc_listeners_prepare(struct bsc_listeners *listeners, const char *names,
                                      unsigned workers, struct bsc_error *error) BSC_MUST_CHECK;
/* Closes what is not wanted any more. */
void bsc_listeners_commit(struct bsc_listeners *listeners);

#endif
