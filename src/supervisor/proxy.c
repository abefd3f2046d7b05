/* SPDX-License-Identifier: Apache-2.0
 * supervisor/proxy.c - the proxy generations: started, watched, replaced, retired. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

enum {
    READY_MS = 10000,       /* from its start, or from its first snapshot, to being ready */
    RETIRE_EXTRA_MS = 5000, /* beyond its drain time */
};

#define IN(state) (1U << BSC_GENERATION_##state)
#define SERVING (IN(STARTING) | IN(READY) | IN(CURRENT))

unsigned bsc_proxy_count(const struct bsc_supervisor *supervisor, unsigned states)
{
    unsigned count = 0;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        count += (states >> supervisor->proxies[i].state) & 1;
    return count;
}

struct bsc_proxy *bsc_proxy_add(struct bsc_supervisor *supervisor, long long generation)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (proxy->state != BSC_GENERATION_NONE)
            continue;
        *proxy = (struct bsc_proxy){ .generation = generation,
                                     .state = BSC_GENERATION_STARTING,
                                     .pidfd = -1,
                                     .channel = -1,
                                     .counters = -1,
                                     .ready_ms = BSC_NEVER_MS,
                                     .deadline_ms = bsc_clock_boot_ms() + READY_MS };
        if (generation > supervisor->last_generation)
            supervisor->last_generation = generation;
        return proxy;
    }
    return NULL;
}

void bsc_proxy_tell(struct bsc_proxy *proxy, const int *fds, unsigned fd_count, const char *line)
{
    struct bsc_error error;
    if (proxy->channel != -1 &&
        bsc_channel_send(proxy->channel, fds, fd_count, &error, "%s", line) != BSC_OK)
        bsc_log_warning("tell proxy generation %lld: %s", proxy->generation, error.text);
}

static void tell_listener(struct bsc_proxy *proxy, const struct bsc_listener *listener)
{
    char line[128];
    snprintf(line, sizeof line, "listen address=%s shared=%d", listener->name, listener->shared);
    bsc_proxy_tell(proxy, listener->fds, listener->count, line);
}

void bsc_proxy_tell_listeners(struct bsc_supervisor *supervisor)
{
    for (size_t p = 0; p < BSC_PROXIES_MAX; p++) {
        struct bsc_proxy *proxy = &supervisor->proxies[p];
        if (!(SERVING & 1U << proxy->state))
            continue;
        for (size_t i = 0; i < supervisor->listeners.count; i++) {
            const struct bsc_listener *listener = &supervisor->listeners.list[i];
            char line[128];
            snprintf(line, sizeof line, "unlisten address=%s", listener->name);
            if (!listener->wanted)
                bsc_proxy_tell(proxy, NULL, 0, line);
            else if (listener->fresh)
                tell_listener(proxy, listener);
        }
    }
}

static void tell_snapshot(const struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    char line[64];
    if (supervisor->snapshot == -1)
        return;
    snprintf(line, sizeof line, "snapshot id=%lld", supervisor->snapshot_id);
    bsc_proxy_tell(proxy, &supervisor->snapshot, 1, line);
    if (proxy->deadline_ms == BSC_NEVER_MS && proxy->state == BSC_GENERATION_STARTING)
        proxy->deadline_ms = bsc_clock_boot_ms() + READY_MS;
}

void bsc_proxy_tell_snapshot(struct bsc_supervisor *supervisor)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        if (SERVING & 1U << supervisor->proxies[i].state)
            tell_snapshot(supervisor, &supervisor->proxies[i]);
}

static void tell_access_log(const struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    if (*supervisor->access_words)
        bsc_proxy_tell(proxy, &supervisor->access_log, supervisor->access_log != -1,
                       supervisor->access_words);
}

void bsc_proxy_tell_access_log(struct bsc_supervisor *supervisor)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        if (supervisor->proxies[i].state != BSC_GENERATION_NONE)
            tell_access_log(supervisor, &supervisor->proxies[i]);
}

void bsc_proxy_introduce(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    int ends[2];
    if (!proxy->introduced || supervisor->controller.channel == -1)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == -1) {
        bsc_log_error("make a stream between controller and proxy: %s", strerror(errno));
        return;
    }
    bsc_proxy_tell(proxy, &ends[0], 1, "controller");
    bsc_controller_tell(supervisor, (int[]){ ends[1], proxy->counters }, 2,
                        "proxy generation=%lld pid=%d workers=%u state=%s", proxy->generation,
                        (int)proxy->pid, proxy->workers,
                        proxy->state == BSC_GENERATION_RETIRING ? "retiring" : "current");
    close(ends[0]);
    close(ends[1]);
}

/* The socket of STATE/proxy/G.sock, through which a later supervisor finds the proxy. */
static int make_control(const struct bsc_supervisor *supervisor, long long generation)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    /* By way of the descriptor, because sun_path is short. */
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%lld.sock",
             supervisor->proxy_directory, generation);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    unlink(address.sun_path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0)
        return fd;
    close(fd);
    return -1;
}

static enum bsc_status start(struct bsc_supervisor *supervisor, bool upgrade, const char *token,
                             struct bsc_error *error)
{
    char path[4096], line[256];
    char name[] = "bascule-proxy", option[] = "--channel", channel[] = "3";
    char *const argv[] = { name, option, channel, NULL };
    snprintf(path, sizeof path, "%s/bascule-proxy", supervisor->options->libexec);
    struct bsc_proxy *proxy = bsc_proxy_add(supervisor, supervisor->last_generation + 1);
    if (!proxy)
        return bsc_error_set(error, BSC_BUSY, "%d proxy generations still retire", BSC_PROXIES_MAX);
    int control = make_control(supervisor, proxy->generation);
    if (control == -1) {
        proxy->state = BSC_GENERATION_NONE;
        return bsc_error_errno(error, "make the proxy's control socket");
    }
    enum bsc_status status = bsc_spawn(path, argv, false, &proxy->pid, &proxy->channel, error);
    if (status != BSC_OK) {
        proxy->state = BSC_GENERATION_NONE;
        goto close_control;
    }
    proxy->pidfd = pidfd_open(proxy->pid, 0);
    proxy->upgrade = upgrade;
    snprintf(proxy->token, sizeof proxy->token, "%s", token);
    bsc_log_info("proxy generation %lld: started (pid %d)", proxy->generation, (int)proxy->pid);
    snprintf(line, sizeof line, "start generation=%lld workers=%u control=1 sandbox=%s user=%s",
             proxy->generation, supervisor->workers, supervisor->sandbox, supervisor->user);
    bsc_proxy_tell(proxy, &control, 1, line);
    tell_access_log(supervisor, proxy);
    for (size_t i = 0; i < supervisor->listeners.count; i++)
        tell_listener(proxy, &supervisor->listeners.list[i]);
    tell_snapshot(supervisor, proxy);
close_control:
    close(control);
    return status;
}

static int64_t delay(struct bsc_supervisor *supervisor)
{
    if (supervisor->proxy_lived_ms == BSC_NEVER_MS) /* none has died yet */
        return 0;
    return bsc_backoff_delay(&supervisor->proxy_backoff, supervisor->proxy_lived_ms);
}

void bsc_proxy_ensure(struct bsc_supervisor *supervisor)
{
    struct bsc_error error;
    int64_t now_ms = bsc_clock_boot_ms();
    if (supervisor->phase != BSC_PHASE_RUN || !supervisor->configured ||
        bsc_proxy_count(supervisor, SERVING)) {
        supervisor->proxy_start_ms = BSC_NEVER_MS;
        return;
    }
    if (supervisor->proxy_start_ms == BSC_NEVER_MS)
        supervisor->proxy_start_ms = now_ms + delay(supervisor);
    if (now_ms < supervisor->proxy_start_ms)
        return;
    supervisor->proxy_start_ms = BSC_NEVER_MS;
    supervisor->proxy_lived_ms = 0;
    if (start(supervisor, false, "", &error) != BSC_OK) {
        bsc_log_error("start a proxy: %s", error.text);
        supervisor->proxy_start_ms = now_ms + delay(supervisor);
    }
}

static void answer_failed(struct bsc_supervisor *supervisor, const char *token, const char *text)
{
    bsc_log_error("upgrade of the proxy failed, the old one goes on: %s", text);
    if (*token)
        bsc_controller_tell(supervisor, NULL, 0, "upgrade-failed token=%s text=%s", token, text);
}

void bsc_proxy_upgrade(struct bsc_supervisor *supervisor, const char *token)
{
    struct bsc_error error;
    if (supervisor->phase != BSC_PHASE_RUN || !bsc_proxy_count(supervisor, IN(CURRENT)))
        answer_failed(supervisor, token, "no proxy serves now");
    else if (bsc_proxy_count(supervisor, IN(STARTING) | IN(READY)))
        answer_failed(supervisor, token, "another proxy is starting");
    else if (start(supervisor, true, token, &error) != BSC_OK)
        answer_failed(supervisor, token, error.text);
}

void bsc_proxy_elect(struct bsc_supervisor *supervisor)
{
    struct bsc_proxy *newest = NULL;
    if (supervisor->phase == BSC_PHASE_TAKEOVER) /* not all that there are have said so */
        return;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if ((IN(READY) | IN(CURRENT)) & 1U << proxy->state &&
            (!newest || proxy->generation > newest->generation))
            newest = proxy;
    }
    if (newest)
        bsc_proxy_handle(supervisor, newest, BSC_GENERATION_ON_ELECTED);
}

static void serve(struct bsc_supervisor *supervisor, struct bsc_proxy *chosen)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (SERVING & 1U << proxy->state && proxy->generation < chosen->generation)
            bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_SUPERSEDED);
    }
    chosen->deadline_ms = BSC_NEVER_MS;
    if (chosen->upgrade && *chosen->token)
        bsc_controller_tell(supervisor, NULL, 0, "upgraded token=%s generation=%lld", chosen->token,
                            chosen->generation);
    chosen->upgrade = false;
}

static void retire(const struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    char line[64];
    snprintf(line, sizeof line, "retire drain_ms=%lld", (long long)supervisor->drain_ms);
    bsc_proxy_tell(proxy, NULL, 0, line);
    proxy->deadline_ms = bsc_clock_boot_ms() + supervisor->drain_ms + RETIRE_EXTRA_MS;
}

static void kill_proxy(struct bsc_proxy *proxy)
{
    bsc_log_warning("proxy generation %lld (pid %d) is killed: %s", proxy->generation,
                    (int)proxy->pid, proxy->trouble ? proxy->trouble : "it is not needed");
    if (proxy->pidfd != -1)
        (void)pidfd_send_signal(proxy->pidfd, SIGKILL, NULL, 0);
    proxy->killed = true;
}

static void forget(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    char path[64];
    if (proxy->upgrade)
        answer_failed(supervisor, proxy->token,
                      proxy->trouble ? proxy->trouble : "the new one exited before it was ready");
    if (proxy->pidfd != -1 || proxy->channel == -1) { /* else it is there and only says nothing */
        snprintf(path, sizeof path, "%lld.sock", proxy->generation);
        unlinkat(supervisor->proxy_directory, path, 0);
    }
    if (proxy->pidfd != -1)
        close(proxy->pidfd);
    if (proxy->channel != -1)
        close(proxy->channel);
    if (proxy->counters != -1)
        close(proxy->counters);
    *proxy = (struct bsc_proxy){
        .state = BSC_GENERATION_NONE, .pidfd = -1, .channel = -1, .counters = -1
    };
}

void bsc_proxy_handle(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy,
                      enum bsc_generation_event event)
{
    struct bsc_generation_step step = bsc_generation_decide(proxy->state, event);
    if (step.next != proxy->state)
        bsc_log_info("proxy generation %lld (pid %d): %s -> %s", proxy->generation, (int)proxy->pid,
                     bsc_generation_state_name(proxy->state), bsc_generation_state_name(step.next));
    bool served = SERVING & 1U << proxy->state, serves = SERVING & 1U << step.next;
    if (served && !serves)
        supervisor->proxy_lived_ms =
            proxy->ready_ms == BSC_NEVER_MS ? 0 : bsc_clock_boot_ms() - proxy->ready_ms;
    proxy->state = step.next;
    switch (step.effect) {
    case BSC_GENERATION_DO_NOTHING:
        break;
    case BSC_GENERATION_DO_ELECT:
        proxy->ready_ms = bsc_clock_boot_ms();
        bsc_proxy_elect(supervisor);
        break;
    case BSC_GENERATION_DO_SERVE:
        serve(supervisor, proxy);
        break;
    case BSC_GENERATION_DO_RETIRE:
        retire(supervisor, proxy);
        break;
    case BSC_GENERATION_DO_TELL:
        bsc_controller_tell(supervisor, NULL, 0, "proxy-retiring generation=%lld",
                            proxy->generation);
        break;
    case BSC_GENERATION_DO_KILL:
        kill_proxy(proxy);
        break;
    case BSC_GENERATION_DO_FORGET:
        forget(supervisor, proxy);
        break;
    }
    bsc_controller_tell_snapshot(supervisor);
    bsc_proxy_ensure(supervisor);
}

void bsc_proxy_retire_all(struct bsc_supervisor *supervisor)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        if (SERVING & 1U << supervisor->proxies[i].state)
            bsc_proxy_handle(supervisor, &supervisor->proxies[i], BSC_GENERATION_ON_SUPERSEDED);
}

void bsc_proxy_kill_all(struct bsc_supervisor *supervisor, const char *trouble)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (proxy->state == BSC_GENERATION_NONE || proxy->killed)
            continue;
        proxy->trouble = trouble;
        bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_HUNG);
    }
}
