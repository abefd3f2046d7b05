/* SPDX-License-Identifier: Apache-2.0
 * controller.c - the process that decides: the engine, with real adapters behind its ports.
 *
 * The only place that wires adapters to ports. Everything runs on one libuv loop. The supervisor
 * starts it (`bascule controller`), starts it again when it dies, and it exits with its supervisor.
 */
#include "controller.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/prober.h"
#include "adapters/query.h"
#include "adapters/router_proxy.h"
#include "adapters/runtime_docker.h"
#include "adapters/runtime_process.h"
#include "adapters/runtime_static.h"
#include "adapters/store_sqlite.h"
#include "adapters/supervisor_link.h"
#include "adapters/user_hash.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "config/config.h"
#include "engine/service.h"

enum { EXIT_DONE = 0, EXIT_BROKEN = 1, EXIT_REFUSED = 2 };

/* Commands of our own; those of the API begin at BSC_API_TOKEN_FIRST. */
enum { TOKEN_START = 1, TOKEN_RELOAD, TOKEN_TERMINATE };

struct controller {
    const struct bsc_controller_options *options;
    uv_loop_t loop;
    uv_timer_t timer; /* the engine's next deadline */
    uv_timer_t start; /* the first configuration, out of the engine's own call */
    struct bsc_supervisor_link *link;
    struct bsc_runtime_process *processes;
    struct bsc_runtime_static *statics;
    struct bsc_runtime_docker *containers;
    struct bsc_router_proxy *router;
    struct bsc_prober prober;
    struct bsc_query_port query;
    struct bsc_store store;
    struct bsc_engine *engine;
    struct bsc_api *api;
    struct bsc_config *config;    /* being applied; NULL: none */
    bool began;                   /* the proxies are told what is so */
    bool loaded;                  /* the store could be read */
    enum bsc_status store_status; /* as the engine last told */
    char store_text[BSC_ERROR_TEXT_BYTES];
    pid_t supervisor;
};

static void wake(uv_timer_t *timer);

static void plan_wakeup(struct controller *controller)
{
    int64_t next = bsc_engine_next_ms(controller->engine);
    if (next == INT64_MAX) {
        uv_timer_stop(&controller->timer);
        return;
    }
    int64_t left = next - bsc_clock_boot_ms();
    uv_update_time(&controller->loop);
    uv_timer_start(&controller->timer, wake, left > 0 ? (uint64_t)left : 0, 0);
}

static void deliver(void *argument, const struct bsc_event *event)
{
    struct controller *controller = argument;
    bsc_engine_handle(controller->engine, event);
    plan_wakeup(controller);
}

static void wake(uv_timer_t *timer)
{
    deliver(timer->data, &(struct bsc_event){ .kind = BSC_EVENT_TICK });
}

static int64_t boot_ms(void *self)
{
    (void)self;
    return bsc_clock_boot_ms();
}

static int64_t wall_ms(void *self)
{
    (void)self;
    return bsc_clock_wall_ms();
}

static _Noreturn void leave(struct controller *controller, int status)
{
    /* What runs goes on: shims and proxies are not ours to stop. The socket goes while the store's
     * lock still keeps a successor from making its own; the store's thread must not be cut off in
     * the middle of nothing. */
    bsc_api_destroy(controller->api);
    if (controller->store.self)
        bsc_store_sqlite_close(&controller->store);
    exit(status);
}

static void log_problems(const struct bsc_config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct bsc_config_problem *problem = &problems->items[i];
        bsc_log_error("%s:%u: %s: %s", problem->file, problem->line, problem->key, problem->text);
    }
}

/* Reads the configuration file and hands it to the engine; false when it has problems. */
static bool apply_file(struct controller *controller, bsc_token token, const char *actor)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = bsc_config_read(controller->options->config, &problems);
    log_problems(&problems);
    bsc_config_problems_deinit(&problems);
    if (!config)
        return false;
    controller->config = config;
    deliver(controller,
            &(struct bsc_event){
                .kind = BSC_EVENT_APPLY, .token = token, .actor = actor, .config = config });
    return true;
}

/* From now on the proxies hear what the engine wants. */
static void begin(struct controller *controller)
{
    struct bsc_error error;
    if (controller->began)
        return;
    controller->began = true;
    bsc_router_proxy_begin(controller->router);
    if (bsc_supervisor_link_ready(controller->link, &error) != BSC_OK)
        bsc_log_warning("tell the supervisor that all is ready: %s", error.text);
    bsc_api_set_ready(controller->api, BSC_OK, "");
    bsc_log_info("ready");
}

static bool has_services(const struct controller *controller)
{
    return bsc_engine_services(controller->engine) != NULL;
}

/* A daemon that knows services goes on with them when the file can't be used any more; a fresh one
 * has nothing to go on with. While the store does not work, nothing is known that the proxies could
 * be told: the file is tried again when it does. */
static void start_refused(struct controller *controller, const char *text)
{
    if (!has_services(controller)) {
        bsc_log_error("%s", text);
        leave(controller, EXIT_REFUSED);
    }
    if (controller->store_status != BSC_OK)
        return;
    bsc_log_error("%s: going on with the services as they were", text);
    begin(controller);
}

static void start_applied(struct controller *controller, const struct bsc_reply *reply)
{
    if (reply->status == BSC_OK)
        begin(controller);
    else
        start_refused(controller, reply->text);
}

static void on_unusable_file(struct bsc_engine *engine, void *argument)
{
    (void)engine;
    start_refused(argument, "the configuration has errors");
}

/* What the engine publishes at its start is being committed now. Proxies that serve would lose
 * their routes if they were told before that, so going on without the file waits its turn, too. */
static void apply_first(uv_timer_t *timer)
{
    struct controller *controller = timer->data;
    if (!controller->began && !controller->config && !apply_file(controller, TOKEN_START, "start"))
        deliver(controller, &(struct bsc_event){ .kind = BSC_EVENT_QUERY,
                                                 .query = on_unusable_file,
                                                 .argument = controller });
}

static void on_unusable_store(struct controller *controller, enum bsc_status status,
                              const char *text)
{
    struct bsc_error error;
    bool first = controller->store_status == BSC_OK;
    if (first || strcmp(controller->store_text, text) != 0)
        bsc_log_error("%s", text);
    controller->store_status = status;
    snprintf(controller->store_text, sizeof controller->store_text, "%s", text);
    bsc_api_set_ready(controller->api, status, text);
    if (first && !controller->loaded &&
        bsc_supervisor_link_unusable(controller->link, &error) != BSC_OK)
        bsc_log_warning("tell the supervisor that the store is unusable: %s", error.text);
}

static void on_ready(void *argument, enum bsc_status status, const char *text)
{
    struct controller *controller = argument;
    if (status != BSC_OK) {
        on_unusable_store(controller, status, text);
        return;
    }
    if (controller->store_status != BSC_OK)
        bsc_log_info("the store can be used again");
    controller->store_status = BSC_OK;
    controller->loaded = true;
    if (controller->began)
        bsc_api_set_ready(controller->api, BSC_OK, "");
    else
        uv_timer_start(&controller->start, apply_first, 0, 0);
}

static void reply_to_us(struct controller *controller, bsc_token token,
                        const struct bsc_reply *reply)
{
    struct bsc_error error;
    if (token == TOKEN_TERMINATE) {
        if (bsc_supervisor_link_terminated(controller->link, &error) != BSC_OK)
            leave(controller, EXIT_DONE);
        return;
    }
    bsc_config_destroy(controller->config);
    controller->config = NULL;
    if (token == TOKEN_START)
        start_applied(controller, reply);
    else if (reply->status != BSC_OK)
        bsc_log_error("the configuration was not applied: %s", reply->text);
    for (unsigned i = 0; i < reply->line_count; i++)
        bsc_log_info("%s", reply->lines[i]);
}

static void notify_reply(void *self, bsc_token token, const struct bsc_reply *reply)
{
    struct controller *controller = self;
    if (token < BSC_API_TOKEN_FIRST) {
        reply_to_us(controller, token, reply);
        return;
    }
    struct bsc_notifier api = bsc_api_notifier(controller->api);
    api.ops->reply(api.self, token, reply);
}

static void notify_audit(void *self, const struct bsc_audit_row *row)
{
    struct controller *controller = self;
    bsc_log_info("%s%s%s: %s", row->service ? row->service : "", row->service ? ": " : "",
                 row->kind, row->text);
    struct bsc_notifier api = bsc_api_notifier(controller->api);
    api.ops->audit(api.self, row);
}

static void notify_changed(void *self, const char *service)
{
    struct controller *controller = self;
    struct bsc_notifier api = bsc_api_notifier(controller->api);
    api.ops->changed(api.self, service);
}

static void on_reload(void *argument)
{
    struct controller *controller = argument;
    if (controller->config)
        bsc_log_warning("the configuration is being applied already");
    else if (!apply_file(controller, TOKEN_RELOAD, "SIGHUP"))
        bsc_log_error("the configuration has errors: the old one stays in force");
}

static void on_terminate(void *argument)
{
    struct controller *controller = argument;
    bsc_log_info("stopping every instance");
    deliver(controller,
            &(struct bsc_event){ .kind = BSC_EVENT_TERMINATE, .token = TOKEN_TERMINATE });
}

static void on_upgraded(void *argument, bsc_token token, enum bsc_status status, const char *text,
                        uint64_t generation)
{
    struct controller *controller = argument;
    bsc_api_upgraded(controller->api, token, status, (unsigned)generation, text);
}

static void on_closed(void *argument)
{
    leave(argument, EXIT_DONE);
}

static void api_submit(void *argument, const struct bsc_event *event)
{
    deliver(argument, event);
}

static void api_processes(void *argument, struct bsc_api_processes *out)
{
    struct controller *controller = argument;
    struct bsc_generation_view view;
    *out =
        (struct bsc_api_processes){ .supervisor = controller->supervisor, .controller = getpid() };
    for (unsigned i = 0; bsc_router_proxy_generation(controller->router, i, &view); i++)
        if (!view.retiring)
            out->proxy = view.pid;
}

static bool api_listener(void *argument, unsigned index, struct bsc_router_listener *out)
{
    const struct controller *controller = argument;
    return bsc_router_proxy_listener(controller->router, index, out);
}

static void api_figures(void *argument, struct bsc_router_figures *out)
{
    const struct controller *controller = argument;
    bsc_router_proxy_figures(controller->router, out);
}

static void api_service_figures(void *argument, const char *service,
                                struct bsc_router_service_figures *out)
{
    const struct controller *controller = argument;
    bsc_router_proxy_service_figures(controller->router, service, out);
}

static void api_slot_counters(void *argument, const char *service, enum bsc_slot slot,
                              struct bsc_router_slot_counters *out)
{
    const struct controller *controller = argument;
    bsc_router_proxy_slot_counters(controller->router, service, slot, out);
}

static void api_upgrade(void *argument, bsc_token token)
{
    struct controller *controller = argument;
    struct bsc_error error;
    if (bsc_supervisor_link_upgrade(controller->link, token, &error) != BSC_OK)
        bsc_api_upgraded(controller->api, token, error.status, 0, error.text);
}

static bool api_log_path(void *argument, const char *instance, char *out, size_t size)
{
    struct controller *controller = argument;
    static const char *const folders[] = { "instances", "containers" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int used =
            snprintf(out, size, "%s/%s/%s/log", controller->options->state, folders[i], instance);
        if (used > 0 && (size_t)used < size && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static enum bsc_status read_history(void *self, const char *service, uint64_t before,
                                    unsigned limit,
                                    void (*on_record)(void *, const struct bsc_record *),
                                    void *argument, struct bsc_error *error)
{
    const struct bsc_store *store = self;
    return bsc_store_history(store, service, before, limit, on_record, argument, error);
}

static enum bsc_status read_events(void *self, const char *service, bool newest, uint64_t after,
                                   unsigned limit,
                                   void (*on_event)(void *, const struct bsc_audit_row *),
                                   void *argument, struct bsc_error *error)
{
    const struct bsc_store *store = self;
    struct bsc_events_query query = {
        .service = service, .after = after, .limit = limit, .newest = newest
    };
    return bsc_store_events(store, &query, on_event, argument, error);
}

static enum bsc_status read_rollout(void *self, uint64_t id,
                                    void (*on_rollout)(void *, const struct bsc_rollout_row *),
                                    void *argument, struct bsc_error *error)
{
    const struct bsc_store *store = self;
    return bsc_store_rollout(store, id, on_rollout, argument, error);
}

static enum bsc_status open_adapters(struct controller *controller, struct bsc_error *error)
{
    static const struct bsc_supervisor_events events = {
        .reload = on_reload,
        .terminate = on_terminate,
        .upgraded = on_upgraded,
        .closed = on_closed,
    };
    const struct bsc_controller_options *options = controller->options;
    uv_loop_t *loop = &controller->loop;
    enum bsc_status status =
        bsc_store_sqlite_open(options->state, loop, deliver, controller, &controller->store, error);
    if (status != BSC_OK)
        return status;
    status = bsc_runtime_process_create(loop, options->state, options->shim, deliver, controller,
                                        &controller->processes, error);
    if (status != BSC_OK)
        return status;
    status = bsc_runtime_docker_create(loop, options->state, NULL, deliver, controller,
                                       &controller->containers, error);
    if (status == BSC_OK)
        status = bsc_prober_create(loop, deliver, controller, &controller->prober, error);
    if (status == BSC_OK)
        status = bsc_query_port_create(loop, deliver, controller, &controller->query, error);
    if (status != BSC_OK)
        return status;
    controller->statics = bsc_runtime_static_create(loop, deliver, controller);
    controller->link = bsc_supervisor_link_create(loop, options->channel, &events, controller);
    controller->router = bsc_router_proxy_create(
        loop, controller->link, (uint64_t)bsc_clock_wall_ms(), deliver, controller);
    bsc_prober_trust(&controller->prober, bsc_router_proxy_upstream, controller->router);
    return BSC_OK;
}

static void fill_random(void *self, void *bytes, size_t size)
{
    (void)self;
    ssize_t got;
    do
        got = getrandom(bytes, size, 0);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)size)
        abort(); /* up to 256 bytes are promised once the kernel is seeded */
}

static uint64_t hash_user(void *self, const char *key, const char *identity)
{
    (void)self;
    return bsc_user_hash(key, identity);
}

static void create_engine(struct controller *controller)
{
    static const struct bsc_clock_ops clock_ops = { boot_ms, wall_ms };
    static const struct bsc_entropy_ops entropy_ops = { fill_random, hash_user };
    static const struct bsc_notifier_ops notifier_ops = { "controller", notify_reply, notify_audit,
                                                          notify_changed };
    struct bsc_ports ports = {
        .runtimes = { [BSC_RUNTIME_PROCESS] = bsc_runtime_process_port(controller->processes),
                      [BSC_RUNTIME_STATIC] = bsc_runtime_static_port(controller->statics),
                      [BSC_RUNTIME_DOCKER] = bsc_runtime_docker_port(controller->containers) },
        .prober = controller->prober,
        .query = controller->query,
        .router = bsc_router_proxy_port(controller->router),
        .store = controller->store,
        .notifier = { &notifier_ops, controller },
        .clock = { &clock_ops, controller },
        .entropy = { &entropy_ops, NULL },
        .program = controller->options->program,
        .spec_diff = bsc_spec_diff,
        .config_diff = bsc_config_diff,
    };
    controller->engine = bsc_engine_create(&ports);
    bsc_engine_on_ready(controller->engine, on_ready, controller);
}

static enum bsc_status open_api(struct controller *controller, struct bsc_error *error)
{
    struct bsc_api_options options = {
        .loop = &controller->loop,
        .socket_path = controller->options->socket,
        .group = "bascule",
        .config_file = controller->options->config,
        .engine = controller->engine,
        .reads = { &controller->store, read_history, read_events, read_rollout },
        .argument = controller,
        .submit = api_submit,
        .processes = api_processes,
        .listener = api_listener,
        .figures = api_figures,
        .service_figures = api_service_figures,
        .slot_counters = api_slot_counters,
        .upgrade = api_upgrade,
        .log_path = api_log_path,
    };
    return bsc_api_create(&options, &controller->api, error);
}

int bsc_controller_run(const struct bsc_controller_options *options)
{
    /* Everything else points at it: it lives in the frame that nobody returns from. */
    struct controller self = { .options = options, .supervisor = getppid() };
    struct controller *controller = &self;
    struct bsc_error error;
    bsc_log_init("controller", BSC_LOG_INFO);
    umask(077);
    bsc_descriptors_raise();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* of the terminal: the supervisor says when and how to stop */
    if (uv_loop_init(&controller->loop) != 0)
        return EXIT_BROKEN;
    uv_timer_init(&controller->loop, &controller->timer);
    uv_timer_init(&controller->loop, &controller->start);
    controller->timer.data = controller->start.data = controller;
    if (open_adapters(controller, &error) != BSC_OK) {
        bsc_log_error("%s", error.text);
        leave(controller, EXIT_REFUSED);
    }
    create_engine(controller);
    if (open_api(controller, &error) != BSC_OK) {
        bsc_log_error("%s", error.text);
        leave(controller, EXIT_REFUSED);
    }
    uv_run(&controller->loop, UV_RUN_DEFAULT);
    leave(controller, EXIT_BROKEN); /* the loop has handles as long as all is well */
}
