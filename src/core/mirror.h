/* SPDX-License-Identifier: Apache-2.0
 * core/mirror.h - what came of the requests that were copied to a candidate: the report.
 *
 * Pure. A proxy compares each answer of the candidate with that of the live version and tells what
 * differs, and where; the parts that it tells are added up here, over time and over proxies.
 * Everything is bounded: so many places, so many examples of each, of values only the beginning.
 */
#ifndef BASCULE_CORE_MIRROR_H
#define BASCULE_CORE_MIRROR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/histogram.h"

enum {
    BSC_FINDINGS_MAX = 48,
    BSC_EXAMPLES_MAX = 3,
    BSC_WHERE_BYTES = 96,
    BSC_SHOWN_REQUEST_BYTES = 96,
    BSC_SHOWN_VALUE_BYTES = 56,
};

enum bsc_difference {
    BSC_DIFFERS_ANSWER, /* the candidate gave none; `where` is the reason word */
    BSC_DIFFERS_STATUS,
    BSC_DIFFERS_HEADER, /* its name */
    BSC_DIFFERS_BODY,   /* the field's path; "" is the whole */
    BSC_DIFFERENCE_COUNT
};

/* Why a request that was drawn was not compared. */
enum bsc_unseen {
    BSC_UNSEEN_REQUEST, /* its body is too long, or it can't be said twice */
    BSC_UNSEEN_ANSWER,  /* is too long */
    BSC_UNSEEN_STREAM,  /* an answer without an end: of events */
    BSC_UNSEEN_BROKEN,  /* the live version gave no whole answer, or the client left */
    BSC_UNSEEN_CODED,   /* the bodies differ, compressed in a way that is not understood */
    BSC_UNSEEN_UNSURE,  /* the live version was asked again, and did not answer as before */
    BSC_UNSEEN_COUNT
};

struct bsc_mirror_example {
    char request[BSC_SHOWN_REQUEST_BYTES]; /* "GET /users/1", without its query */
    char live[BSC_SHOWN_VALUE_BYTES];
    char candidate[BSC_SHOWN_VALUE_BYTES];
};

/* One place in which answers differ. */
struct bsc_finding_at {
    enum bsc_difference kind;
    char where[BSC_WHERE_BYTES];
    uint64_t count; /* comparisons that showed it ... */
    uint64_t first; /* ... before anything else: so the sum over all places is right */
    bool noisy;     /* the live version differs from itself there, too: it does not count */
    unsigned example_count;
    struct bsc_mirror_example examples[BSC_EXAMPLES_MAX];
};

struct bsc_mirror_report {
    uint64_t compared;
    uint64_t skipped; /* drawn, but not to be compared, in all */
    uint64_t unseen[BSC_UNSEEN_COUNT];
    uint64_t dropped; /* the copying side had no room or no time */
    /* Of what was compared and had no body; to the answer's head. */
    uint64_t live_latency[BSC_HISTOGRAM_BUCKETS], candidate_latency[BSC_HISTOGRAM_BUCKETS];
    unsigned finding_count;
    struct bsc_finding_at findings[BSC_FINDINGS_MAX]; /* the last takes in what has no room */
};

struct bsc_mirror_limits {
    uint64_t minimum;        /* comparisons */
    unsigned differences_bp; /* of them */
    unsigned slower;         /* hundredths: the candidate's p95 in times the live one's; 0: any */
};

enum bsc_mirror_verdict {
    BSC_MIRROR_FEW, /* not enough was compared */
    BSC_MIRROR_ALIKE,
    BSC_MIRROR_DIFFERENT,
    BSC_MIRROR_SLOWER
};

/* The place in the report, made where it is missing and there is room. */
struct bsc_finding_at *bsc_mirror_finding(struct bsc_mirror_report *report,
                                          enum bsc_difference kind, const char *where);
/* False: it is the last one, that has taken it in. What is noise there is not noise everywhere. */
bool bsc_finding_is(const struct bsc_finding_at *finding, const char *where);
/* Adds an example, unless it is there already or enough are; true: it was added. */
bool bsc_mirror_add_example(struct bsc_finding_at *finding,
                            const struct bsc_mirror_example *example);
/* Adds what a proxy counted since it told the last time. */
void bsc_mirror_add(struct bsc_mirror_report *report, const struct bsc_mirror_report *news);
/* Comparisons that showed a difference that counts. */
uint64_t bsc_mirror_different(const struct bsc_mirror_report *report);
enum bsc_mirror_verdict bsc_mirror_judge(const struct bsc_mirror_report *report,
                                         const struct bsc_mirror_limits *limits);
/* "1240 compared, 14 differ (1.13 %, 1 % allowed): user.name 12, status 2", and how slow. */
void bsc_mirror_text(const struct bsc_mirror_report *report, const struct bsc_mirror_limits *limits,
                     char *out, size_t size);

void bsc_mirror_skip(struct bsc_mirror_report *report, enum bsc_unseen why, uint64_t count);
const char *bsc_unseen_name(enum bsc_unseen why); /* "long-answer" */
/* "512 not compared: 500 answers too long, 12 streams"; "" when all were. */
void bsc_mirror_unseen_text(const struct bsc_mirror_report *report, char *out, size_t size);

const char *bsc_difference_name(enum bsc_difference kind); /* "body" */
bool bsc_difference_parse(const char *name, enum bsc_difference *out);
/* "user.name", "status", "Content-Type", "no answer: answer-timeout". */
void bsc_finding_text(const struct bsc_finding_at *finding, char *out, size_t size);

#endif
