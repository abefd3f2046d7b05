/* SPDX-License-Identifier: Apache-2.0
 * cli/frame.c - how a rollout looks: the drawing half of progress.h. */
#include <string.h>

#include "cli/json.h"
#include "cli/progress.h"
#include "cli/run.h"

enum { FULL_BP = 10000, BAR_MOST_CELLS = 48, SPIN_MS = 100 };

struct mark {
    const char *state, *unicode, *ascii;
    enum bsc_style style;
};

static const struct mark step_marks[] = {
    { "pending", "·", ".", BSC_STYLE_DIM },   { "done", "✓", "+", BSC_STYLE_GREEN },
    { "failed", "✗", "x", BSC_STYLE_RED },    { "skipped", "-", "-", BSC_STYLE_DIM },
    { "undone", "↩", "<", BSC_STYLE_YELLOW }, { "paused", "‖", "=", BSC_STYLE_YELLOW },
    { "", "?", "?", BSC_STYLE_PLAIN },
};

static const struct mark health_marks[] = {
    { "healthy", "●", "+", BSC_STYLE_GREEN }, { "unknown", "○", "o", BSC_STYLE_YELLOW },
    { "ill", "✗", "x", BSC_STYLE_RED },       { "ejected", "◌", "e", BSC_STYLE_YELLOW },
    { "", "?", "?", BSC_STYLE_PLAIN },
};

static void add_mark(const struct bsc_output *output, const struct mark *marks, const char *state,
                     struct bsc_text *out)
{
    while (*marks->state && strcmp(marks->state, state) != 0)
        marks++;
    bsc_output_add(output, out, marks->style, output->unicode ? marks->unicode : marks->ascii);
}

static void add_spinner(const struct bsc_output *output, int64_t now_ms, struct bsc_text *out)
{
    static const char *const round[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
    static const char *const plain[] = { "|", "/", "-", "\\" };
    int64_t turn = now_ms / SPIN_MS;
    bsc_output_add(output, out, BSC_STYLE_CYAN,
                   output->unicode ? round[turn % 10] : plain[turn % 4]);
}

/* Ends the line that began at `from`: cut to `columns`, with `right` at the right edge. */
static void end_line(const struct bsc_output *output, struct bsc_text *out, size_t from,
                     unsigned columns, const char *right)
{
    size_t tail = bsc_cells(right);
    size_t room = columns > tail + 1 ? columns - tail - 1 : 0;
    if (tail && room > 20) {
        bsc_cells_cut(output, out, from, room);
        bsc_cells_pad(out, from, room + 1);
        bsc_output_add(output, out, BSC_STYLE_DIM, right);
    } else {
        bsc_cells_cut(output, out, from, columns);
    }
    bsc_text_puts(out, "\n");
}

static bool is_paused(const struct bsc_progress *progress)
{
    return json_is_object(json_object_get(progress->rollout, "paused"));
}

/* "  paused by anna since 13:00:00": the day is in `bascule status`. */
static void add_pause(const struct bsc_output *output, const json_t *pause, struct bsc_text *out)
{
    enum { DATE_BYTES = 11 };
    char time[32];
    bsc_cli_time(bsc_json_text(pause, "at"), time);
    bsc_output_printf(output, out, BSC_STYLE_YELLOW, "  paused by %s since %s",
                      bsc_json_text(pause, "actor"),
                      strlen(time) > DATE_BYTES ? time + DATE_BYTES : time);
}

static void add_header(const struct bsc_progress *progress, int64_t now_ms, unsigned columns,
                       struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const json_t *rollout = progress->rollout;
    size_t from = out->size;
    struct bsc_text elapsed = { 0 };
    bsc_output_add(output, out, BSC_STYLE_BOLD, bsc_json_text(rollout, "service"));
    bsc_output_printf(output, out, BSC_STYLE_PLAIN, "  %s ", bsc_json_text(rollout, "kind"));
    bsc_output_add(output, out, BSC_STYLE_BOLD, bsc_json_version(rollout));
    if (progress->from && *progress->from)
        bsc_output_printf(output, out, BSC_STYLE_DIM, "  from %s", progress->from);
    bsc_output_printf(output, out, BSC_STYLE_DIM, "  %s  %s", bsc_json_text(rollout, "strategy"),
                      bsc_json_text(rollout, "id"));
    if (is_paused(progress) && !progress->ended_ms)
        add_pause(output, json_object_get(rollout, "paused"), out);
    bsc_output_elapsed(&elapsed,
                       (progress->ended_ms ? progress->ended_ms : now_ms) - progress->began_ms);
    end_line(output, out, from, columns, bsc_text_get(&elapsed));
    bsc_text_deinit(&elapsed);
}

static bool step_runs(const json_t *step)
{
    const char *state = bsc_json_text(step, "state");
    return !strcmp(state, "running") || !strcmp(state, "undoing");
}

static void add_step(const struct bsc_progress *progress, unsigned index, int64_t now_ms,
                     unsigned columns, struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const json_t *step = json_array_get(json_object_get(progress->rollout, "steps"), index);
    const struct bsc_progress_time *time = &progress->steps[index];
    const char *state = bsc_json_text(step, "state");
    const char *undo = bsc_json_text(step, "undo");
    const char *text = bsc_json_text(step, "text");
    size_t from = out->size;
    struct bsc_text took = { 0 };
    bsc_text_puts(out, "  ");
    if (is_paused(progress) && index == bsc_json_number(progress->rollout, "step"))
        add_mark(output, step_marks, "paused", out);
    else if (step_runs(step) && !progress->ended_ms)
        add_spinner(output, now_ms, out);
    else if (step_runs(step)) /* the tail goes on behind the commit */
        add_mark(output, step_marks, "pending", out);
    else
        add_mark(output, step_marks, state, out);
    bsc_text_puts(out, " ");
    bool faint = !strcmp(state, "pending") || !strcmp(state, "skipped");
    enum bsc_style style = faint ? BSC_STYLE_DIM : BSC_STYLE_PLAIN;
    bsc_output_add(output, out, style, *text ? text : bsc_json_text(step, "kind"));
    if (!strncmp(state, "undo", 4) && *undo)
        bsc_output_printf(output, out, BSC_STYLE_YELLOW, "  undo: %s", undo);
    if (time->took_ms >= 0 && !faint)
        bsc_output_elapsed(&took, time->took_ms);
    else if (step_runs(step) && time->began_ms && !progress->ended_ms)
        bsc_output_elapsed(&took, now_ms - time->began_ms);
    end_line(output, out, from, columns, bsc_text_get(&took));
    bsc_text_deinit(&took);
}

/* Under the step that runs: why it has not gone on, or why all this is undone. */
static void add_note(const struct bsc_progress *progress, const char *trouble, unsigned columns,
                     struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const char *waiting = bsc_json_text(progress->rollout, "waiting");
    const char *reason = bsc_json_text(progress->rollout, "reason");
    size_t from = out->size;
    if (trouble)
        bsc_output_printf(output, out, BSC_STYLE_YELLOW, "    %s", trouble);
    else if (*waiting)
        bsc_output_printf(output, out, is_paused(progress) ? BSC_STYLE_YELLOW : BSC_STYLE_DIM,
                          "    %s%s%s", waiting, progress->ill ? "; " : "",
                          progress->ill ? progress->probe : "");
    else
        bsc_output_printf(output, out, BSC_STYLE_YELLOW, "    taking it back: %.*s",
                          (int)strcspn(reason, "\n"), reason);
    end_line(output, out, from, columns, "");
}

static bool noted(const struct bsc_progress *progress, const char *trouble)
{
    return !progress->ended_ms && (trouble || *bsc_json_text(progress->rollout, "waiting") ||
                                   *bsc_json_text(progress->rollout, "reason"));
}

/* Steps at the top that are over are left out when the terminal is too low for all. */
static void add_steps(const struct bsc_progress *progress, const char *trouble, int64_t now_ms,
                      unsigned columns, unsigned rows, struct bsc_text *out)
{
    const json_t *steps = json_object_get(progress->rollout, "steps");
    unsigned count = (unsigned)json_array_size(steps);
    bool note = noted(progress, trouble);
    unsigned room = rows > 1U + note ? rows - note : 1;
    count = count < BSC_PLAN_STEPS_MAX ? count : BSC_PLAN_STEPS_MAX;
    unsigned current = 0;
    while (current < count && !step_runs(json_array_get(steps, current)))
        current++;
    if (current == count && is_paused(progress)) /* before a step that has not begun */
        current = (unsigned)bsc_json_number(progress->rollout, "step");
    unsigned first = 0;
    if (count > room) {
        first = count - room;
        if (current < count && first > current)
            first = current;
    }
    for (unsigned i = first; i < count && i < first + room; i++) {
        add_step(progress, i, now_ms, columns, out);
        if (note && i == current)
            add_note(progress, trouble, columns, out);
    }
    if (note && current == count)
        add_note(progress, trouble, columns, out);
}

void bsc_progress_bar(const struct bsc_output *output, unsigned blue_bp, unsigned cells,
                      struct bsc_text *out)
{
    unsigned blue = (blue_bp * cells + FULL_BP / 2) / FULL_BP;
    /* A share that is not nothing is never drawn as nothing. */
    if (blue_bp > 0 && blue == 0)
        blue = 1;
    if (blue_bp < FULL_BP && blue == cells)
        blue = cells - 1;
    struct bsc_text left = { 0 }, right = { 0 };
    for (unsigned i = 0; i < blue; i++)
        bsc_text_puts(&left, output->unicode ? "█" : "#");
    for (unsigned i = blue; i < cells; i++)
        bsc_text_puts(&right, output->unicode ? "▒" : "=");
    bsc_output_add(output, out, BSC_STYLE_BLUE, bsc_text_get(&left));
    bsc_output_add(output, out, BSC_STYLE_GREEN, bsc_text_get(&right));
    bsc_text_deinit(&left);
    bsc_text_deinit(&right);
}

static const json_t *slot_of(const struct bsc_progress *progress, const char *name)
{
    return json_object_get(json_object_get(progress->service, "slots"), name);
}

static void add_split(const struct bsc_progress *progress, unsigned columns, struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    long long blue = bsc_json_number(slot_of(progress, "blue"), "weight_bp");
    long long green = bsc_json_number(slot_of(progress, "green"), "weight_bp");
    size_t from = out->size;
    /* "  blue 100 % " and " 100 % green" stand beside the bar. */
    unsigned cells = columns > 28 + 4 ? columns - 28 : 4;
    bsc_output_add(output, out, BSC_STYLE_BLUE, "  blue ");
    bsc_text_printf(out, "%3lld %% ", blue / 100);
    if (blue + green == 0)
        bsc_output_add(output, out, BSC_STYLE_DIM, "no version gets traffic yet");
    else
        bsc_progress_bar(output, (unsigned)blue, cells < BAR_MOST_CELLS ? cells : BAR_MOST_CELLS,
                         out);
    if (blue + green != 0) {
        bsc_text_printf(out, " %3lld %%", green / 100);
        bsc_output_add(output, out, BSC_STYLE_GREEN, " green");
    }
    end_line(output, out, from, columns, "");
}

static void add_slot(const struct bsc_progress *progress, const char *name, unsigned columns,
                     struct bsc_text *out)
{
    const struct bsc_output *output = progress->output;
    const json_t *slot = slot_of(progress, name), *instance;
    const json_t *list = json_object_get(slot, "instances");
    const char *version = bsc_json_text(slot, "version"), *state = bsc_json_text(slot, "state");
    size_t from = out->size, index;
    bsc_output_printf(output, out, bsc_style_of(name), "  %-5s ", name);
    bsc_output_printf(output, out, BSC_STYLE_PLAIN, "%-12s ", *version ? version : "-");
    bsc_output_printf(output, out, bsc_style_of(state), "%-9s", state);
    if (json_array_size(json_object_get(slot, "match")))
        bsc_output_add(output, out, BSC_STYLE_PLAIN, " + chosen users");
    json_array_foreach(list, index, instance)
    {
        bsc_text_puts(out, " ");
        add_mark(output, health_marks, bsc_json_text(instance, "health"), out);
        bsc_output_printf(output, out, BSC_STYLE_PLAIN, " %s", bsc_json_text(instance, "address"));
    }
    end_line(output, out, from, columns, "");
}

static void add_preview(const struct bsc_progress *progress, unsigned columns, struct bsc_text *out)
{
    struct bsc_text way = { 0 };
    size_t from = out->size;
    if (bsc_progress_preview(progress->service, &way)) {
        bsc_output_printf(progress->output, out, BSC_STYLE_DIM, "  preview: %s",
                          bsc_text_get(&way));
        end_line(progress->output, out, from, columns, "");
    }
    bsc_text_deinit(&way);
}

void bsc_progress_frame(const struct bsc_progress *progress, const char *trouble, int64_t now_ms,
                        unsigned columns, unsigned rows, struct bsc_text *out)
{
    enum { OTHER_ROWS = 5 }; /* besides the steps: header, split, two slots, preview */
    if (!progress->rollout)
        return;
    add_header(progress, now_ms, columns, out);
    add_steps(progress, trouble, now_ms, columns, rows > OTHER_ROWS ? rows - OTHER_ROWS : 1, out);
    if (!progress->service)
        return;
    add_split(progress, columns, out);
    add_slot(progress, "blue", columns, out);
    add_slot(progress, "green", columns, out);
    add_preview(progress, columns, out);
}
