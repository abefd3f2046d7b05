/* SPDX-License-Identifier: Apache-2.0
 * proxy/inbox.h - how updates get from the control thread to one worker: a locked queue and an
 * eventfd in the worker's epoll set. The lock is taken only when something was posted.
 */
#ifndef BASCULE_PROXY_INBOX_H
#define BASCULE_PROXY_INBOX_H

#include <pthread.h>
#include <stddef.h>

#include "base/error.h"

struct bsc_update;

struct bsc_inbox {
    int wake; /* eventfd: readable when something is there */
    pthread_mutex_t lock;
    struct bsc_update **items;
    size_t count, capacity;
};

enum bsc_status bsc_inbox_init(struct bsc_inbox *inbox, struct bsc_error *error) BSC_MUST_CHECK;
void bsc_inbox_post(struct bsc_inbox *inbox, struct bsc_update *update);
/* Takes everything out, oldest first; the caller frees the array. NULL when there is nothing. */
struct bsc_update **bsc_inbox_take(struct bsc_inbox *inbox, size_t *count);

#endif
