/* SPDX-License-Identifier: Apache-2.0
 * cli/progress.c - see progress.h: what is known, and what changed. frame.c draws it. */
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cli/json.h"

/* A reason for waiting counts something and changes often; it is told at most so often. */
enum { WAITING_EVERY_MS = 2000 };

void bsc_progress_init(struct bsc_progress *progress, const struct bsc_output *output,
                       int64_t now_ms)
{
    *progress = (struct bsc_progress){ .output = output, .began_ms = now_ms };
    for (unsigned i = 0; i < BSC_PLAN_STEPS_MAX; i++)
        progress->steps[i].took_ms = -1;
}

void bsc_progress_deinit(struct bsc_progress *progress)
{
    json_decref(progress->service);
    json_decref(progress->rollout);
    free(progress->from);
    free(progress->waiting_said);
    free(progress->probe);
}

const char *bsc_progress_status(const struct bsc_progress *progress)
{
    return bsc_json_text(progress->rollout, "status");
}

bool bsc_progress_ended(const struct bsc_progress *progress)
{
    const char *status = bsc_progress_status(progress);
    return *status && strcmp(status, "running") != 0 && strcmp(status, "undoing") != 0;
}

/* One line about a change; what is in it may come from an application, so it is escaped. */
static void tell(struct bsc_text *changes, const char *format, ...) BSC_PRINTF(2, 3);
static void tell(struct bsc_text *changes, const char *format, ...)
{
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (size < 0)
        abort();
    bsc_text_add_escaped(changes, line, (size_t)size);
    bsc_text_puts(changes, "\n");
    free(line);
}

static bool step_over(const char *state)
{
    return !strcmp(state, "done") || !strcmp(state, "failed") || !strcmp(state, "skipped") ||
           !strcmp(state, "undone");
}

static void take_step(struct bsc_progress *progress, unsigned index, const json_t *old,
                      const json_t *new, int64_t now_ms, struct bsc_text *changes)
{
    struct bsc_progress_time *time = &progress->steps[index];
    const char *was = bsc_json_text(old, "state"), *is = bsc_json_text(new, "state");
    if (!strcmp(was, is) || !strcmp(is, "pending"))
        return;
    bool began = !time->began_ms || (step_over(was) && !step_over(is));
    if (began)
        *time = (struct bsc_progress_time){ now_ms, -1 };
    if (step_over(is) && time->took_ms < 0)
        time->took_ms = now_ms - time->began_ms;

    bool undo = !strncmp(is, "undo", 4);
    const char *text = bsc_json_text(new, undo ? "undo" : "text");
    if (undo && !*text)
        return; /* there was nothing to undo */
    if (!*text)
        text = bsc_json_text(new, "kind");
    struct bsc_text took = { 0 };
    if (step_over(is) && *was && strcmp(was, "pending") != 0) {
        bsc_text_puts(&took, " (");
        bsc_output_elapsed(&took, time->took_ms);
        bsc_text_puts(&took, ")");
    }
    if (step_over(is))
        tell(changes, "%s%s: %s%s", undo ? "undo: " : "", text, undo ? "done" : is,
             bsc_text_get(&took));
    else
        tell(changes, "%s%s ...", undo ? "undo: " : "", text);
    bsc_text_deinit(&took);
}

const json_t *bsc_progress_candidate(const struct bsc_progress *progress, const json_t *service)
{
    const json_t *slots = json_object_get(service, "slots");
    const json_t *slot = json_object_get(slots, bsc_json_text(progress->rollout, "slot"));
    const char *version = bsc_json_text(progress->rollout, "version");
    return strcmp(bsc_json_text(slot, "version"), version) == 0 ? slot : NULL;
}

static const json_t *find_instance(const json_t *service, const char *slot, const char *id)
{
    size_t index;
    const json_t *instance;
    const json_t *slots = json_object_get(service, "slots");
    const json_t *list = json_object_get(json_object_get(slots, slot), "instances");
    json_array_foreach(list, index,
                       instance) if (!strcmp(bsc_json_text(instance, "id"), id)) return instance;
    return NULL;
}

/* `candidate`: of the new version. Of the others, and of those that were there when the watching
 * began, only changes are told. */
static void take_instance(struct bsc_progress *progress, const char *slot, bool candidate,
                          const json_t *instance, struct bsc_text *changes)
{
    const char *id = bsc_json_text(instance, "id");
    const char *health = bsc_json_text(instance, "health");
    const char *detail = bsc_json_text(instance, "detail");
    const json_t *old = find_instance(progress->service, slot, id);
    bool running = !strcmp(bsc_progress_status(progress), "running");
    if (candidate && running && *detail && strcmp(health, "healthy") != 0) {
        struct bsc_text probe = { 0 };
        bsc_text_printf(&probe, "%s: %s", id, detail);
        free(progress->probe);
        progress->probe = probe.data;
        progress->ill = true;
    }
    bool known = !strcmp(health, bsc_json_text(old, "health")) || !strcmp(health, "unknown");
    bool ours = old || (candidate && progress->service);
    if (known || !ours)
        return;
    tell(changes, "%s at %s is %s%s%s%s", id, bsc_json_text(instance, "address"), health,
         *detail ? " (" : "", detail, *detail ? ")" : "");
}

static void take_instances(struct bsc_progress *progress, const json_t *service,
                           struct bsc_text *changes)
{
    const char *name;
    json_t *slot;
    const json_t *candidate = bsc_progress_candidate(progress, service);
    progress->ill = false;
    json_object_foreach(json_object_get(service, "slots"), name, slot)
    {
        size_t index;
        const json_t *instance;
        json_array_foreach(json_object_get(slot, "instances"), index, instance)
            take_instance(progress, name, slot == candidate, instance, changes);
    }
}

bool bsc_progress_preview(const json_t *service, struct bsc_text *out)
{
    const json_t *preview = json_object_get(service, "preview");
    const char *url = bsc_json_text(preview, "url"), *header = bsc_json_text(preview, "header");
    const char *host = bsc_json_text(preview, "host");
    if (!*bsc_json_text(preview, "slot") || !*url)
        return false;
    bsc_text_puts(out, url);
    if (*header)
        bsc_text_printf(out, "%s with the token in %s", *host ? ", or as users ask" : "", header);
    return true;
}

/* When it can be looked at from now on. */
static void tell_preview(const struct bsc_progress *progress, const json_t *service,
                         struct bsc_text *changes)
{
    struct bsc_text way = { 0 };
    const json_t *preview = json_object_get(service, "preview");
    const json_t *old = json_object_get(progress->service, "preview");
    if (!*bsc_json_text(old, "slot") && bsc_progress_preview(service, &way))
        tell(changes, "preview of %s: %s", bsc_json_version(preview), bsc_text_get(&way));
    bsc_text_deinit(&way);
}

static void take_waiting(struct bsc_progress *progress, int64_t now_ms, struct bsc_text *changes)
{
    const char *waiting = bsc_json_text(progress->rollout, "waiting");
    bool said = progress->waiting_said && !strcmp(progress->waiting_said, waiting);
    bool soon = progress->waiting_said && now_ms < progress->waiting_said_ms + WAITING_EVERY_MS;
    if (!*waiting || said || soon)
        return;
    tell(changes, "%s%s%s", waiting, progress->ill ? "; " : "",
         progress->ill ? progress->probe : "");
    free(progress->waiting_said);
    progress->waiting_said = bsc_copy(waiting);
    progress->waiting_said_ms = now_ms;
}

static void take_pause(const json_t *old, const json_t *new, struct bsc_text *changes)
{
    const json_t *pause = json_object_get(new, "paused");
    bool was = json_is_object(json_object_get(old, "paused")), is = json_is_object(pause);
    if (is && !was)
        tell(changes, "paused by %s", bsc_json_text(pause, "actor"));
    else if (was && !is && !strcmp(bsc_json_text(new, "status"), "running"))
        tell(changes, "goes on");
}

/* Only the reason's first line: what follows is an application's output, for the summary. */
static void tell_undoing(const struct bsc_progress *progress, struct bsc_text *changes)
{
    const char *reason = bsc_json_text(progress->rollout, "reason");
    tell(changes, "taking it back: %.*s", (int)strcspn(reason, "\n"), reason);
}

void bsc_progress_take(struct bsc_progress *progress, json_t *take_service, json_t *take_rollout,
                       int64_t now_ms, struct bsc_text *changes)
{
    json_t *old = progress->rollout;
    progress->rollout = take_rollout;
    bool begun = json_array_size(json_object_get(take_rollout, "steps")) != 0;
    if (!progress->from && take_service && begun) {
        const json_t *slots = json_object_get(take_service, "slots");
        const char *live = bsc_json_text(take_service, "live");
        progress->from = bsc_copy(bsc_json_text(json_object_get(slots, live), "version"));
    }
    if (!old)
        tell(changes, "%s %s: rollout %s, %s", bsc_json_text(take_rollout, "kind"),
             bsc_json_version(take_rollout), bsc_json_text(take_rollout, "id"),
             bsc_json_text(take_rollout, "strategy"));

    const json_t *was = json_object_get(old, "steps");
    const json_t *is = json_object_get(take_rollout, "steps");
    for (unsigned i = 0; i < json_array_size(is) && i < BSC_PLAN_STEPS_MAX; i++)
        take_step(progress, i, json_array_get(was, i), json_array_get(is, i), now_ms, changes);
    if (take_service) {
        take_instances(progress, take_service, changes);
        tell_preview(progress, take_service, changes);
        json_decref(progress->service);
        progress->service = take_service;
    }
    take_pause(old, take_rollout, changes);
    take_waiting(progress, now_ms, changes);
    if (old && !strcmp(bsc_progress_status(progress), "undoing") &&
        strcmp(bsc_json_text(old, "status"), "undoing") != 0)
        tell_undoing(progress, changes);
    if (bsc_progress_ended(progress) && !progress->ended_ms)
        progress->ended_ms = now_ms;
    json_decref(old);
}
