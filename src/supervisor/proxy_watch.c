/* SPDX-License-Identifier: Apache-2.0
 * supervisor/proxy_watch.c - what the proxies say, that they still answer, and how they end. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/supervisor.h"

enum {
    PING_MS = 1000, /* from ping to ping */
    PONG_MS = 2000, /* from ping to pong */
};

static void on_hello(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy,
                     struct bsc_message *message)
{
    char state[16];
    if (proxy->introduced || message->fd_count != 2) {
        bsc_log_warning("proxy generation %lld: a hello that makes no sense", proxy->generation);
        return;
    }
    if (proxy->pidfd == -1) {
        proxy->pidfd = message->fds[0];
        proxy->pid = (pid_t)bsc_message_number(message, "pid", 0);
        message->fds[0] = -1;
    }
    proxy->counters = message->fds[1];
    message->fds[1] = -1;
    proxy->workers = (unsigned)bsc_message_number(message, "workers", 1);
    proxy->introduced = true;
    proxy->ponged = true;
    proxy->ping_ms = bsc_clock_boot_ms();
    if (supervisor->snapshot == -1)
        proxy->deadline_ms = BSC_NEVER_MS; /* until there are routes it can't be ready */
    bsc_message_value(message, "state", state, sizeof state);
    if (!strcmp(state, "retiring")) {
        proxy->deadline_ms = BSC_NEVER_MS; /* it minds the drain time that it was given */
        bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_RETIRED);
    }
    bsc_proxy_introduce(supervisor, proxy);
    bsc_controller_tell_snapshot(supervisor);
}

/* What only a proxy that was found by a takeover sends. */
static void on_handover(struct bsc_supervisor *supervisor, struct bsc_message *message)
{
    char address[BSC_ADDRESS_BYTES];
    if (bsc_message_is(message, "listen") &&
        bsc_message_value(message, "address", address, sizeof address)) {
        bsc_listeners_adopt(&supervisor->listeners, address,
                            bsc_message_number(message, "shared", 0) != 0, message->fds,
                            message->fd_count);
        message->fd_count = 0;
    } else if (bsc_message_is(message, "snapshot") && message->fd_count == 1 &&
               bsc_message_number(message, "id", 0) > supervisor->snapshot_id) {
        if (supervisor->snapshot != -1)
            close(supervisor->snapshot);
        supervisor->snapshot = message->fds[0];
        supervisor->snapshot_id = bsc_message_number(message, "id", 0);
        message->fds[0] = -1;
    }
}

static void on_message(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy,
                       struct bsc_message *message)
{
    if (bsc_message_is(message, "hello"))
        on_hello(supervisor, proxy, message);
    else if (bsc_message_is(message, "ready"))
        bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_READY);
    else if (bsc_message_is(message, "retired"))
        bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_RETIRED);
    else if (bsc_message_is(message, "pong"))
        proxy->ponged |= bsc_message_number(message, "id", -1) == proxy->ping;
    else if (supervisor->phase == BSC_PHASE_TAKEOVER)
        on_handover(supervisor, message);
}

void bsc_proxy_on_channel(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    struct bsc_message message;
    struct bsc_error error;
    bool got = true;
    while (got && proxy->channel != -1) {
        if (bsc_channel_receive(proxy->channel, &message, &got, &error) != BSC_OK) {
            close(proxy->channel); /* its end is told by the pidfd, its hanging by the pings */
            proxy->channel = -1;
            if (proxy->pidfd == -1) /* found by a takeover, and died before it said who it is */
                bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_EXITED);
        } else if (got) {
            on_message(supervisor, proxy, &message);
            bsc_message_close_fds(&message);
        }
    }
}

static void log_end(const struct bsc_proxy *proxy, int status)
{
    if (status == -1 && proxy->state != BSC_GENERATION_RETIRING)
        bsc_log_warning(
            "proxy generation %lld (pid %d) ended; it was no child, so nobody knows how",
            proxy->generation, (int)proxy->pid);
    else if (status != -1 && WIFSIGNALED(status))
        bsc_log_warning("proxy generation %lld (pid %d) ended: signal %d", proxy->generation,
                        (int)proxy->pid, WTERMSIG(status));
    else if (status != -1 && WEXITSTATUS(status) != 0)
        bsc_log_warning("proxy generation %lld (pid %d) ended: exit status %d", proxy->generation,
                        (int)proxy->pid, WEXITSTATUS(status));
}

void bsc_proxy_on_exit(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy, int status)
{
    log_end(proxy, status);
    if (proxy->introduced)
        bsc_controller_tell(supervisor, NULL, 0, "proxy-gone generation=%lld status=%d",
                            proxy->generation, status);
    bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_EXITED);
}

static void check(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy, int64_t now_ms)
{
    if (now_ms >= proxy->deadline_ms)
        proxy->trouble = proxy->state == BSC_GENERATION_RETIRING ? "its drain time is over"
                                                                 : "it does not become ready";
    else if (proxy->introduced && !proxy->ponged && now_ms >= proxy->ping_ms + PONG_MS)
        proxy->trouble = "it does not answer";
    else if (proxy->introduced && proxy->ponged && now_ms >= proxy->ping_ms + PING_MS) {
        char line[64];
        snprintf(line, sizeof line, "ping id=%lld", ++proxy->ping);
        proxy->ponged = false;
        proxy->ping_ms = now_ms;
        bsc_proxy_tell(proxy, NULL, 0, line);
        return;
    } else {
        return;
    }
    bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_HUNG);
}

int64_t bsc_proxy_on_time(struct bsc_supervisor *supervisor, bool late)
{
    int64_t now_ms = bsc_clock_boot_ms();
    bsc_proxy_ensure(supervisor);
    int64_t next_ms = supervisor->proxy_start_ms;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (proxy->state == BSC_GENERATION_NONE || proxy->killed)
            continue;
        if (late)
            proxy->ping_ms = now_ms;
        check(supervisor, proxy, now_ms);
        if (proxy->state == BSC_GENERATION_NONE || proxy->killed)
            continue;
        int64_t ping_ms =
            proxy->introduced ? proxy->ping_ms + (proxy->ponged ? PING_MS : PONG_MS) : BSC_NEVER_MS;
        next_ms = ping_ms < next_ms ? ping_ms : next_ms;
        next_ms = proxy->deadline_ms < next_ms ? proxy->deadline_ms : next_ms;
    }
    return next_ms < supervisor->proxy_start_ms ? next_ms : supervisor->proxy_start_ms;
}
