/* SPDX-License-Identifier: Apache-2.0
 * cli/progress.h - a rollout as it is watched: what changed, and how it looks.
 *
 * Pure: it is given the daemon's answers and the time, and makes text.
 */
#ifndef BASCULE_CLI_PROGRESS_H
#define BASCULE_CLI_PROGRESS_H

#include <jansson.h>

#include "cli/output.h"
#include "core/plan.h"

struct bsc_progress_time {
    int64_t began_ms; /* boot clock; 0: not seen yet */
    int64_t took_ms;  /* -1: not over */
};

struct bsc_progress {
    const struct bsc_output *output; /* borrowed */
    json_t *service, *rollout;       /* the newest answers; NULL: none yet */
    char *from;                      /* the version that was live when the watching began */
    int64_t began_ms, ended_ms;      /* boot clock */
    struct bsc_progress_time steps[BSC_PLAN_STEPS_MAX];
    int64_t waiting_said_ms;
    char *waiting_said; /* the last reason for waiting that was told as a change */
    char *probe; /* "ID: answer" of the candidate's last instance that was not healthy, or NULL */
    bool ill;    /* it still is not */
};

void bsc_progress_init(struct bsc_progress *progress, const struct bsc_output *output,
                       int64_t now_ms);
void bsc_progress_deinit(struct bsc_progress *progress);

/* Takes newer answers, and their ownership; `take_service` may be NULL. Adds a line for each change
 * to `changes`. */
void bsc_progress_take(struct bsc_progress *progress, json_t *take_service, json_t *take_rollout,
                       int64_t now_ms, struct bsc_text *changes);

/* The candidate's slot, while the candidate is in it; NULL: another release is there by now. */
const json_t *bsc_progress_candidate(const struct bsc_progress *progress, const json_t *service);

/* How what is not live can be looked at: "http://preview.shop.example/". False: it can't. */
bool bsc_progress_preview(const json_t *service, struct bsc_text *out);

/* Whoever waits may go: promoted, staged, rolled-back, failed, cancelled or superseded. */
bool bsc_progress_ended(const struct bsc_progress *progress);
const char *bsc_progress_status(const struct bsc_progress *progress);

/* The whole picture, each line at most `columns` cells, at most `rows` lines. `trouble`: why there
 * is no news, or NULL. */
void bsc_progress_frame(const struct bsc_progress *progress, const char *trouble, int64_t now_ms,
                        unsigned columns, unsigned rows, struct bsc_text *out);

/* One line (or a few, after a failure) on how it ended and what to do next. `wanted`: it ended as
 * the user asked. `log`: the candidate's last lines, or NULL. */
void bsc_progress_summary(const struct bsc_progress *progress, bool wanted, const char *log,
                          struct bsc_text *out);

/* The split as a bar: blue from the left, green from the right. */
void bsc_progress_bar(const struct bsc_output *output, unsigned blue_bp, unsigned cells,
                      struct bsc_text *out);

#endif
