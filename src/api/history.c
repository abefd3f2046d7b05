/* SPDX-License-Identifier: Apache-2.0
 * api/history.c - GET /v1/services/NAME/history and /v1/rollouts/ID: what the store remembers. */
#include <stdio.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"

static void add_record(void *list, const struct bsc_record *record)
{
    json_array_append_new(list, bsc_api_view_record(record));
}

/* In a query, so that it is not older than what the asker has been told before. A service that left
 * the configuration keeps its history. */
static void view_history(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_api_reads *reads = &request->api->options.reads;
    struct bsc_error error;
    json_t *list = json_array();
    const char *older = bsc_api_input_string(request, "before");
    uint64_t before = older ? bsc_api_id_parse('d', older) : 0;
    enum bsc_status status = reads->history(reads->self, request->parameter, before,
                                            (unsigned)bsc_api_input_integer(request, "limit", 1000),
                                            add_record, list, &error);
    bool unknown =
        !before && !json_array_size(list) && !bsc_engine_service(engine, request->parameter);
    if (status == BSC_OK && !unknown) {
        bsc_api_answer_json(request, MHD_HTTP_OK, list);
        return;
    }
    json_decref(list);
    if (status == BSC_OK)
        bsc_api_answer_no_service(request, engine);
    else
        bsc_api_answer_error(request, status, error.text);
}

void bsc_api_get_history(struct bsc_api_request *request)
{
    const char *before = bsc_api_input_string(request, "before");
    if (before && !bsc_api_id_parse('d', before))
        bsc_api_answer_malformed(request, "'before' must be the id of a record, as \"d12\"");
    else
        bsc_api_query(request, view_history);
}

static void take_version(void *argument, const struct bsc_record *record)
{
    snprintf(argument, BSC_VERSION_MAX + 1, "%s", record->version);
}

static void answer_rollout(void *argument, const struct bsc_rollout_row *row)
{
    struct bsc_api_request *request = argument;
    const struct bsc_api_reads *reads = &request->api->options.reads;
    char version[BSC_VERSION_MAX + 1] = "";
    if (row->record && reads->history(reads->self, row->service, row->record + 1, 1, take_version,
                                      version, NULL) != BSC_OK)
        version[0] = '\0'; /* shown as unknown: the rollout itself is worth more than an error */
    bsc_api_answer_json(request, MHD_HTTP_OK, bsc_api_view_rollout(row, version, "", NULL, NULL));
}

static void view_rollout(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_api_reads *reads = &request->api->options.reads;
    uint64_t id = bsc_api_id_parse('r', request->parameter);
    for (const struct bsc_service *service = bsc_engine_services(engine); service && id;
         service = service->next)
        if (service->rollout && service->rollout->row.id == id) {
            struct bsc_router_service_figures figures = { 0 };
            request->api->options.service_figures(request->api->options.argument, service->name,
                                                  &figures);
            bsc_api_answer_json(request, MHD_HTTP_OK,
                                bsc_api_view_newest_rollout(service, &figures));
            return;
        }
    for (const struct bsc_service *service = bsc_engine_services(engine); service && id;
         service = service->next)
        if (service->rollout && service->row.next.rollout == id) {
            bsc_api_answer_json(request, MHD_HTTP_OK, bsc_api_view_successor(service));
            return;
        }
    struct bsc_error error;
    enum bsc_status status =
        id ? reads->rollout(reads->self, id, answer_rollout, request, &error) : BSC_NOT_FOUND;
    if (status == BSC_OK)
        return;
    char detail[BSC_API_PARAMETER_BYTES + 32];
    snprintf(detail, sizeof detail, "there is no rollout '%s'", request->parameter);
    bsc_api_answer_error(request, status, status == BSC_NOT_FOUND ? detail : error.text);
}

void bsc_api_get_rollout(struct bsc_api_request *request)
{
    bsc_api_query(request, view_rollout);
}
