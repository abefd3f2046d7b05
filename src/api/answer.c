/* SPDX-License-Identifier: Apache-2.0
 * api/answer.c - answers: JSON, text, and problem details (RFC 9457). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"

static const struct {
    int status;
    const char *title;
} problems[BSC_STATUS_COUNT] = {
    [BSC_OK] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "Nothing went wrong" },
    [BSC_FAILED] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "Something went wrong" },
    [BSC_INVALID] = { MHD_HTTP_UNPROCESSABLE_CONTENT, "What was given is not valid" },
    [BSC_NOT_FOUND] = { MHD_HTTP_NOT_FOUND, "There is no such thing" },
    [BSC_BUSY] = { MHD_HTTP_CONFLICT, "Another operation is at work there" },
    [BSC_STATE] = { MHD_HTTP_CONFLICT, "Not possible in this state" },
    [BSC_DENIED] = { MHD_HTTP_FORBIDDEN, "Not allowed" },
    [BSC_EXISTS] = { MHD_HTTP_CONFLICT, "It is there already" },
    [BSC_NO_MEMORY] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory" },
    [BSC_NO_SPACE] = { MHD_HTTP_SERVICE_UNAVAILABLE, "The disk is full" },
    [BSC_TIMEOUT] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "It took too long" },
    [BSC_UNAVAILABLE] = { MHD_HTTP_SERVICE_UNAVAILABLE, "Not available now" },
    [BSC_CORRUPT] = { MHD_HTTP_SERVICE_UNAVAILABLE, "The database is damaged" },
    [BSC_NEWER] = { MHD_HTTP_SERVICE_UNAVAILABLE, "The database is of a newer version" },
    [BSC_UNHEALTHY] = { MHD_HTTP_CONFLICT, "The health check failed" },
    [BSC_NO_ROLLBACK] = { MHD_HTTP_CONFLICT, "There is nothing to go back to" },
    [BSC_NO_SWITCH] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "The switch failed" },
    [BSC_LOCKED] = { MHD_HTTP_CONFLICT, "The service is locked" },
};

void bsc_api_answer_response(struct bsc_api_request *request, int status,
                             struct MHD_Response *take_response)
{
    request->response = take_response;
    request->status = status;
    request->token = 0;
    MHD_add_response_header(take_response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(take_response, "Retry-After", "1");
    if (request->suspended) {
        request->suspended = false;
        bsc_api_resume(request->api, request->connection);
    }
}

static void answer_bytes(struct bsc_api_request *request, int status, const char *type,
                         char *take_bytes, size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, take_bytes, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", type);
    bsc_api_answer_response(request, status, response);
}

static void answer_as(struct bsc_api_request *request, int status, const char *type,
                      json_t *take_json)
{
    char *text = json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    answer_bytes(request, status, type, text, strlen(text));
}

void bsc_api_answer_json(struct bsc_api_request *request, int status, json_t *take_json)
{
    answer_as(request, status, "application/json", take_json);
}

void bsc_api_answer_text(struct bsc_api_request *request, const char *type, const char *bytes,
                         size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", type);
    bsc_api_answer_response(request, MHD_HTTP_OK, response);
}

void bsc_api_answer_problem(struct bsc_api_request *request, int status, const char *type,
                            const char *title, const char *detail, json_t *take_extra)
{
    char urn[64];
    snprintf(urn, sizeof urn, "urn:bascule:%s", type);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:o}", "type", urn, "title", title, "status",
                                status, "detail", bsc_api_words(detail));
    json_object_update(problem, take_extra);
    json_decref(take_extra);
    answer_as(request, status, "application/problem+json", problem);
}

void bsc_api_answer_error(struct bsc_api_request *request, enum bsc_status status,
                          const char *detail)
{
    bsc_api_answer_problem(request, problems[status].status, bsc_status_name(status),
                           problems[status].title, detail, NULL);
}

void bsc_api_answer_malformed(struct bsc_api_request *request, const char *format, ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    bsc_api_answer_problem(request, MHD_HTTP_BAD_REQUEST, "malformed",
                           "The request is not understood", detail, NULL);
}

void bsc_api_answer_no_service(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    struct bsc_text detail = { 0 };
    bsc_text_puts(&detail, "there is no service '");
    bsc_text_add_escaped(&detail, request->parameter, strlen(request->parameter));
    const struct bsc_service *service = bsc_engine_services(engine);
    bsc_text_puts(&detail, service ? "'; there is " : "'; none is configured");
    for (unsigned i = 0; service && i < 20; service = service->next, i++)
        bsc_text_printf(&detail, "%s%s", i ? ", " : "", service->name);
    bsc_text_puts(&detail, service ? ", ..." : "");
    bsc_api_answer_error(request, BSC_NOT_FOUND, bsc_text_get(&detail));
    bsc_text_deinit(&detail);
}
