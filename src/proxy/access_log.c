/* SPDX-License-Identifier: Apache-2.0
 * proxy/access_log.c - see access_log.h. */
#include "proxy/access_log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    RING_BYTES = 1 << 20,
    LOOK_MS = 200,           /* a line waits at most so long */
    WRITE_BYTES = 64 * 1024, /* written at once */
    COMPLAIN_MS = 60 * 1000, /* between two warnings */
    STACK_BYTES = 256 * 1024,
};

bool bsc_access_log_put(struct bsc_access_log *log, unsigned worker,
                        const struct bsc_access_record *record)
{
    struct bsc_ring *ring = &log->rings[worker];
    struct bsc_piece piece = { record, record->size };
    if (!bsc_ring_put(ring, &piece, 1))
        return false;
    uint64_t used = bsc_ring_used(ring);
    if (used >= RING_BYTES / 2 && used - record->size < RING_BYTES / 2)
        eventfd_write(log->wake, 1);
    return true;
}

/* Moves what a ring holds into lines, as far as they fit; false when it is empty. */
static bool take(struct bsc_ring *ring, const struct bsc_access_style *style, int64_t wall_us,
                 struct bsc_text *lines)
{
    union {
        struct bsc_access_record record;
        char bytes[BSC_ACCESS_RECORD_BYTES + 8];
    } one;
    while (lines->size < WRITE_BYTES && bsc_ring_look(ring, 0, &one, sizeof one.record)) {
        (void)!bsc_ring_look(ring, 0, &one, one.record.size);
        bsc_access_format(&one.record, style, wall_us, lines);
        bsc_ring_pass(ring, one.record.size);
    }
    return bsc_ring_used(ring) > 0;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) { /* a pipe whose reader is slow */
            struct pollfd room = { .fd = fd, .events = POLLOUT };
            if (poll(&room, 1, 1000) == 1)
                continue;
        }
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

static void complain(struct bsc_access_log *log, int reason)
{
    int64_t now_ms = bsc_clock_boot_ms();
    if (now_ms < log->quiet_until_ms)
        return;
    log->quiet_until_ms = now_ms + COMPLAIN_MS;
    bsc_log_warning("the access log can't be written, lines are lost: %s", strerror(reason));
}

/* Writes everything that is there. */
static void write_out(struct bsc_access_log *log, struct bsc_text *lines)
{
    bool more = log->fd != -1;
    while (more) {
        int64_t wall_us = bsc_clock_wall_ms() * 1000 - bsc_clock_boot_us();
        more = false;
        bsc_text_clear(lines);
        for (unsigned i = 0; i < log->ring_count; i++)
            more |= take(&log->rings[i], &log->style, wall_us, lines);
        if (lines->size && !write_all(log->fd, lines->data, lines->size))
            complain(log, errno);
    }
}

/* Does what the control thread said last; false: the process ends. */
static bool obey(struct bsc_access_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool changed = log->changed, ending = log->ending;
    int old_fd = log->fd;
    if (changed) {
        log->fd = log->next_fd;
        log->style = log->next_style;
    }
    log->changed = false;
    pthread_mutex_unlock(&log->lock);
    if (changed && old_fd != -1)
        close(old_fd);
    return !ending;
}

static void *run(void *argument)
{
    struct bsc_access_log *log = argument;
    struct bsc_text lines = { 0 };
    bool going_on = true;
    while (going_on) {
        struct pollfd news = { .fd = log->wake, .events = POLLIN };
        eventfd_t unused;
        if (poll(&news, 1, log->fd != -1 ? LOOK_MS : -1) == 1)
            eventfd_read(log->wake, &unused);
        write_out(log, &lines);
        going_on = obey(log);
    }
    bsc_text_deinit(&lines);
    return NULL;
}

enum bsc_status bsc_access_log_start(struct bsc_access_log *log, unsigned workers,
                                     struct bsc_error *error)
{
    log->fd = log->next_fd = -1;
    log->ring_count = workers;
    log->rings = bsc_alloc(workers * sizeof *log->rings);
    for (unsigned i = 0; i < workers; i++)
        log->rings[i].capacity = RING_BYTES;
    log->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->wake == -1)
        return bsc_error_errno(error, "start the access log");
    pthread_mutex_init(&log->lock, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    errno = pthread_create(&log->thread, &attributes, run, log);
    pthread_attr_destroy(&attributes);
    return errno ? bsc_error_errno(error, "start the access log") : BSC_OK;
}

void bsc_access_log_use(struct bsc_access_log *log, int take_fd,
                        const struct bsc_access_style *style)
{
    pthread_mutex_lock(&log->lock);
    if (log->changed && log->next_fd != -1) /* it was not even looked at */
        close(log->next_fd);
    log->next_fd = take_fd;
    log->next_style = *style;
    log->changed = true;
    pthread_mutex_unlock(&log->lock);
    atomic_store(&log->on, take_fd != -1);
    eventfd_write(log->wake, 1);
}

void bsc_access_log_flush(struct bsc_access_log *log)
{
    struct timespec until;
    if (!log->ring_count)
        return;
    pthread_mutex_lock(&log->lock);
    log->ending = true;
    pthread_mutex_unlock(&log->lock);
    eventfd_write(log->wake, 1);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_timedjoin_np(log->thread, NULL, &until);
}
