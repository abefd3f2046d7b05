/* SPDX-License-Identifier: Apache-2.0
 * adapters/supervisor_link.c - see supervisor_link.h. */
#include "adapters/supervisor_link.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/channel.h"
#include "base/log.h"
#include "base/text.h"
#include "core/configuration.h"

struct bsc_supervisor_link {
    int channel;
    uv_poll_t *poll;
    const struct bsc_supervisor_events *events;
    void *argument;
    const struct bsc_proxy_events *proxies; /* NULL: nobody listens */
    void *proxies_argument;
    struct bsc_message message; /* the one being handled */
};

static uint64_t number_of(const struct bsc_message *message, const char *key)
{
    long long number = bsc_message_number(message, key, 0);
    return number > 0 ? (uint64_t)number : 0;
}

static int take_fd(struct bsc_message *message, unsigned index)
{
    if (index >= message->fd_count)
        return -1;
    int fd = message->fds[index];
    message->fds[index] = -1;
    return fd;
}

/* -- one function a verb --------------------------------------------------------------------- */

static void on_configured(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    bool refused = bsc_message_is(message, "refused");
    if (link->proxies)
        link->proxies->configured(link->proxies_argument, refused ? BSC_INVALID : BSC_OK,
                                  bsc_message_text(message));
}

static void on_snapshot(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    int memfd = link->proxies ? take_fd(message, 0) : -1;
    if (memfd != -1)
        link->proxies->snapshot(link->proxies_argument, number_of(message, "id"), memfd);
}

static void on_snapshot_taken(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    if (link->proxies)
        link->proxies->snapshot_taken(link->proxies_argument, number_of(message, "id"));
}

static void on_proxy(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    char state[16];
    if (message->fd_count < 2 || !link->proxies) {
        bsc_log_error("a proxy was announced without its descriptors");
        return;
    }
    bsc_message_value(message, "state", state, sizeof state);
    struct bsc_proxy_arrival arrival = {
        .generation = number_of(message, "generation"),
        .pid = (pid_t)number_of(message, "pid"),
        .workers = (unsigned)number_of(message, "workers"),
        .retiring = !strcmp(state, "retiring"),
        .socket = take_fd(message, 0),
        .counters = take_fd(message, 1),
    };
    link->proxies->arrived(link->proxies_argument, &arrival);
}

static void on_proxy_retiring(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    if (link->proxies)
        link->proxies->retiring(link->proxies_argument, number_of(message, "generation"));
}

static void on_proxy_gone(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    if (link->proxies)
        link->proxies->gone(link->proxies_argument, number_of(message, "generation"),
                            (int)bsc_message_number(message, "status", -1));
}

static void on_upgraded(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    bool failed = bsc_message_is(message, "upgrade-failed");
    link->events->upgraded(link->argument, number_of(message, "token"),
                           failed ? BSC_FAILED : BSC_OK, bsc_message_text(message),
                           number_of(message, "generation"));
}

static void on_reload(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    (void)message;
    link->events->reload(link->argument);
}

static void on_terminate(struct bsc_supervisor_link *link, struct bsc_message *message)
{
    (void)message;
    link->events->terminate(link->argument);
}

static const struct verb {
    const char *name;
    void (*handle)(struct bsc_supervisor_link *link, struct bsc_message *message);
} verbs[] = {
    { "configured", on_configured },
    { "refused", on_configured },
    { "snapshot", on_snapshot },
    { "snapshot-taken", on_snapshot_taken },
    { "proxy", on_proxy },
    { "proxy-retiring", on_proxy_retiring },
    { "proxy-gone", on_proxy_gone },
    { "upgraded", on_upgraded },
    { "upgrade-failed", on_upgraded },
    { "reload", on_reload },
    { "terminate", on_terminate },
};

static void handle(struct bsc_supervisor_link *link)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (bsc_message_is(&link->message, verbs[i].name)) {
            verbs[i].handle(link, &link->message);
            break;
        }
    bsc_message_close_fds(&link->message);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_poll(struct bsc_supervisor_link *link)
{
    if (link->poll)
        uv_close((uv_handle_t *)link->poll, on_closed);
    link->poll = NULL;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct bsc_supervisor_link *link = poll->data;
    struct bsc_error error;
    bool got = true;
    while (got) {
        if (bsc_channel_receive(link->channel, &link->message, &got, &error) != BSC_OK) {
            bsc_log_info("supervisor: %s", error.text);
            close_poll(link);
            link->events->closed(link->argument);
            return;
        }
        if (got)
            handle(link);
    }
}

struct bsc_supervisor_link *bsc_supervisor_link_create(uv_loop_t *loop, int channel,
                                                       const struct bsc_supervisor_events *events,
                                                       void *argument)
{
    struct bsc_supervisor_link *link = bsc_alloc(sizeof *link);
    link->channel = channel;
    link->events = events;
    link->argument = argument;
    link->poll = bsc_alloc(sizeof *link->poll);
    link->poll->data = link;
    uv_poll_init(loop, link->poll, channel);
    uv_poll_start(link->poll, UV_READABLE, on_readable);
    return link;
}

void bsc_supervisor_link_destroy(struct bsc_supervisor_link *link)
{
    close_poll(link);
    free(link);
}

void bsc_supervisor_link_route(struct bsc_supervisor_link *link,
                               const struct bsc_proxy_events *events, void *argument)
{
    link->proxies = events;
    link->proxies_argument = argument;
}

/* -- what the controller says ---------------------------------------------------------------- */

/* Opened here, because neither the proxy nor the supervisor reads the configuration; a pipe that
 * nobody reads is an error and not a wait. -1 with BSC_OK: there shall be none. */
static enum bsc_status open_access_log(const char *path, int *out, struct bsc_error *error)
{
    *out = -1;
    if (!path)
        return BSC_OK;
    *out =
        !strcmp(path, "-")
            ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
            : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return *out == -1 ? bsc_error_errno(error, "access log %s", path) : BSC_OK;
}

static void add_addresses(struct bsc_text *list, const struct bsc_strings *addresses)
{
    for (unsigned i = 0; i < addresses->count; i++)
        bsc_text_printf(list, "%s%s", list->size ? "," : "", addresses->items[i]);
}

enum bsc_status bsc_supervisor_link_configure(struct bsc_supervisor_link *link,
                                              const struct bsc_config *config,
                                              struct bsc_error *error)
{
    static const char *const sandboxes[] = {
        [BSC_SANDBOX_REQUIRED] = "required",
        [BSC_SANDBOX_PREFERRED] = "preferred",
        [BSC_SANDBOX_OFF] = "off",
    };
    static const char *const formats[] = {
        [BSC_ACCESS_LOG_JSON] = "json",
        [BSC_ACCESS_LOG_COMBINED] = "combined",
    };
    const struct bsc_proxy_spec *proxy = &config->proxy;
    struct bsc_text list = { 0 };
    int log;
    if (open_access_log(proxy->access_log, &log, error))
        return error->status;
    add_addresses(&list, &config->listen_http);
    add_addresses(&list, &config->listen_https);
    for (unsigned i = 0; i < config->service_count; i++) {
        add_addresses(&list, &config->services[i]->listen);
        add_addresses(&list, &config->services[i]->listen_tls);
    }
    enum bsc_status status =
        bsc_channel_send(link->channel, &log, log != -1, error,
                         "configure workers=%u drain_ms=%" PRId64
                         " sandbox=%s user=%s access_log=%s access_addresses=%s listen=%s",
                         proxy->workers, proxy->drain_ms, sandboxes[proxy->sandbox],
                         proxy->user ? proxy->user : "", formats[proxy->access_format],
                         proxy->access_anonymous ? "anonymous" : "full", bsc_text_get(&list));
    if (log != -1)
        close(log);
    bsc_text_deinit(&list);
    return status;
}

enum bsc_status bsc_supervisor_link_snapshot(struct bsc_supervisor_link *link, uint64_t id,
                                             int memfd, struct bsc_error *error)
{
    return bsc_channel_send(link->channel, &memfd, 1, error, "snapshot id=%" PRIu64, id);
}

enum bsc_status bsc_supervisor_link_ready(struct bsc_supervisor_link *link, struct bsc_error *error)
{
    return bsc_channel_send(link->channel, NULL, 0, error, "ready");
}

enum bsc_status bsc_supervisor_link_unusable(struct bsc_supervisor_link *link,
                                             struct bsc_error *error)
{
    return bsc_channel_send(link->channel, NULL, 0, error, "unusable");
}

enum bsc_status bsc_supervisor_link_upgrade(struct bsc_supervisor_link *link, bsc_token token,
                                            struct bsc_error *error)
{
    return bsc_channel_send(link->channel, NULL, 0, error, "upgrade token=%" PRIu64, token);
}

enum bsc_status bsc_supervisor_link_terminated(struct bsc_supervisor_link *link,
                                               struct bsc_error *error)
{
    return bsc_channel_send(link->channel, NULL, 0, error, "terminated");
}
