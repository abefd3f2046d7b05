/* SPDX-License-Identifier: Apache-2.0
 * adapters/mirror_json.c - see mirror_json.h. */
#include "adapters/mirror_json.h"

#include <stdio.h>

static json_t *write_latency(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS])
{
    json_t *list = json_array();
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        if (counts[i])
            json_array_append_new(list, json_pack("[i,I]", (int)i, (json_int_t)counts[i]));
    return list;
}

static json_t *write_finding(const struct bsc_finding_at *finding)
{
    json_t *examples = json_array();
    for (unsigned i = 0; i < finding->example_count; i++) {
        const struct bsc_mirror_example *example = &finding->examples[i];
        json_array_append_new(examples,
                              json_pack("{s:s,s:s,s:s}", "request", example->request, "live",
                                        example->live, "candidate", example->candidate));
    }
    return json_pack("{s:s,s:s,s:I,s:I,s:b,s:o}", "kind", bsc_difference_name(finding->kind),
                     "where", finding->where, "count", (json_int_t)finding->count, "first",
                     (json_int_t)finding->first, "noisy", (int)finding->noisy, "examples",
                     examples);
}

/* By name; what is none is left out. */
static json_t *write_unseen(const struct bsc_mirror_report *report)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        if (report->unseen[i])
            json_object_set_new(object, bsc_unseen_name((enum bsc_unseen)i),
                                json_integer((json_int_t)report->unseen[i]));
    return object;
}

json_t *bsc_mirror_write(const struct bsc_mirror_report *report)
{
    json_t *findings = json_array();
    for (unsigned i = 0; i < report->finding_count; i++)
        json_array_append_new(findings, write_finding(&report->findings[i]));
    return json_pack("{s:I,s:I,s:o,s:I,s:o,s:o,s:o}", "compared", (json_int_t)report->compared,
                     "skipped", (json_int_t)report->skipped, "why", write_unseen(report), "dropped",
                     (json_int_t)report->dropped, "live_us", write_latency(report->live_latency),
                     "candidate_us", write_latency(report->candidate_latency), "findings",
                     findings);
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));
    return number > 0 ? (uint64_t)number : 0;
}

static void read_latency(const json_t *list, uint64_t counts[static BSC_HISTOGRAM_BUCKETS])
{
    size_t i;
    const json_t *pair;
    json_array_foreach(list, i, pair)
    {
        json_int_t bucket = json_integer_value(json_array_get(pair, 0));
        json_int_t count = json_integer_value(json_array_get(pair, 1));
        if (bucket >= 0 && bucket < BSC_HISTOGRAM_BUCKETS && count > 0)
            counts[bucket] += (uint64_t)count;
    }
}

static void read_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

static void read_finding(const json_t *object, struct bsc_mirror_report *out)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *where = json_string_value(json_object_get(object, "where"));
    enum bsc_difference difference;
    size_t i;
    const json_t *item;
    if (!kind || !where || !bsc_difference_parse(kind, &difference))
        return;
    struct bsc_finding_at *finding = bsc_mirror_finding(out, difference, where);
    finding->count += number_of(object, "count");
    finding->first += number_of(object, "first");
    finding->noisy |= json_is_true(json_object_get(object, "noisy"));
    json_array_foreach(json_object_get(object, "examples"), i, item)
    {
        if (finding->example_count == BSC_EXAMPLES_MAX)
            return;
        struct bsc_mirror_example *example = &finding->examples[finding->example_count++];
        read_text(item, "request", example->request, sizeof example->request);
        read_text(item, "live", example->live, sizeof example->live);
        read_text(item, "candidate", example->candidate, sizeof example->candidate);
    }
}

bool bsc_mirror_read(const json_t *object, struct bsc_mirror_report *out)
{
    size_t i;
    const json_t *item;
    *out = (struct bsc_mirror_report){ 0 };
    if (!json_is_integer(json_object_get(object, "compared")))
        return false;
    out->compared = number_of(object, "compared");
    out->skipped = number_of(object, "skipped");
    out->dropped = number_of(object, "dropped");
    for (unsigned why = 0; why < BSC_UNSEEN_COUNT; why++)
        out->unseen[why] =
            number_of(json_object_get(object, "why"), bsc_unseen_name((enum bsc_unseen)why));
    read_latency(json_object_get(object, "live_us"), out->live_latency);
    read_latency(json_object_get(object, "candidate_us"), out->candidate_latency);
    json_array_foreach(json_object_get(object, "findings"), i, item) read_finding(item, out);
    return true;
}
