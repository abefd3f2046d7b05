/* SPDX-License-Identifier: Apache-2.0
 * api/routes.c - the one table of requests (docs/api.md), and how a request finds its row. */
#include <stdio.h>
#include <string.h>

#include "api/route.h"

enum { SMALL_BODY_BYTES = 64 * 1024, APPLY_BODY_BYTES = 4 * 1024 * 1024 };

#define SERVICE "/v1/services/{service}"
#define RELEASE "/v1/releases/{release}"

/* No member is accepted, but an empty object is. */
static const struct bsc_api_field nothing[] = { { 0 } };

/* How one deployment differs from what the file says. */
#define WISH_FIELDS                                                                               \
    { "strategy", BSC_API_STRING, BSC_API_OPTIONAL,                                               \
      .of = "blue-green|canary|rolling|recreate|shadow|ab", .summary = "instead of the file's" }, \
        { "steps", BSC_API_STRING, BSC_API_OPTIONAL,                                              \
          .summary = "of a canary, instead of the file's: \"5,25,50\"" },                         \
        { "match", BSC_API_STRING, BSC_API_OPTIONAL,                                              \
          .summary = "of a canary, whose requests get it first, instead of the file's: "          \
                     "\"header:X-Beta=yes; address:10.0.0.0/8\"" },                               \
    {                                                                                             \
        "bake", BSC_API_STRING, BSC_API_OPTIONAL,                                                 \
            .summary = "how long each change is watched, instead of the file's: \"30s\""          \
    }

static const struct bsc_api_field deploy[] = {
    { "version", BSC_API_STRING, .summary = "the version to deploy" },
    { "stage", BSC_API_BOOLEAN, BSC_API_OPTIONAL, .summary = "stop before the switch" },
    { "supersede", BSC_API_BOOLEAN, BSC_API_OPTIONAL,
      .summary = "take back the rollout that is under way, then begin" },
    WISH_FIELDS,
    { 0 },
};

static const struct bsc_api_field deploy_together[] = {
    { "version", BSC_API_STRING, .summary = "the version of all of them" },
    { "supersede", BSC_API_BOOLEAN, BSC_API_OPTIONAL,
      .summary = "take back what is under way, then begin" },
    WISH_FIELDS,
    { 0 },
};

static const struct bsc_api_field rollback[] = {
    { "version", BSC_API_STRING, BSC_API_OPTIONAL | BSC_API_NULLABLE,
      .summary = "where to go back to; else what was live before" },
    { 0 },
};

static const struct bsc_api_field traffic[] = {
    { "mode", BSC_API_STRING, .of = "serve|hold|maintenance|stop",
      .summary = "what the proxy shall do with requests" },
    { 0 },
};

static const struct bsc_api_field promote[] = {
    { "full", BSC_API_BOOLEAN, BSC_API_OPTIONAL, .summary = "watch nothing more at all" },
    { 0 },
};

static const struct bsc_api_field lock[] = {
    { "reason", BSC_API_STRING, .summary = "why nothing new shall be released" },
    { 0 },
};

static const struct bsc_api_field verdict[] = {
    { "comment", BSC_API_STRING, BSC_API_OPTIONAL | BSC_API_NULLABLE,
      .summary = "what is recorded with it" },
    { 0 },
};

static const struct bsc_api_field convert[] = {
    { "user", BSC_API_STRING, .summary = "who: the value of affinity's cookie or header" },
    { "goal", BSC_API_STRING, BSC_API_OPTIONAL, .summary = "which goal the user has reached" },
    { "value", BSC_API_STRING, BSC_API_OPTIONAL,
      .summary = "a decimal number that is added for the user, \"12.50\"" },
    { 0 },
};

static const struct bsc_api_field plan[] = {
    { "version", BSC_API_STRING, BSC_API_OPTIONAL, .summary = "as in the command" },
    { "kind", BSC_API_STRING, BSC_API_OPTIONAL, .of = "deploy|stage|switch|rollback",
      .summary = "of which command; else deploy" },
    WISH_FIELDS,
    { 0 },
};

static const struct bsc_api_field plan_together[] = {
    { "version", BSC_API_STRING, .summary = "the version of all of them" },
    WISH_FIELDS,
    { 0 },
};

static const struct bsc_api_field history[] = {
    { "limit", BSC_API_INTEGER, BSC_API_OPTIONAL, .least = 1, .most = 1000,
      .summary = "only the newest; else 1,000" },
    { "before", BSC_API_STRING, BSC_API_OPTIONAL,
      .summary = "only what is older than this record, \"d12\"" },
    { 0 },
};

static const struct bsc_api_field logs[] = {
    { "slot", BSC_API_STRING, BSC_API_OPTIONAL, .of = "blue|green",
      .summary = "only this environment's instances" },
    { "instance", BSC_API_STRING, BSC_API_OPTIONAL, .summary = "only this instance" },
    { "lines", BSC_API_INTEGER, BSC_API_OPTIONAL, .least = 0, .most = 10000,
      .summary = "the last lines of each instance; else 100" },
    { "follow", BSC_API_BOOLEAN, BSC_API_OPTIONAL, .summary = "keep the answer open" },
    { 0 },
};

static const struct bsc_api_field events[] = {
    { "after", BSC_API_INTEGER, BSC_API_OPTIONAL, .least = 0, .most = INT64_MAX,
      .summary = "only what came after this sequence; else the newest" },
    { "limit", BSC_API_INTEGER, BSC_API_OPTIONAL, .least = 1, .most = 1000,
      .summary = "at most so many; else 100" },
    { "service", BSC_API_STRING, BSC_API_OPTIONAL, .summary = "only of this service" },
    { 0 },
};

static const struct bsc_api_field apply[] = {
    { "file", BSC_API_STRING, BSC_API_OPTIONAL,
      .summary = "absolute path that problems name and relative paths start from" },
    { "text", BSC_API_STRING, BSC_API_OPTIONAL,
      .summary = "the configuration; else the daemon's own file is read" },
    { 0 },
};

#define POST(path, name, summary, input, status, answer, handle, ...)                          \
    {                                                                                          \
        "POST", path, name, summary, input, SMALL_BODY_BYTES, status, answer, { __VA_ARGS__ }, \
            false, handle                                                                      \
    }
#define GET(path, name, summary, input, answer, early, handle, ...)                       \
    {                                                                                     \
        "GET", path, name, summary, input, 0, 200, answer, { __VA_ARGS__ }, early, handle \
    }

const struct bsc_api_route bsc_api_routes[] = {
    GET("/v1/version", "getVersion", "The daemon's version", NULL, "Version", true,
        bsc_api_get_version, 0),
    GET("/v1/status", "getStatus", "Every service as it is", NULL, "Status", false,
        bsc_api_get_status, 0),
    GET(SERVICE, "getService", "One service as it is", NULL, "Service", false, bsc_api_get_service,
        404),
    POST(SERVICE "/deploy", "deploy", "Start, check and switch to a version", deploy, 202,
         "Started", bsc_api_post_deploy, 404, 409, 413, 415, 422),
    POST(SERVICE "/switch", "switch", "Switch to the version that was staged", nothing, 202,
         "Started", bsc_api_post_switch, 404, 409, 413, 415),
    POST(SERVICE "/rollback", "rollback", "Go back to an earlier version", rollback, 202, "Started",
         bsc_api_post_rollback, 404, 409, 413, 415, 422),
    POST(SERVICE "/abort", "abort", "Undo the rollout at work", nothing, 202, "Started",
         bsc_api_post_abort, 404, 409, 413, 415),
    POST(SERVICE "/retry", "retry", "Release again what failed or was taken back", nothing, 202,
         "Started", bsc_api_post_retry, 404, 409, 413, 415),
    POST(SERVICE "/promote", "promote", "End the watching and go on with the next step", promote,
         200, "Done", bsc_api_post_promote, 404, 409, 413, 415),
    POST(SERVICE "/pause", "pause", "Hold before the next step; a bake's clock stands still",
         nothing, 200, "Done", bsc_api_post_pause, 404, 409, 413, 415),
    POST(SERVICE "/resume", "resume", "Go on with what was paused", nothing, 200, "Done",
         bsc_api_post_resume, 404, 409, 413, 415),
    POST(SERVICE "/approve", "approve", "Let a rollout go on that waits for an approval", verdict,
         200, "Done", bsc_api_post_approve, 404, 409, 413, 415),
    POST(SERVICE "/reject", "reject", "Take a rollout back that waits for an approval", verdict,
         200, "Done", bsc_api_post_reject, 404, 409, 413, 415),
    POST(SERVICE "/check", "check", "Check the health of what was staged", nothing, 200,
         "CheckResult", bsc_api_post_check, 404, 409, 413, 415),
    POST(SERVICE "/cleanup", "cleanup", "Stop and empty the environment that is not live", nothing,
         200, "Done", bsc_api_post_cleanup, 404, 409, 413, 415),
    POST(SERVICE "/lock", "lock", "Refuse whatever is new, until unlock", lock, 200, "Done",
         bsc_api_post_lock, 404, 409, 413, 415, 422),
    POST(SERVICE "/unlock", "unlock", "Allow releases again", nothing, 200, "Done",
         bsc_api_post_unlock, 404, 409, 413, 415),
    POST(SERVICE "/convert", "convert", "Count what a user of an A/B test did", convert, 200,
         "Done", bsc_api_post_convert, 404, 409, 413, 415, 422),
    { "PUT",
      SERVICE "/traffic",
      "putTraffic",
      "Serve, hold, answer with a maintenance page, or stop",
      traffic,
      SMALL_BODY_BYTES,
      200,
      "Traffic",
      { 404, 409, 413, 415 },
      false,
      bsc_api_put_traffic },
    GET(SERVICE "/plan", "getPlan", "What a command would do", plan, "Plan", false,
        bsc_api_get_plan, 404, 409, 422),
    GET(SERVICE "/history", "getHistory", "The deployments, oldest first", history, "Record[]",
        false, bsc_api_get_history, 404),
    GET(SERVICE "/logs", "getLogs", "Output of the instances, \"INSTANCE | text\" a line", logs,
        "text/plain", false, bsc_api_get_logs, 404, 409),
    GET(SERVICE "/report", "getReport", "What the newest rollout has found out", NULL, "Report",
        false, bsc_api_get_report, 404),
    GET(SERVICE "/why", "getWhy", "What is so and why, in plain words", NULL, "Why", false,
        bsc_api_get_why, 404),
    GET(SERVICE "/counters", "getCounters", "What its clients met since the controller began", NULL,
        "Counters", false, bsc_api_get_counters, 404),
    GET(RELEASE, "getRelease", "Services that are released together, in the order of their start",
        NULL, "Release", false, bsc_api_get_release, 404),
    GET(RELEASE "/plan", "getPlans",
        "What a deployment of all of them would do, in the order of their start", plan_together,
        "Plan[]", false, bsc_api_get_release_plan, 404, 409, 422),
    POST(RELEASE "/deploy", "deployTogether", "Release a version of all of them, or of none",
         deploy_together, 202, "StartedTogether", bsc_api_post_release_deploy, 404, 409, 413, 415,
         422),
    POST(RELEASE "/rollback", "rollbackTogether", "Go back with all of them", rollback, 202,
         "StartedTogether", bsc_api_post_release_rollback, 404, 409, 413, 415, 422),
    POST(RELEASE "/abort", "abortTogether", "Take all of them back", nothing, 202,
         "StartedTogether", bsc_api_post_release_abort, 404, 409, 413, 415),
    POST(RELEASE "/promote", "promoteTogether", "End the watching of all of them", promote, 202,
         "StartedTogether", bsc_api_post_release_promote, 404, 409, 413, 415),
    POST(RELEASE "/pause", "pauseTogether", "Hold all of them before their next step", nothing, 202,
         "StartedTogether", bsc_api_post_release_pause, 404, 409, 413, 415),
    POST(RELEASE "/resume", "resumeTogether", "Go on with all of them", nothing, 202,
         "StartedTogether", bsc_api_post_release_resume, 404, 409, 413, 415),
    GET("/v1/rollouts/{id}", "getRollout", "One rollout", NULL, "Rollout", false,
        bsc_api_get_rollout, 404),
    GET("/v1/events", "getEvents",
        "Events, oldest first; live with Accept: text/event-stream, where also "
        "\"event: changed\" names services whose status changed",
        events, "Event[]", false, bsc_api_get_events, 404),
    { "POST",
      "/v1/apply",
      "apply",
      "Put a configuration in force",
      apply,
      APPLY_BODY_BYTES,
      200,
      "Applied",
      { 409, 413, 415, 422 },
      false,
      bsc_api_post_apply },
    POST("/v1/upgrade", "upgrade", "Replace the proxy by a fresh one", nothing, 200, "Upgraded",
         bsc_api_post_upgrade, 409, 413, 415),
    GET("/v1/openapi.json", "getOpenapi", "This description", NULL, "application/json", true,
        bsc_api_get_openapi, 0),
};
const size_t bsc_api_route_count = sizeof bsc_api_routes / sizeof *bsc_api_routes;

/* Does `path` fit `pattern`? Copies what stood for the "{...}" in it. */
static bool fits(const char *pattern, const char *path, char *parameter, size_t size)
{
    const char *open = strchr(pattern, '{');
    if (!open)
        return !strcmp(pattern, path);
    size_t before = (size_t)(open - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    const char *value = path + before;
    size_t length = strcspn(value, "/");
    if (!length || length >= size || strcmp(strchr(open, '}') + 1, value + length) != 0)
        return false;
    memcpy(parameter, value, length);
    parameter[length] = '\0';
    return true;
}

const struct bsc_api_route *bsc_api_route_find(const char *method, const char *path,
                                               char *parameter, size_t parameter_size,
                                               char methods[static BSC_API_METHODS_BYTES])
{
    if (!strcmp(method, "HEAD"))
        method = "GET";
    size_t used = 0;
    methods[0] = '\0';
    parameter[0] = '\0';
    for (size_t i = 0; i < bsc_api_route_count; i++) {
        const struct bsc_api_route *route = &bsc_api_routes[i];
        if (!fits(route->path, path, parameter, parameter_size))
            continue;
        if (!strcmp(route->method, method))
            return route;
        used += (size_t)snprintf(methods + used, BSC_API_METHODS_BYTES - used, "%s%s%s",
                                 used ? ", " : "", route->method,
                                 strcmp(route->method, "GET") ? "" : ", HEAD");
    }
    return NULL;
}
