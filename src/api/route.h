/* SPDX-License-Identifier: Apache-2.0
 * api/route.h - the table of the API: it dispatches requests, checks their input and describes
 * itself as an OpenAPI document.
 */
#ifndef BASCULE_API_ROUTE_H
#define BASCULE_API_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bsc_api_request;

enum bsc_api_type {
    BSC_API_STRING,  /* `of`: "a|b|c" when only these are accepted */
    BSC_API_INTEGER, /* least .. most */
    BSC_API_BOOLEAN,
    BSC_API_TIME,   /* RFC 3339, UTC */
    BSC_API_OBJECT, /* `of`: name of the schema */
    BSC_API_LIST,   /* `of`: name of the elements' schema; NULL: strings */
};

enum { BSC_API_OPTIONAL = 1, BSC_API_NULLABLE = 2 };

/* A member of an object. Tables of them end with a NULL name. */
struct bsc_api_field {
    const char *name;
    enum bsc_api_type type;
    unsigned flags;
    const char *of;
    const char *summary; /* one sentence without its full stop */
    int64_t least, most; /* INTEGER in requests; both 0: not limited */
};

struct bsc_api_schema {
    const char *name;
    const struct bsc_api_field *fields;
};

struct bsc_api_route {
    const char *method;
    const char *path;                  /* at most one "{service}" or "{id}" */
    const char *name;                  /* OpenAPI's operationId */
    const char *summary;               /* one sentence */
    const struct bsc_api_field *input; /* query of a GET, body of the rest; NULL: none accepted */
    size_t body_bytes;                 /* the longest body accepted */
    int status;                        /* of success */
    const char *answer;                /* schema, "Schema[]" or a media type with a '/' */
    int problems[6];                   /* statuses of errors besides 400, 403, 405, 500 and 503 */
    bool early;                        /* works before the engine is ready */
    void (*handle)(struct bsc_api_request *request);
};

extern const struct bsc_api_route bsc_api_routes[];
extern const size_t bsc_api_route_count;
extern const struct bsc_api_schema bsc_api_schemas[];
extern const size_t bsc_api_schema_count;

enum { BSC_API_METHODS_BYTES = 64 };

/* The route of a request, and what stood for its parameter. NULL: none. Then `methods` names those
 * that the path has ("GET, HEAD"), "" when there is no such path. HEAD finds GET's route. */
const struct bsc_api_route *bsc_api_route_find(const char *method, const char *path,
                                               char *parameter, size_t parameter_size,
                                               char methods[static BSC_API_METHODS_BYTES]);

/* The OpenAPI 3.1 document; the caller owns it. */
json_t *bsc_api_openapi(void);

/* Does `input` (an object) hold exactly what `fields` accept? Else says what is wrong. */
bool bsc_api_input_check(const struct bsc_api_field *fields, const json_t *input, char *wrong,
                         size_t size);
/* One value of a query, as the JSON value that its field asks for; NULL and `wrong` if none. */
json_t *bsc_api_input_parse(const struct bsc_api_field *fields, const char *name, const char *value,
                            char *wrong, size_t size);

/* One handler a resource: see the file of that name. */
void bsc_api_get_version(struct bsc_api_request *request);
void bsc_api_get_openapi(struct bsc_api_request *request);
void bsc_api_get_status(struct bsc_api_request *request);
void bsc_api_get_service(struct bsc_api_request *request);
void bsc_api_get_counters(struct bsc_api_request *request);
void bsc_api_post_deploy(struct bsc_api_request *request);
void bsc_api_post_switch(struct bsc_api_request *request);
void bsc_api_post_rollback(struct bsc_api_request *request);
void bsc_api_post_abort(struct bsc_api_request *request);
void bsc_api_post_check(struct bsc_api_request *request);
void bsc_api_post_cleanup(struct bsc_api_request *request);
void bsc_api_post_retry(struct bsc_api_request *request);
void bsc_api_post_promote(struct bsc_api_request *request);
void bsc_api_post_pause(struct bsc_api_request *request);
void bsc_api_post_resume(struct bsc_api_request *request);
void bsc_api_post_approve(struct bsc_api_request *request);
void bsc_api_post_reject(struct bsc_api_request *request);
void bsc_api_post_lock(struct bsc_api_request *request);
void bsc_api_post_unlock(struct bsc_api_request *request);
void bsc_api_post_convert(struct bsc_api_request *request);
void bsc_api_get_report(struct bsc_api_request *request);
void bsc_api_put_traffic(struct bsc_api_request *request);
void bsc_api_get_plan(struct bsc_api_request *request);
/* release.c */
void bsc_api_get_release(struct bsc_api_request *request);
void bsc_api_get_release_plan(struct bsc_api_request *request);
void bsc_api_post_release_deploy(struct bsc_api_request *request);
void bsc_api_post_release_rollback(struct bsc_api_request *request);
void bsc_api_post_release_abort(struct bsc_api_request *request);
void bsc_api_post_release_promote(struct bsc_api_request *request);
void bsc_api_post_release_pause(struct bsc_api_request *request);
void bsc_api_post_release_resume(struct bsc_api_request *request);
void bsc_api_get_history(struct bsc_api_request *request);
void bsc_api_get_logs(struct bsc_api_request *request);
void bsc_api_get_why(struct bsc_api_request *request);
void bsc_api_get_rollout(struct bsc_api_request *request);
void bsc_api_get_events(struct bsc_api_request *request);
void bsc_api_post_apply(struct bsc_api_request *request);
void bsc_api_post_upgrade(struct bsc_api_request *request);

#endif
