/* SPDX-License-Identifier: Apache-2.0
 * api/commands.c - what can be asked of a service. Each is one event of the engine; its reply is
 * the answer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"
#include "base/clock.h"

/* False: it can not be a version; answered. NULL is good. */
static bool version_is_good(struct bsc_api_request *request, const char *version)
{
    struct bsc_error error;
    if (!version || bsc_version_check(version, &error) == BSC_OK)
        return true;
    bsc_api_answer_error(request, error.status, error.text);
    return false;
}

static void submit(struct bsc_api_request *request, struct bsc_event event,
                   void (*on_reply)(struct bsc_api_request *request, const struct bsc_reply *reply))
{
    bsc_api_command(request, &event, on_reply);
}

void bsc_api_post_deploy(struct bsc_api_request *request)
{
    const char *version = bsc_api_input_string(request, "version");
    struct bsc_deploy_wish wish;
    if (version_is_good(request, version) && bsc_api_input_wish(request, &wish))
        submit(request,
               (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                   .version = version,
                                   .wish = wish,
                                   .supersede = bsc_api_input_boolean(request, "supersede"),
                                   .stage = bsc_api_input_boolean(request, "stage") },
               NULL);
}

void bsc_api_post_switch(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_SWITCH }, NULL);
}

void bsc_api_post_rollback(struct bsc_api_request *request)
{
    const char *version = bsc_api_input_string(request, "version");
    if (version_is_good(request, version))
        submit(request, (struct bsc_event){ .kind = BSC_EVENT_ROLLBACK, .version = version }, NULL);
}

void bsc_api_post_abort(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_ABORT }, NULL);
}

static void answer_check(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    bool healthy = reply->status == BSC_OK;
    if (!healthy && reply->status != BSC_UNHEALTHY) {
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
        return;
    }
    json_t *result = bsc_api_view_check(reply->lines, reply->line_count, healthy,
                                        bsc_clock_boot_ms() - request->began_ms);
    if (healthy) {
        bsc_api_answer_json(request, request->route->status, result);
        return;
    }
    char detail[96];
    snprintf(detail, sizeof detail, "%lld of %u instances passed the health check",
             json_integer_value(json_object_get(result, "passed")), reply->line_count);
    bsc_api_answer_problem(request, MHD_HTTP_CONFLICT, bsc_status_name(reply->status),
                           "The health check failed", detail, result);
}

void bsc_api_post_check(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_CHECK }, answer_check);
}

static void answer_done(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    if (reply->status != BSC_OK)
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
    else
        bsc_api_answer_json(
            request, request->route->status,
            json_pack("{s:o}", "done", bsc_api_words(reply->text ? reply->text : "")));
}

void bsc_api_post_cleanup(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_CLEANUP }, answer_done);
}

void bsc_api_post_retry(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_RETRY }, NULL);
}

void bsc_api_post_promote(struct bsc_api_request *request)
{
    submit(request,
           (struct bsc_event){ .kind = BSC_EVENT_PROMOTE,
                               .to_end = bsc_api_input_boolean(request, "full") },
           answer_done);
}

void bsc_api_post_pause(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_PAUSE }, answer_done);
}

void bsc_api_post_resume(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_RESUME }, answer_done);
}

static void submit_verdict(struct bsc_api_request *request, enum bsc_event_kind kind)
{
    submit(request,
           (struct bsc_event){ .kind = kind, .text = bsc_api_input_string(request, "comment") },
           answer_done);
}

void bsc_api_post_approve(struct bsc_api_request *request)
{
    submit_verdict(request, BSC_EVENT_APPROVE);
}

void bsc_api_post_reject(struct bsc_api_request *request)
{
    submit_verdict(request, BSC_EVENT_REJECT);
}

void bsc_api_post_lock(struct bsc_api_request *request)
{
    submit(request,
           (struct bsc_event){ .kind = BSC_EVENT_LOCK,
                               .text = bsc_api_input_string(request, "reason") },
           answer_done);
}

void bsc_api_post_unlock(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_UNLOCK }, answer_done);
}

/* False: it is none. NULL is 0. */
static bool read_number(const char *text, double *out)
{
    static const double largest = 1e12;
    char *end = NULL;
    *out = text ? strtod(text, &end) : 0;
    return !text || (*text && strspn(text, "+-0123456789.") == strlen(text) && !*end &&
                     fabs(*out) <= largest);
}

void bsc_api_post_convert(struct bsc_api_request *request)
{
    enum { USER_BYTES_MAX = 4096 };
    const char *user = bsc_api_input_string(request, "user");
    const char *goal = bsc_api_input_string(request, "goal");
    const char *value = bsc_api_input_string(request, "value");
    struct bsc_event event = {
        .kind = BSC_EVENT_CONVERT, .text = user, .id = goal, .has_number = value != NULL
    };
    if (!*user || strlen(user) > USER_BYTES_MAX)
        bsc_api_answer_error(request, BSC_INVALID, "'user' is empty, or too long");
    else if (!goal && !value)
        bsc_api_answer_error(request, BSC_INVALID, "there is neither a 'goal' nor a 'value'");
    else if (!read_number(value, &event.number))
        bsc_api_answer_error(request, BSC_INVALID, "'value' is no decimal number such as 12.50");
    else
        submit(request, event, answer_done);
}

static void answer_traffic(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    if (reply->status != BSC_OK)
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
    else
        bsc_api_answer_json(request, request->route->status,
                            json_pack("{s:s}", "traffic", bsc_api_input_string(request, "mode")));
}

void bsc_api_put_traffic(struct bsc_api_request *request)
{
    struct bsc_event event = { .kind = BSC_EVENT_TRAFFIC };
    if (bsc_traffic_parse(bsc_api_input_string(request, "mode"), &event.traffic))
        submit(request, event, answer_traffic);
    else
        bsc_api_answer_malformed(request, "body: 'mode' is none of the modes");
}
