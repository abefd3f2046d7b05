/* SPDX-License-Identifier: Apache-2.0
 * proxy/inbox.c - see inbox.h. */
#include "proxy/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"

enum bsc_status bsc_inbox_init(struct bsc_inbox *inbox, struct bsc_error *error)
{
    *inbox = (struct bsc_inbox){ .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (inbox->wake == -1)
        return bsc_error_errno(error, "make a worker's inbox");
    pthread_mutex_init(&inbox->lock, NULL);
    return BSC_OK;
}

void bsc_inbox_post(struct bsc_inbox *inbox, struct bsc_update *update)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->items = bsc_grow(inbox->items, &inbox->capacity, inbox->count + 1, sizeof *inbox->items);
    inbox->items[inbox->count++] = update;
    pthread_mutex_unlock(&inbox->lock);
    eventfd_write(inbox->wake, 1);
}

struct bsc_update **bsc_inbox_take(struct bsc_inbox *inbox, size_t *count)
{
    eventfd_t unused;
    eventfd_read(inbox->wake, &unused);
    pthread_mutex_lock(&inbox->lock);
    struct bsc_update **items = inbox->items;
    *count = inbox->count;
    inbox->items = NULL;
    inbox->count = inbox->capacity = 0;
    pthread_mutex_unlock(&inbox->lock);
    return items;
}
