/* SPDX-License-Identifier: Apache-2.0
 * api/release.c - /v1/releases/NAME: services that are released together, and what is asked of all
 * of them.
 */
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"
#include "core/stack.h"

static bool belongs(const struct bsc_service *service, const char *name)
{
    const char *release = service->row.spec->release;
    return !service->row.removed &&
           (!strcmp(name, BSC_GROUP_ALL) || (release && !strcmp(release, name)));
}

/* Which one its newest rollout, or the one that waits to begin, is of; 0: none of that name. */
static uint64_t group_of(const struct bsc_service *service, const char *name, bool waiting)
{
    const struct bsc_group *group = waiting            ? &service->row.next.group
                                    : service->rollout ? &service->rollout->row.group
                                                       : NULL;
    return group && group->id && !strcmp(group->name, name) ? group->id : 0;
}

static uint64_t newest_group(const struct bsc_engine *engine, const char *name, bool *waiting)
{
    uint64_t newest = 0;
    *waiting = false;
    for (const struct bsc_service *s = bsc_engine_services(engine); s; s = s->next)
        for (unsigned next = 0; next < 2; next++)
            if (group_of(s, name, next) > newest) {
                newest = group_of(s, name, next);
                *waiting = next;
            }
    return newest;
}

/* One that runs or goes back says so of all; of those that ended the one that failed does. */
static const char *status_of(const struct bsc_service *const *services, unsigned count)
{
    static const enum bsc_rollout_status order[] = {
        BSC_ROLLOUT_UNDOING,   BSC_ROLLOUT_RUNNING,    BSC_ROLLOUT_FAILED,
        BSC_ROLLOUT_CANCELLED, BSC_ROLLOUT_SUPERSEDED, BSC_ROLLOUT_ROLLED_BACK,
    };
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (unsigned i = 0; i < count; i++)
            if (services[i]->rollout->row.walk.status == order[o])
                return bsc_rollout_status_name(order[o]);
    return bsc_rollout_status_name(BSC_ROLLOUT_PROMOTED);
}

/* What they start in the order of. */
static json_t *view_members(const struct bsc_service *const *services, unsigned count,
                            uint64_t group, bool waiting)
{
    struct bsc_stack_member *members = calloc(count + 1, sizeof *members);
    json_t *list = json_array();
    if (!members)
        return list;
    for (unsigned i = 0; i < count; i++)
        members[i].spec = services[i]->row.spec;
    (void)bsc_stack_order(members, count);
    for (unsigned rank = 0; rank <= count; rank++)
        for (unsigned i = 0; i < count; i++)
            if (members[i].rank == rank)
                json_array_append_new(
                    list, json_pack("{s:s, s:i, s:o}", "service", services[i]->name, "rank",
                                    (int)rank, "rollout",
                                    !group    ? json_null()
                                    : waiting ? bsc_api_view_successor(services[i])
                                              : bsc_api_view_newest_rollout(services[i], NULL)));
    free(members);
    return list;
}

static void view_release(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const char *name = request->parameter;
    bool waiting;
    uint64_t group = newest_group(engine, name, &waiting);
    const struct bsc_service **services = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    for (const struct bsc_service *s = bsc_engine_services(engine); s; s = s->next) {
        if (group ? group_of(s, name, waiting) != group : !belongs(s, name))
            continue;
        services = bsc_grow(services, &capacity, count + 1, sizeof *services);
        services[count++] = s;
    }
    if (!count)
        bsc_api_answer_error(request, BSC_NOT_FOUND, "no service is released under this name");
    else
        bsc_api_answer_json(request, MHD_HTTP_OK,
                            json_pack("{s:s, s:o, s:s?, s:o}", "name", name, "id",
                                      bsc_api_id('g', group), "status",
                                      !group    ? NULL
                                      : waiting ? "waiting"
                                                : status_of(services, count),
                                      "services", view_members(services, count, group, waiting)));
    free((void *)services);
}

void bsc_api_get_release(struct bsc_api_request *request)
{
    bsc_api_query(request, view_release);
}

static void answer_group(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    if (reply->status != BSC_OK)
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
    else
        bsc_api_answer_json(request, request->route->status,
                            json_pack("{s:o, s:o}", "id", bsc_api_id('g', reply->rollout), "done",
                                      bsc_api_words(reply->text ? reply->text : "")));
}

static void submit(struct bsc_api_request *request, struct bsc_event event)
{
    struct bsc_error error;
    event.release = request->parameter;
    if (event.version && bsc_version_check(event.version, &error) != BSC_OK)
        bsc_api_answer_error(request, error.status, error.text);
    else
        bsc_api_command(request, &event, answer_group);
}

void bsc_api_post_release_deploy(struct bsc_api_request *request)
{
    struct bsc_event event = { .kind = BSC_EVENT_DEPLOY,
                               .version = bsc_api_input_string(request, "version"),
                               .supersede = bsc_api_input_boolean(request, "supersede") };
    if (bsc_api_input_wish(request, &event.wish))
        submit(request, event);
}

void bsc_api_post_release_rollback(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_ROLLBACK,
                                        .version = bsc_api_input_string(request, "version") });
}

void bsc_api_post_release_abort(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_ABORT });
}

void bsc_api_post_release_promote(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_PROMOTE,
                                        .to_end = bsc_api_input_boolean(request, "full") });
}

void bsc_api_post_release_pause(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_PAUSE });
}

void bsc_api_post_release_resume(struct bsc_api_request *request)
{
    submit(request, (struct bsc_event){ .kind = BSC_EVENT_RESUME });
}
