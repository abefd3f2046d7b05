/* SPDX-License-Identifier: Apache-2.0
 * Any request line and body find a route and good input, or are refused with a message that no
 * terminal is steered by. Input: "METHOD PATH\n" and a body, or "NAME=VALUE" of a query. */
#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "base/arena.h"
#include "must.h"

static void check_message(const char *wrong)
{
    for (; *wrong; wrong++)
        MUST((unsigned char)*wrong >= ' ' && *wrong != 0x7f);
}

static void read_body(const struct bsc_api_route *route, const char *text, size_t size)
{
    char wrong[256] = "";
    json_t *body = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (body && json_is_object(body))
        MUST(bsc_api_input_check(route->input, body, wrong, sizeof wrong) == !*wrong);
    check_message(wrong);
    json_decref(body);
}

static void read_query(const struct bsc_api_route *route, char *text)
{
    char wrong[256] = "";
    char *equals = strchr(text, '=');
    if (equals)
        *equals = '\0';
    json_t *value =
        bsc_api_input_parse(route->input, text, equals ? equals + 1 : "", wrong, sizeof wrong);
    MUST(!value == (*wrong != '\0'));
    check_message(wrong);
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char parameter[192], methods[BSC_API_METHODS_BYTES];
    char *text = bsc_alloc(size + 1);
    memcpy(text, data, size);
    char *body = memchr(text, '\n', size);
    char *path = memchr(text, ' ', size);
    if (body && path && path < body) {
        *body++ = *path++ = '\0';
        const struct bsc_api_route *route =
            bsc_api_route_find(text, path, parameter, sizeof parameter, methods);
        if (route && strcmp(route->method, "GET") != 0)
            read_body(route, body, size - (size_t)(body - text));
        else if (route)
            read_query(route, body);
    }
    free(text);
    return 0;
}
