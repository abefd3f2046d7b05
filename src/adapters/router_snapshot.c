/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_snapshot.c - what a fresh proxy starts from; see router_internal.h.
 *
 * Changes are gathered for a moment, and only one snapshot is under way: however fast the engine
 * publishes, the supervisor is told the whole at most once a DEBOUNCE_MS. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/log.h"

enum { DEBOUNCE_MS = 20, AGAIN_MS = 1000, RESTORE_BYTES_MAX = 256 << 20 };

static enum bsc_status write_all(int fd, const struct bsc_text *text, struct bsc_error *error)
{
    for (size_t at = 0; at < text->size;) {
        ssize_t size = write(fd, text->data + at, text->size - at);
        if (size == -1 && errno == EINTR)
            continue;
        if (size == -1)
            return bsc_error_errno(error, "write a snapshot");
        at += (size_t)size;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == -1)
        return bsc_error_errno(error, "seal a snapshot");
    return BSC_OK;
}

static enum bsc_status send_one(struct bsc_router_proxy *router, struct bsc_error *error)
{
    struct bsc_text text = { 0 };
    uint64_t seq = 0;
    int memfd = memfd_create("bascule-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memfd == -1)
        return bsc_error_errno(error, "make a snapshot");
    bsc_wire_everything(router, &text, &seq);
    enum bsc_status status = write_all(memfd, &text, error);
    if (status == BSC_OK)
        status = bsc_supervisor_link_snapshot(router->link, router->snapshots.id + 1, memfd, error);
    bsc_text_deinit(&text);
    close(memfd);
    return status;
}

static void on_timer(uv_timer_t *timer);

static void arm(struct bsc_router_proxy *router, uint64_t delay_ms)
{
    if (router->snapshots.armed)
        return;
    router->snapshots.armed = true;
    uv_timer_start(router->snapshots.timer, on_timer, delay_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    struct bsc_snapshots *snapshots = &router->snapshots;
    struct bsc_error error;
    snapshots->armed = false;
    if (snapshots->sent_line)
        return; /* the next one goes when this one was taken */
    if (send_one(router, &error) != BSC_OK) {
        bsc_log_error("snapshot: %s", error.text);
        arm(router, AGAIN_MS);
        return;
    }
    snapshots->id++;
    snapshots->sent_line = router->line;
}

void bsc_snapshots_want(struct bsc_router_proxy *router)
{
    arm(router, DEBOUNCE_MS);
}

void bsc_snapshots_taken(struct bsc_router_proxy *router, uint64_t id)
{
    struct bsc_snapshots *snapshots = &router->snapshots;
    if (id != snapshots->id || !snapshots->sent_line)
        return;
    snapshots->taken_line = snapshots->sent_line;
    snapshots->sent_line = 0;
    if (snapshots->taken_line < router->line)
        bsc_snapshots_want(router);
}

void bsc_snapshots_restore(struct bsc_router_proxy *router, uint64_t id, int memfd)
{
    struct stat file;
    if (router->begun || fstat(memfd, &file) == -1 || file.st_size > RESTORE_BYTES_MAX)
        return;
    router->snapshots.id = id;
    if (!file.st_size)
        return;
    void *text = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, memfd, 0);
    if (text == MAP_FAILED)
        return;
    bsc_wire_restore(router, text, (size_t)file.st_size);
    munmap(text, (size_t)file.st_size);
}

void bsc_snapshots_init(struct bsc_router_proxy *router)
{
    router->snapshots.timer = bsc_alloc(sizeof *router->snapshots.timer);
    router->snapshots.timer->data = router;
    uv_timer_init(router->loop, router->snapshots.timer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void bsc_snapshots_deinit(struct bsc_router_proxy *router)
{
    uv_close((uv_handle_t *)router->snapshots.timer, on_closed);
}
