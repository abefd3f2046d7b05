/* SPDX-License-Identifier: Apache-2.0
 * load/scenario.h - a load test as a file describes it (docs/load.md).
 */
#ifndef BASCULE_LOAD_SCENARIO_H
#define BASCULE_LOAD_SCENARIO_H

#include "config/config.h"
#include "load/shape.h"
#include "load/template.h"
#include "load/threshold.h"

enum {
    BSC_LOAD_USERS_MAX = 10000,
    BSC_LOAD_REQUESTS_MAX = 64,
    BSC_LOAD_FIELDS_MAX = 64,
    BSC_LOAD_STAGES_MAX = 100,
    BSC_LOAD_THRESHOLDS_MAX = BSC_LOAD_METRICS,
};

struct bsc_load_field {
    const char *name;
    struct bsc_load_template value;
};

struct bsc_load_fields {
    unsigned count;
    struct bsc_load_field *items;
};

struct bsc_load_request {
    const char *name; /* for the report; "GET /items/${random:1-9}" unless given */
    unsigned line;    /* in the file */
    unsigned weight;
    const char *method;
    struct bsc_load_template path;
    struct bsc_load_fields headers;
    struct bsc_load_template body;
    bool has_body, json;
    unsigned expect[2]; /* which statuses are no error, from .. to */
};

/* What the log-in's answer tells and the user's later requests use. */
struct bsc_load_keep {
    const char *name;
    bool json;        /* a field of the answer's JSON, else a header */
    const char *from; /* "data.token", "X-Csrf" */
};

/* How users come: a fixed number of them, who wait for an answer and think (closed), or as many
 * requests a second as are said, however long the answers take (open). */
enum bsc_load_model { BSC_LOAD_CLOSED, BSC_LOAD_OPEN };

struct bsc_load_scenario {
    struct bsc_arena arena;
    const char *url; /* NULL: not in the file */
    enum bsc_load_model model;
    struct bsc_load_shape shape; /* of users (closed) or requests a second (open) */
    unsigned users;              /* most at once */
    int64_t think_ms[2];         /* from .. to */
    int64_t timeout_ms;
    bool tls_verify;
    struct bsc_load_fields headers; /* of every request */
    bool has_login;
    struct bsc_load_request login;
    unsigned keep_count;
    struct bsc_load_keep keeps[BSC_LOAD_KEPT_MAX];
    unsigned request_count;
    struct bsc_load_request *requests;
    unsigned threshold_count;
    struct bsc_load_threshold thresholds[BSC_LOAD_THRESHOLDS_MAX];
};

/* Everything that is wrong is added to `problems`; then NULL. */
struct bsc_load_scenario *bsc_load_scenario_parse(const char *file, const char *text, size_t size,
                                                  struct bsc_config_problems *problems);
struct bsc_load_scenario *bsc_load_scenario_read(const char *file,
                                                 struct bsc_config_problems *problems);
void bsc_load_scenario_destroy(struct bsc_load_scenario *scenario); /* NULL is allowed */

/* What the command line says instead of the file: 0 and NULL leave the file's. Users or a rate take
 * the place of its stages; a duration stretches them. */
struct bsc_load_wish {
    const char *url;
    int64_t duration_ms;
    unsigned users;
    const char *rate; /* "100/s" */
};
enum bsc_status bsc_load_scenario_wish(struct bsc_load_scenario *scenario,
                                       const struct bsc_load_wish *wish,
                                       struct bsc_error *error) BSC_MUST_CHECK;

/* "http://127.0.0.1:8080", "https://shop.example/api", "unix:/run/app.sock" (plain HTTP). */
enum bsc_status bsc_load_url_check(const char *url, struct bsc_error *error) BSC_MUST_CHECK;

#endif
