/* SPDX-License-Identifier: Apache-2.0
 * api/status.c - GET /v1/version, /v1/openapi.json, /v1/status, /v1/services/NAME and its why. */
#include "api/context.h"
#include "api/request.h"
#include "api/view.h"
#include "base/clock.h"

void bsc_api_get_version(struct bsc_api_request *request)
{
    bsc_api_answer_json(request, MHD_HTTP_OK,
                        json_pack("{s:s, s:i}", "version", BSC_VERSION, "api", 1));
}

void bsc_api_get_openapi(struct bsc_api_request *request)
{
    bsc_api_answer_json(request, MHD_HTTP_OK, bsc_api_openapi());
}

static json_t *pid_or_null(int64_t pid)
{
    return pid ? json_integer(pid) : json_null();
}

static struct bsc_router_service_figures figures_of(const struct bsc_api_request *request,
                                                    const struct bsc_service *service)
{
    const struct bsc_api_options *options = &request->api->options;
    struct bsc_router_service_figures figures = { 0 };
    options->service_figures(options->argument, service->name, &figures);
    return figures;
}

static json_t *view_preview(const struct bsc_api_options *options,
                            const struct bsc_service *service)
{
    struct bsc_preview_way way = { 0 };
    enum bsc_slot slot;
    (void)!bsc_preview_find_way(service->row.spec, options->listener, options->argument, &way);
    return bsc_api_view_preview(service, bsc_preview_slot(service, &slot) ? &slot : NULL, &way);
}

static json_t *view_one(const struct bsc_api_request *request, const struct bsc_service *service)
{
    struct bsc_router_service_figures figures = figures_of(request, service);
    return bsc_api_view_service(service, &figures, view_preview(&request->api->options, service));
}

static json_t *view_listen(const struct bsc_api_options *options)
{
    struct bsc_router_listener listener;
    json_t *list = json_array();
    for (unsigned i = 0; options->listener(options->argument, i, &listener); i++)
        json_array_append_new(list, bsc_api_view_listener(&listener));
    return list;
}

static void view_status(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_api_options *options = &request->api->options;
    struct bsc_api_processes processes = { 0 };
    struct bsc_router_figures figures = { 0 };
    options->processes(options->argument, &processes);
    options->figures(options->argument, &figures);
    json_t *services = json_array();
    for (const struct bsc_service *service = bsc_engine_services(engine); service;
         service = service->next)
        json_array_append_new(services, view_one(request, service));
    bsc_api_answer_json(request, MHD_HTTP_OK,
                        json_pack("{s:{s:o, s:o, s:o}, s:o, s:o, s:o}", "processes", "supervisor",
                                  pid_or_null(processes.supervisor), "controller",
                                  pid_or_null(processes.controller), "proxy",
                                  pid_or_null(processes.proxy), "listen", view_listen(options),
                                  "proxy", bsc_api_view_figures(&figures), "services", services));
}

void bsc_api_get_status(struct bsc_api_request *request)
{
    bsc_api_query(request, view_status);
}

static void view_service(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    if (service)
        bsc_api_answer_json(request, MHD_HTTP_OK, view_one(request, service));
    else
        bsc_api_answer_no_service(request, engine);
}

void bsc_api_get_service(struct bsc_api_request *request)
{
    bsc_api_query(request, view_service);
}

static json_t *counters_of(const struct bsc_api_request *request, const struct bsc_service *service,
                           enum bsc_slot slot)
{
    const struct bsc_api_options *options = &request->api->options;
    struct bsc_router_slot_counters counters = { 0 };
    options->slot_counters(options->argument, service->name, slot, &counters);
    return bsc_api_view_slot_counters(&counters);
}

static void view_counters(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_api_options *options = &request->api->options;
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    struct bsc_api_processes processes = { 0 };
    if (!service) {
        bsc_api_answer_no_service(request, engine);
        return;
    }
    options->processes(options->argument, &processes);
    bsc_api_answer_json(request, MHD_HTTP_OK,
                        json_pack("{s:s, s:o, s:{s:o, s:o}}", "service", service->name,
                                  "controller", pid_or_null(processes.controller), "slots", "blue",
                                  counters_of(request, service, BSC_BLUE), "green",
                                  counters_of(request, service, BSC_GREEN)));
}

void bsc_api_get_counters(struct bsc_api_request *request)
{
    bsc_api_query(request, view_counters);
}

static void add_line(void *argument, const char *line)
{
    json_array_append_new(argument, bsc_api_words(line));
}

static void view_why(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    if (!service) {
        bsc_api_answer_no_service(request, engine);
        return;
    }
    json_t *lines = json_array();
    if (bsc_engine_store_full(engine))
        add_line(lines, "The disk of the state directory is full: nothing new can begin until "
                        "there is room.");
    struct bsc_router_service_figures figures = figures_of(request, service);
    bsc_api_why(service, &figures, bsc_clock_wall_ms(), bsc_clock_boot_ms(), add_line, lines);
    bsc_api_answer_json(request, MHD_HTTP_OK,
                        json_pack("{s:s, s:o}", "service", request->parameter, "lines", lines));
}

void bsc_api_get_why(struct bsc_api_request *request)
{
    bsc_api_query(request, view_why);
}
