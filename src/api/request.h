/* SPDX-License-Identifier: Apache-2.0
 * api/request.h - one request on its way through the API: what handlers read and how they answer.
 *
 * A handler answers at once or begins something (a query, a command, an upgrade) that answers
 * later; in between libmicrohttpd's connection is suspended. A request lives until its answer was
 * sent, also when the client has left, so whoever answers never finds it gone.
 */
#ifndef BASCULE_API_REQUEST_H
#define BASCULE_API_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>

#include "api/api.h"
#include "api/route.h"
#include "base/list.h"
#include "base/text.h"
#include "config/config.h"
#include "engine/service.h"

enum { BSC_API_PARAMETER_BYTES = 192 };

struct bsc_api_connection;

struct bsc_api_request {
    struct bsc_list node; /* of bsc_api.requests */
    struct bsc_api *api;
    struct MHD_Connection *connection;
    struct bsc_api_connection *from;
    const struct bsc_api_route *route;
    char parameter[BSC_API_PARAMETER_BYTES]; /* what stood for {service} or {id} */
    json_t *input; /* checked against route->input: the query of a GET, the body of the rest */
    struct bsc_text upload; /* the body as it comes */
    size_t upload_bytes;    /* also those that are thrown away */

    bool suspended;
    struct MHD_Response *response; /* NULL: not answered yet */
    int status;

    /* What a command or query under way points to. */
    bsc_token token;
    void (*view)(struct bsc_api_request *request, const struct bsc_engine *engine);
    void (*on_reply)(struct bsc_api_request *request, const struct bsc_reply *reply);
    struct bsc_config *config;
    int64_t began_ms; /* boot clock */
};

/* Answers; exactly one of these, once. The JSON is taken. */
void bsc_api_answer_json(struct bsc_api_request *request, int status, json_t *take_json);
void bsc_api_answer_text(struct bsc_api_request *request, const char *type, const char *bytes,
                         size_t size);
void bsc_api_answer_response(struct bsc_api_request *request, int status,
                             struct MHD_Response *take_response);
/* RFC 9457; `extra` (taken, may be NULL) adds members. */
void bsc_api_answer_problem(struct bsc_api_request *request, int status, const char *type,
                            const char *title, const char *detail, json_t *take_extra);
void bsc_api_answer_error(struct bsc_api_request *request, enum bsc_status status,
                          const char *detail);
void bsc_api_answer_malformed(struct bsc_api_request *request, const char *format, ...)
    BSC_PRINTF(2, 3);
/* 404 that names what there is. */
void bsc_api_answer_no_service(struct bsc_api_request *request, const struct bsc_engine *engine);

/* Runs `view` inside the engine's BSC_EVENT_QUERY; it must answer. */
void bsc_api_query(struct bsc_api_request *request,
                   void (*view)(struct bsc_api_request *request, const struct bsc_engine *engine));
/* Submits a command. `event` gets its token, actor and service. `on_reply` must answer; NULL:
 * errors as problems, success as 202 with the rollout's id. */
void bsc_api_command(struct bsc_api_request *request, struct bsc_event *event,
                     void (*on_reply)(struct bsc_api_request *request,
                                      const struct bsc_reply *reply));

/* Members of the checked input; NULL, `otherwise` when they are not there. */
const char *bsc_api_input_string(const struct bsc_api_request *request, const char *name);
int64_t bsc_api_input_integer(const struct bsc_api_request *request, const char *name,
                              int64_t otherwise);
bool bsc_api_input_boolean(const struct bsc_api_request *request, const char *name);
/* plan.c: what the command would do with this service, `together` with others; NULL: it can't. */
json_t *bsc_api_view_plan(const struct bsc_api_request *request, const struct bsc_engine *engine,
                          const struct bsc_service *service, const struct bsc_deploy_wish *wish,
                          bool together, struct bsc_error *error);
/* What a deployment wishes otherwise than the file; false: it makes no sense, which is answered. */
bool bsc_api_input_wish(struct bsc_api_request *request, struct bsc_deploy_wish *out);

/* Reads and checks the query or the body; false when the request was answered with a problem. */
bool bsc_api_read_query(struct bsc_api_request *request);
bool bsc_api_read_body(struct bsc_api_request *request);

#endif
