/* SPDX-License-Identifier: Apache-2.0
 * core/mirror.c - see mirror.h. */
#include "core/mirror.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { TOLD_FINDINGS = 3 };

/* Below this a difference of latency is the machine's, whatever its ratio. */
static const uint64_t slower_least_us = 10000;

static const char *const names[BSC_DIFFERENCE_COUNT] = {
    [BSC_DIFFERS_ANSWER] = "answer",
    [BSC_DIFFERS_STATUS] = "status",
    [BSC_DIFFERS_HEADER] = "header",
    [BSC_DIFFERS_BODY] = "body",
};

static const struct {
    const char *name, *text;
} unseen[BSC_UNSEEN_COUNT] = {
    [BSC_UNSEEN_REQUEST] = { "long-request", "requests too long" },
    [BSC_UNSEEN_ANSWER] = { "long-answer", "answers too long" },
    [BSC_UNSEEN_STREAM] = { "stream", "streams" },
    [BSC_UNSEEN_BROKEN] = { "broken", "answers cut off or failed" },
    [BSC_UNSEEN_CODED] = { "encoded", "compressed in an unknown way" },
    [BSC_UNSEEN_UNSURE] = { "unsure", "answered otherwise when asked again" },
};

const char *bsc_unseen_name(enum bsc_unseen why)
{
    return unseen[why].name;
}

void bsc_mirror_skip(struct bsc_mirror_report *report, enum bsc_unseen why, uint64_t count)
{
    report->skipped += count;
    report->unseen[why] += count;
}

const char *bsc_difference_name(enum bsc_difference kind)
{
    return names[kind];
}

bool bsc_difference_parse(const char *name, enum bsc_difference *out)
{
    for (unsigned i = 0; i < BSC_DIFFERENCE_COUNT; i++)
        if (!strcmp(names[i], name)) {
            *out = (enum bsc_difference)i;
            return true;
        }
    return false;
}

void bsc_finding_text(const struct bsc_finding_at *finding, char *out, size_t size)
{
    if (finding->kind == BSC_DIFFERS_ANSWER)
        snprintf(out, size, "no answer (%s)", finding->where);
    else if (finding->kind == BSC_DIFFERS_STATUS)
        snprintf(out, size, "status");
    else
        snprintf(out, size, "%s", *finding->where ? finding->where : "the body");
}

struct bsc_finding_at *bsc_mirror_finding(struct bsc_mirror_report *report,
                                          enum bsc_difference kind, const char *where)
{
    char cut[BSC_WHERE_BYTES];
    snprintf(cut, sizeof cut, "%s", where);
    for (unsigned i = 0; i < report->finding_count; i++)
        if (report->findings[i].kind == kind && !strcmp(report->findings[i].where, cut))
            return &report->findings[i];
    struct bsc_finding_at *last = &report->findings[BSC_FINDINGS_MAX - 1];
    if (report->finding_count == BSC_FINDINGS_MAX)
        return last;
    struct bsc_finding_at *fresh = &report->findings[report->finding_count++];
    *fresh = (struct bsc_finding_at){ .kind = fresh == last ? BSC_DIFFERS_BODY : kind };
    memcpy(fresh->where, fresh == last ? "(others)" : cut, fresh == last ? 9 : sizeof cut);
    return fresh;
}

bool bsc_finding_is(const struct bsc_finding_at *finding, const char *where)
{
    return !strncmp(finding->where, where, BSC_WHERE_BYTES - 1);
}

bool bsc_mirror_add_example(struct bsc_finding_at *finding,
                            const struct bsc_mirror_example *example)
{
    for (unsigned i = 0; i < finding->example_count; i++) {
        const struct bsc_mirror_example *known = &finding->examples[i];
        if (!strcmp(known->request, example->request) && !strcmp(known->live, example->live) &&
            !strcmp(known->candidate, example->candidate))
            return false;
    }
    if (finding->example_count == BSC_EXAMPLES_MAX)
        return false;
    finding->examples[finding->example_count++] = *example;
    return true;
}

void bsc_mirror_add(struct bsc_mirror_report *report, const struct bsc_mirror_report *news)
{
    report->compared += news->compared;
    report->skipped += news->skipped;
    report->dropped += news->dropped;
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        report->unseen[i] += news->unseen[i];
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++) {
        report->live_latency[i] += news->live_latency[i];
        report->candidate_latency[i] += news->candidate_latency[i];
    }
    for (unsigned i = 0; i < news->finding_count; i++) {
        const struct bsc_finding_at *from = &news->findings[i];
        struct bsc_finding_at *to = bsc_mirror_finding(report, from->kind, from->where);
        to->count += from->count;
        to->first += from->first;
        to->noisy |= from->noisy && bsc_finding_is(to, from->where);
        for (unsigned e = 0; e < from->example_count; e++)
            (void)bsc_mirror_add_example(to, &from->examples[e]);
    }
}

uint64_t bsc_mirror_different(const struct bsc_mirror_report *report)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < report->finding_count; i++)
        if (!report->findings[i].noisy)
            sum += report->findings[i].first;
    return sum;
}

static bool is_slower(const struct bsc_mirror_report *report, unsigned slower, uint64_t *live_us,
                      uint64_t *candidate_us)
{
    *live_us = bsc_histogram_quantile(report->live_latency, 0.95);
    *candidate_us = bsc_histogram_quantile(report->candidate_latency, 0.95);
    return slower && *live_us && *candidate_us > *live_us + slower_least_us &&
           *candidate_us * 100 > *live_us * slower;
}

enum bsc_mirror_verdict bsc_mirror_judge(const struct bsc_mirror_report *report,
                                         const struct bsc_mirror_limits *limits)
{
    uint64_t live_us, candidate_us;
    if (report->compared < limits->minimum)
        return BSC_MIRROR_FEW;
    if (bsc_mirror_different(report) * 10000 > report->compared * limits->differences_bp)
        return BSC_MIRROR_DIFFERENT;
    if (is_slower(report, limits->slower, &live_us, &candidate_us))
        return BSC_MIRROR_SLOWER;
    return BSC_MIRROR_ALIKE;
}

/* The place with the largest count below what was told last: each once, largest first. */
static const struct bsc_finding_at *next_largest(const struct bsc_mirror_report *report,
                                                 const bool told[static BSC_FINDINGS_MAX])
{
    const struct bsc_finding_at *found = NULL;
    for (unsigned i = 0; i < report->finding_count; i++) {
        const struct bsc_finding_at *finding = &report->findings[i];
        if (!told[i] && !finding->noisy && finding->count &&
            (!found || finding->count > found->count))
            found = finding;
    }
    return found;
}

/* Behind what is there, as far as there is room. */
static BSC_PRINTF(3, 4) void append(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out + used, size - used, format, arguments);
    va_end(arguments);
}

static void tell_findings(const struct bsc_mirror_report *report, char *out, size_t size)
{
    bool told[BSC_FINDINGS_MAX] = { false };
    for (unsigned i = 0; i < TOLD_FINDINGS; i++) {
        char text[BSC_WHERE_BYTES + 16];
        const struct bsc_finding_at *finding = next_largest(report, told);
        if (!finding)
            break;
        told[finding - report->findings] = true;
        bsc_finding_text(finding, text, sizeof text);
        append(out, size, "%s%s %" PRIu64, i ? ", " : ": ", text, finding->count);
    }
}

void bsc_mirror_unseen_text(const struct bsc_mirror_report *report, char *out, size_t size)
{
    const char *before = ": ";
    *out = '\0';
    if (report->skipped)
        append(out, size, "%" PRIu64 " not compared", report->skipped);
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++) {
        if (!report->unseen[i])
            continue;
        append(out, size, "%s%" PRIu64 " %s", before, report->unseen[i], unseen[i].text);
        before = ", ";
    }
}

void bsc_mirror_text(const struct bsc_mirror_report *report, const struct bsc_mirror_limits *limits,
                     char *out, size_t size)
{
    uint64_t live_us, candidate_us, different = bsc_mirror_different(report);
    snprintf(out, size, "%" PRIu64 " compared", report->compared);
    if (report->compared < limits->minimum)
        append(out, size, " of at least %" PRIu64, limits->minimum);
    append(out, size, ", %" PRIu64 " differ", different);
    if (report->compared)
        append(out, size, " (%.3g %%, %g %% allowed)",
               100.0 * (double)different / (double)report->compared,
               limits->differences_bp / 100.0);
    tell_findings(report, out, size);
    if (report->compared < limits->minimum && report->skipped) {
        append(out, size, "; ");
        bsc_mirror_unseen_text(report, out + strlen(out), size - strlen(out));
    }
    if (is_slower(report, limits->slower, &live_us, &candidate_us))
        append(out, size,
               "; slower: p95 %.3g ms, %.3g ms in the live version (%g times are allowed)",
               (double)candidate_us / 1000, (double)live_us / 1000, limits->slower / 100.0);
}
