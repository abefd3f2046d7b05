/* SPDX-License-Identifier: Apache-2.0
 * cli/summary.c - how a rollout ended and what to do next: the last words of progress.h. */
#include <string.h>

#include "cli/json.h"
#include "cli/progress.h"

static const char *live_version(const struct bsc_progress *progress)
{
    const json_t *slots = json_object_get(progress->service, "slots");
    const char *live = bsc_json_text(progress->service, "live");
    return bsc_json_text(json_object_get(slots, live), "version");
}

static void add_label(const struct bsc_output *output, const char *label, const char *text,
                      struct bsc_text *out)
{
    bsc_output_printf(output, out, BSC_STYLE_DIM, "  %-7s", label);
    bsc_output_add_lines(out, text, 2 + 7);
    bsc_text_puts(out, "\n");
}

static void add_preview(const struct bsc_progress *progress, struct bsc_text *out)
{
    struct bsc_text way = { 0 };
    if (bsc_progress_preview(progress->service, &way))
        add_label(progress->output, "look:", bsc_text_get(&way), out);
    bsc_text_deinit(&way);
}

static void add_success(const struct bsc_progress *progress, struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const char *service = bsc_json_text(progress->rollout, "service");
    const char *version = bsc_json_version(progress->rollout);
    const char *status = bsc_progress_status(progress);
    struct bsc_text took = { 0 };
    bsc_output_elapsed(&took, progress->ended_ms - progress->began_ms);
    bsc_output_printf(output, out, BSC_STYLE_BOLD, "%s: ", service);
    if (!strcmp(status, "staged")) {
        bsc_output_printf(output, out, BSC_STYLE_GREEN, "%s is ready in %s", version,
                          bsc_json_text(progress->rollout, "slot"));
        bsc_text_printf(out, " (%s); `bascule switch %s` makes it live", bsc_text_get(&took),
                        service);
    } else if (!strcmp(status, "promoted")) {
        bsc_output_printf(output, out, BSC_STYLE_GREEN, "%s is live", version);
        bsc_text_printf(out, " (%s)", bsc_text_get(&took));
        /* What a rollback left was found wanting: nobody is sent back there. */
        const char *kind = bsc_json_text(progress->rollout, "kind");
        bool forth = strcmp(kind, "rollback") != 0 && strcmp(kind, "revert") != 0;
        if (forth && progress->from && *progress->from && strcmp(progress->from, version) != 0)
            bsc_text_printf(out, "; `bascule rollback %s` goes back to %s", service,
                            progress->from);
    } else {
        const char *live = live_version(progress);
        bsc_output_printf(output, out, BSC_STYLE_GREEN, "the rollout of %s was taken back",
                          version);
        bsc_text_printf(out, " (%s)", bsc_text_get(&took));
        if (*live)
            bsc_output_printf(output, out, BSC_STYLE_PLAIN, "; %s is live", live);
    }
    bsc_text_puts(out, "\n");
    if (!strcmp(status, "staged"))
        add_preview(progress, out);
    bsc_text_deinit(&took);
}

static const char *ending(const char *status)
{
    static const char *const words[][2] = {
        { "failed", "failed" },         { "rolled-back", "was rolled back" },
        { "cancelled", "was aborted" }, { "superseded", "was superseded by another rollout" },
        { "promoted", "was promoted" }, { "staged", "was staged" },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i][0], status))
            return words[i][1];
    return status;
}

static void add_log(const struct bsc_output *output, const char *log, struct bsc_text *out)
{
    while (*log) {
        size_t size = strcspn(log, "\n");
        bsc_output_printf(output, out, BSC_STYLE_DIM, "  %-7s", "log:");
        bsc_output_add_line(out, log, size);
        bsc_text_puts(out, "\n");
        log += size + (log[size] == '\n');
    }
}

static void add_failure(const struct bsc_progress *progress, const char *log, struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const char *service = bsc_json_text(progress->rollout, "service");
    const char *reason = bsc_json_text(progress->rollout, "reason");
    const char *version = bsc_json_version(progress->rollout);
    const char *live = live_version(progress);
    bsc_output_printf(output, out, BSC_STYLE_BOLD, "%s: ", service);
    bsc_output_printf(output, out, BSC_STYLE_RED, "%s of %s %s",
                      bsc_json_text(progress->rollout, "kind"), version,
                      ending(bsc_progress_status(progress)));
    if (*live)
        bsc_output_printf(output, out, BSC_STYLE_PLAIN, "; %s %s live", live,
                          progress->from && !strcmp(progress->from, live) ? "is still" : "is");
    bsc_text_puts(out, "\n");
    if (*reason)
        add_label(output, "why:", reason, out);
    if (progress->probe && !strstr(reason, progress->probe))
        add_label(output, "probe:", progress->probe, out);
    if (log)
        add_log(output, log, out);
    struct bsc_text next = { 0 };
    bsc_text_printf(&next, "bascule why %s, bascule logs %s --slot %s, bascule events %s", service,
                    service, bsc_json_text(progress->rollout, "slot"), service);
    add_label(output, "more:", bsc_text_get(&next), out);
    bsc_text_deinit(&next);
}

void bsc_progress_summary(const struct bsc_progress *progress, bool wanted, const char *log,
                          struct bsc_text *out)
{
    if (wanted)
        add_success(progress, out);
    else
        add_failure(progress, log, out);
}
