/* SPDX-License-Identifier: Apache-2.0
 * cli/prometheus.c - see prometheus.h. */
#include "cli/prometheus.h"

#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"

enum { ANSWER_BYTES = 1 << 20, ANSWER_MS = 10000 };

/* [time, "value"] */
static enum bsc_status read_sample(const json_t *sample, double *out, bool *known,
                                   struct bsc_error *error)
{
    const char *text = json_string_value(json_array_get(sample, 1));
    char *end;
    if (!text || !*text)
        return bsc_error_set(error, BSC_FAILED, "the answer has no value");
    *out = strtod(text, &end);
    if (*end)
        return bsc_error_set(error, BSC_FAILED, "'%s' is no value", text);
    *known = !isnan(*out);
    return BSC_OK;
}

static enum bsc_status read_answer(const json_t *root, double *out, bool *known,
                                   struct bsc_error *error)
{
    const json_t *data = json_object_get(root, "data");
    const json_t *result = json_object_get(data, "result");
    const char *type = bsc_json_text(data, "resultType");
    const char *told = bsc_json_text(root, "error");
    if (strcmp(bsc_json_text(root, "status"), "success") != 0)
        return bsc_error_set(error, BSC_FAILED, "%s", *told ? told : "not an answer of Prometheus");
    if (!strcmp(type, "scalar"))
        return read_sample(result, out, known, error);
    if (strcmp(type, "vector") != 0)
        return bsc_error_set(error, BSC_FAILED, "the query gives a %s; one value is needed", type);
    if (json_array_size(result) > 1)
        return bsc_error_set(error, BSC_FAILED,
                             "the query gives %zu series; one is needed, for example by sum()",
                             json_array_size(result));
    if (!json_array_size(result))
        return BSC_OK;
    return read_sample(json_object_get(json_array_get(result, 0), "value"), out, known, error);
}

enum bsc_status bsc_prometheus_parse(const char *answer, size_t size, double *out, bool *known,
                                     struct bsc_error *error)
{
    *known = false;
    json_t *root = json_loadb(answer, size, 0, NULL);
    enum bsc_status status = read_answer(root, out, known, error);
    json_decref(root);
    return status;
}

static size_t on_body(char *data, size_t size, size_t count, void *argument)
{
    struct bsc_text *answer = argument;
    size *= count;
    if (answer->size + size > ANSWER_BYTES)
        return 0;
    bsc_text_add(answer, data, size);
    return size;
}

enum bsc_status bsc_prometheus_ask(const char *url, const char *query, double *out, bool *known,
                                   struct bsc_error *error)
{
    struct bsc_text target = { 0 }, answer = { 0 };
    size_t size = strlen(url);
    bsc_text_add(&target, url, size - (size && url[size - 1] == '/'));
    bsc_text_puts(&target, "/api/v1/query?query=");
    bsc_client_escape(&target, query);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, bsc_text_get(&target));
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not what http_proxy says */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    CURLcode result = curl_easy_perform(easy);
    enum bsc_status status;
    if (result)
        status = bsc_error_set(error, BSC_UNAVAILABLE, "%s", curl_easy_strerror(result));
    else
        status = bsc_prometheus_parse(bsc_text_get(&answer), answer.size, out, known, error);
    curl_easy_cleanup(easy);
    bsc_text_deinit(&target);
    bsc_text_deinit(&answer);
    return status ? bsc_error_wrap(error, "Prometheus at %s", url) : BSC_OK;
}
