/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_findings.c - see mirror_findings.h. */
#include "proxy/mirror_findings.h"

#include <stdio.h>
#include <string.h>

/* Of one place, in all: more than are kept, because those of two tellings may be the same. */
enum { EXAMPLES_TOLD = 3 * BSC_EXAMPLES_MAX };

static struct bsc_mirror_place *find(const struct bsc_mirrored *mirrored, enum bsc_difference kind,
                                     const char *where)
{
    for (unsigned i = 0; i < mirrored->place_count; i++)
        if (mirrored->places[i].kind == kind && !strcmp(mirrored->places[i].where, where))
            return (struct bsc_mirror_place *)(uintptr_t)&mirrored->places[i];
    return NULL;
}

/* NULL: there is no room for another one. */
static struct bsc_mirror_place *place_of(struct bsc_mirrored *mirrored, enum bsc_difference kind,
                                         const char *where)
{
    struct bsc_mirror_place *place = find(mirrored, kind, where);
    if (place || mirrored->place_count == BSC_MIRROR_PLACES)
        return place;
    place = &mirrored->places[mirrored->place_count++];
    *place = (struct bsc_mirror_place){ .kind = kind };
    snprintf(place->where, sizeof place->where, "%s", where);
    return place;
}

static bool has(const struct bsc_differences *differences, enum bsc_difference kind,
                const char *where)
{
    for (unsigned i = 0; differences && i < differences->count; i++)
        if (differences->items[i].kind == kind && !strcmp(differences->items[i].where, where))
            return true;
    return false;
}

bool bsc_mirrored_doubts(const struct bsc_mirrored *mirrored,
                         const struct bsc_differences *differences)
{
    for (unsigned i = 0; i < differences->count; i++) {
        const struct bsc_difference_at *at = &differences->items[i];
        const struct bsc_mirror_place *place = find(mirrored, at->kind, at->where);
        if (place ? !place->noisy && place->steady < BSC_MIRROR_ASKED
                  : mirrored->place_count < BSC_MIRROR_PLACES)
            return true;
    }
    return false;
}

static void learn(struct bsc_mirrored *mirrored, const struct bsc_differences *itself)
{
    for (unsigned i = 0; i < itself->count; i++) {
        const struct bsc_difference_at *at = &itself->items[i];
        struct bsc_mirror_place *place = place_of(mirrored, at->kind, at->where);
        if (!place || place->noisy)
            continue;
        place->noisy = true;
        struct bsc_finding_at *finding = bsc_mirror_finding(&mirrored->news, at->kind, at->where);
        finding->noisy |= bsc_finding_is(finding, at->where);
    }
}

static void add_finding(struct bsc_mirrored *mirrored, const struct bsc_difference_at *at,
                        struct bsc_mirror_place *place, bool first, const char *request)
{
    struct bsc_finding_at *finding = bsc_mirror_finding(&mirrored->news, at->kind, at->where);
    finding->count++;
    finding->first += first;
    if (!place || place->examples == EXAMPLES_TOLD)
        return;
    struct bsc_mirror_example example;
    bsc_mirror_show(request, strlen(request), example.request, sizeof example.request);
    memcpy(example.live, at->live, sizeof example.live);
    memcpy(example.candidate, at->candidate, sizeof example.candidate);
    place->examples += bsc_mirror_add_example(finding, &example);
}

void bsc_mirrored_count(struct bsc_mirrored *mirrored, const struct bsc_differences *differences,
                        const struct bsc_differences *itself, const char *request)
{
    bool first = true;
    mirrored->fresh = true;
    /* Of a live version that fails now and then, nothing is learnt and nothing follows. */
    if (has(itself, BSC_DIFFERS_STATUS, "")) {
        bsc_mirror_skip(&mirrored->news, BSC_UNSEEN_UNSURE, 1);
        return;
    }
    if (differences->opaque && !differences->count) {
        bsc_mirror_skip(&mirrored->news, BSC_UNSEEN_CODED, 1);
        return;
    }
    mirrored->news.compared++;
    if (itself)
        learn(mirrored, itself);
    for (unsigned i = 0; i < differences->count; i++) {
        const struct bsc_difference_at *at = &differences->items[i];
        struct bsc_mirror_place *place = place_of(mirrored, at->kind, at->where);
        if (place && place->noisy)
            continue;
        if (place && itself)
            place->steady++;
        add_finding(mirrored, at, place, first, request);
        first = false;
    }
}

void bsc_mirrored_unanswered(struct bsc_mirrored *mirrored, const char *reason, const char *request)
{
    struct bsc_difference_at at = { .kind = BSC_DIFFERS_ANSWER, .live = "an answer" };
    snprintf(at.where, sizeof at.where, "%s", reason);
    snprintf(at.candidate, sizeof at.candidate, "%s", reason);
    mirrored->fresh = true;
    mirrored->news.compared++;
    add_finding(mirrored, &at, place_of(mirrored, at.kind, at.where), true, request);
}

static json_t *latency_of(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS])
{
    json_t *list = json_array();
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        if (counts[i])
            json_array_append_new(list, json_pack("[i,I]", (int)i, (json_int_t)counts[i]));
    return list;
}

static json_t *finding_of(const struct bsc_finding_at *finding)
{
    json_t *examples = json_array();
    for (unsigned i = 0; i < finding->example_count; i++)
        json_array_append_new(examples,
                              json_pack("{s:s,s:s,s:s}", "request", finding->examples[i].request,
                                        "live", finding->examples[i].live, "candidate",
                                        finding->examples[i].candidate));
    return json_pack("{s:s,s:s,s:I,s:I,s:b,s:o}", "kind", bsc_difference_name(finding->kind),
                     "where", finding->where, "count", (json_int_t)finding->count, "first",
                     (json_int_t)finding->first, "noisy", (int)finding->noisy, "examples",
                     examples);
}

static json_t *unseen_of(const struct bsc_mirror_report *news)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        if (news->unseen[i])
            json_object_set_new(object, bsc_unseen_name((enum bsc_unseen)i),
                                json_integer((json_int_t)news->unseen[i]));
    return object;
}

json_t *bsc_mirrored_line(struct bsc_mirrored *mirrored)
{
    const struct bsc_mirror_report *news = &mirrored->news;
    json_t *findings = json_array();
    for (unsigned i = 0; i < news->finding_count; i++)
        json_array_append_new(findings, finding_of(&news->findings[i]));
    json_t *line = json_pack("{s:{s:s,s:I,s:I,s:I,s:o,s:I,s:o,s:o,s:o}}", "mirror", "service",
                             mirrored->service, "rollout", (json_int_t)mirrored->id, "compared",
                             (json_int_t)news->compared, "skipped", (json_int_t)news->skipped,
                             "why", unseen_of(news), "dropped", (json_int_t)news->dropped,
                             "live_us", latency_of(news->live_latency), "candidate_us",
                             latency_of(news->candidate_latency), "findings", findings);
    mirrored->news = (struct bsc_mirror_report){ 0 };
    mirrored->fresh = false;
    return line;
}
