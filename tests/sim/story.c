/* SPDX-License-Identifier: Apache-2.0
 * sim/story.c - stories, in which only a crash surprises.
 */
#include <string.h>

#include "world.h"

struct line {
    int64_t pause_ms; /* after the answer to the line before */
    enum bsc_event_kind kind;
    const char *version;
    bool stage, supersede;
};

static const struct story {
    struct line lines[5];
    const char *live; /* in the end */
    enum bsc_strategy strategy;
    const char *group; /* in which s0, and s1, which depends on it, are released; NULL: s1 alone */
} stories[] = {
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v2", false } }, "v2" },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", true },
        { 15000, BSC_EVENT_SWITCH, NULL, false },
        { 15000, BSC_EVENT_ROLLBACK, NULL, false } },
      "v1" },
    /* v3 never becomes healthy: see runtime.c */
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v3", false } }, "v1" },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 9000, BSC_EVENT_ABORT, NULL, false } },
      NULL },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v2", false } },
      "v2",
      BSC_STRATEGY_CANARY },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 12000, BSC_EVENT_ABORT, NULL, false } },
      NULL,
      BSC_STRATEGY_CANARY },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v2", false } },
      "v2",
      BSC_STRATEGY_ROLLING },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v2", false } },
      "v2",
      BSC_STRATEGY_SHADOW },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 12000, BSC_EVENT_ABORT, NULL, false } },
      NULL,
      BSC_STRATEGY_SHADOW },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 18000, BSC_EVENT_ABORT, NULL, false } },
      NULL,
      BSC_STRATEGY_ROLLING },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 40000, BSC_EVENT_ROLLBACK, NULL, false } },
      "v1",
      BSC_STRATEGY_RECREATE },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v3", false } },
      "v1",
      BSC_STRATEGY_RECREATE },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 3000, BSC_EVENT_DEPLOY, "v5", false, true } },
      "v5",
      BSC_STRATEGY_BLUE_GREEN },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 7000, BSC_EVENT_PAUSE, NULL, false },
        { 15000, BSC_EVENT_RESUME, NULL, false } },
      "v2",
      BSC_STRATEGY_BLUE_GREEN },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v2", false } },
      "v2",
      BSC_STRATEGY_BLUE_GREEN,
      "g" },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false }, { 25000, BSC_EVENT_DEPLOY, "v3", false } },
      "v1",
      BSC_STRATEGY_BLUE_GREEN,
      "g" },
    { { { 2000, BSC_EVENT_DEPLOY, "v1", false },
        { 25000, BSC_EVENT_DEPLOY, "v2", false },
        { 9000, BSC_EVENT_ABORT, NULL, false } },
      NULL,
      BSC_STRATEGY_BLUE_GREEN,
      "g" },
};

struct bsc_spec *sim_story_spec(struct sim *sim, unsigned service)
{
    static const char *const below[] = { "s0" };
    if (sim->fate.script == SIM_DRIVEN)
        return sim_full_spec(sim, service, BSC_STRATEGY_BLUE_GREEN);
    const struct story *story = &stories[sim->fate.script - 1];
    struct bsc_spec *spec = sim_full_spec(sim, service, story->strategy);
    if (story->group && service < 2)
        spec->release = story->group;
    if (story->group && service == 1)
        spec->depends_on = (struct bsc_strings){ 1, below };
    if (story->group) /* half of it is enough: each commit is crashed at, and again */
        spec->replicas = 1;
    return spec;
}

unsigned sim_script_count(void)
{
    return sizeof stories / sizeof *stories;
}

/* The next line is due a while after the answer to the one before; what a crash swallowed is asked
 * again. */
void sim_script_turn(struct sim *sim)
{
    if (sim->fate.script == SIM_DRIVEN)
        return;
    const struct line *line = &stories[sim->fate.script - 1].lines[sim->script_at];
    bool waits = false;
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        waits = waits || sim->open[i].token;
    if (!sim->ready || waits || sim->script_at >= 5 || !line->pause_ms)
        return;
    if (sim->script_asked != sim->script_at + 1) {
        sim->script_asked = sim->script_at + 1;
        sim->script_ms = sim->now_ms + line->pause_ms;
    }
    if (sim->now_ms < sim->script_ms)
        return;
    struct bsc_event event = {
        .kind = line->kind,
        .service = "s1",
        .release = stories[sim->fate.script - 1].group,
        .version = line->version,
        .stage = line->stage,
        .supersede = line->supersede,
    };
    sim_command(sim, &event);
}

void sim_script_check(struct sim *sim)
{
    const char *wanted = stories[sim->fate.script - 1].live;
    const struct bsc_service *service = bsc_engine_service(sim->engine, "s1");
    const struct bsc_release *release =
        service ? bsc_service_release(service, service->row.release[service->row.slots.live])
                : NULL;
    const char *live = release ? release->row.spec->version : "nothing";
    if (wanted && strcmp(live, wanted) != 0)
        sim_fail(sim, "the story ends with %s live instead of %s", live, wanted);
}
