/* SPDX-License-Identifier: Apache-2.0
 * adapters/query_read.c - see query_read.h. */
#include "adapters/query_read.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing(struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES],
                    const char *format, ...) BSC_PRINTF(3, 4);

static void nothing(struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES],
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(room, BSC_QUERY_ROOM_BYTES, format, arguments);
    va_end(arguments);
    *out = (struct bsc_answer_read){ .kind = BSC_ANSWER_NONE, .text = room };
}

/* Prometheus writes numbers as texts: "0.12", "1e-05", "NaN", "+Inf". */
static bool number_of(const char *text, double *out)
{
    char *end;
    while (*text == ' ' || *text == '\t')
        text++;
    if (!*text)
        return false;
    *out = strtod(text, &end);
    end += strspn(end, " \t\r\n");
    return !*end;
}

static void take_number(double number, struct bsc_answer_read *out,
                        char room[static BSC_QUERY_ROOM_BYTES])
{
    if (isnan(number))
        nothing(out, room, "no data: the answer is NaN");
    else if (isinf(number))
        nothing(out, room, "no data: the answer is infinite");
    else
        *out = (struct bsc_answer_read){ .kind = BSC_ANSWER_NUMBER, .number = number };
}

/* [time, "number"] */
static void take_sample(const json_t *sample, struct bsc_answer_read *out,
                        char room[static BSC_QUERY_ROOM_BYTES])
{
    const char *text = json_string_value(json_array_get(sample, 1));
    double number;
    if (!text || !number_of(text, &number))
        nothing(out, room, "Prometheus answered with no number");
    else
        take_number(number, out, room);
}

static void take_data(const json_t *data, struct bsc_answer_read *out,
                      char room[static BSC_QUERY_ROOM_BYTES])
{
    const char *type = json_string_value(json_object_get(data, "resultType"));
    const json_t *result = json_object_get(data, "result");
    size_t count = json_array_size(result);
    if (type && !strcmp(type, "scalar"))
        take_sample(result, out, room);
    else if (!type || strcmp(type, "vector") != 0)
        nothing(out, room, "Prometheus answered with a %.40s, not with one number",
                type ? type : "thing of no type");
    else if (count == 0)
        nothing(out, room, "no data: no series matches the query");
    else if (count > 1)
        nothing(out, room, "%zu series match the query; it must make one number of them", count);
    else
        take_sample(json_object_get(json_array_get(result, 0), "value"), out, room);
}

void bsc_query_read_prometheus(unsigned status, const char *body, size_t size,
                               struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES])
{
    json_t *answer = json_loadb(body, size, 0, NULL);
    const char *verdict = json_string_value(json_object_get(answer, "status"));
    const char *why = json_string_value(json_object_get(answer, "error"));
    if (verdict && !strcmp(verdict, "success"))
        take_data(json_object_get(answer, "data"), out, room);
    else if (why)
        nothing(out, room, "Prometheus refused the query: %.160s", why);
    else
        nothing(out, room, "Prometheus answered %u and nothing that can be read", status);
    json_decref(answer);
}

/* "data.0.ratio" */
static const json_t *find(const json_t *at, const char *field)
{
    while (at && *field) {
        char part[128];
        size_t size = strcspn(field, ".");
        if (size >= sizeof part)
            return NULL;
        memcpy(part, field, size);
        part[size] = '\0';
        bool index = json_is_array(at) && size && strspn(part, "0123456789") == size;
        at = index ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
        field += size + (field[size] == '.');
    }
    return at;
}

void bsc_query_read_http(const struct bsc_query_spec *spec, unsigned status, const char *body,
                         size_t size, struct bsc_answer_read *out,
                         char room[static BSC_QUERY_ROOM_BYTES])
{
    bool wanted = bsc_statuses_have(&spec->statuses, status);
    if (!spec->field) {
        snprintf(room, BSC_QUERY_ROOM_BYTES, "answered %u", status);
        *out = (struct bsc_answer_read){ BSC_ANSWER_VERDICT, 0, wanted, room };
        return;
    }
    if (!wanted) {
        nothing(out, room, "answered %u", status);
        return;
    }
    json_t *answer = json_loadb(body, size, JSON_DECODE_ANY, NULL);
    const json_t *found = find(answer, spec->field);
    double number;
    if (!answer)
        nothing(out, room, "the answer is no JSON");
    else if (!found)
        nothing(out, room, "no data: the answer has no field %.100s", spec->field);
    else if (json_is_number(found))
        take_number(json_number_value(found), out, room);
    else if (json_is_string(found) && number_of(json_string_value(found), &number))
        take_number(number, out, room);
    else
        nothing(out, room, "no data: the field %.100s is no number", spec->field);
    json_decref(answer);
}

void bsc_query_read_command(const struct bsc_query_spec *spec, bool succeeded, const char *detail,
                            struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES])
{
    const char *colon = strstr(detail, ": ");
    double number;
    if (!spec->accept.text && (succeeded || !strncmp(detail, "exited", 6))) {
        snprintf(room, BSC_QUERY_ROOM_BYTES, "%.200s", detail);
        *out = (struct bsc_answer_read){ BSC_ANSWER_VERDICT, 0, succeeded, room };
    } else if (!succeeded) {
        nothing(out, room, "the command %.200s", detail);
    } else if (!colon) {
        nothing(out, room, "no data: the command wrote nothing");
    } else if (!number_of(colon + 2, &number)) {
        nothing(out, room, "no data: the command wrote no number but %.100s", colon + 2);
    } else {
        take_number(number, out, room);
    }
}
