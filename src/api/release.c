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
static const char *status_of(const struct bsc_service *const *services, size_t count)
{
    static const enum bsc_rollout_status order[] = {
        BSC_ROLLOUT_UNDOING,   BSC_ROLLOUT_RUNNING,    BSC_ROLLOUT_FAILED,
        BSC_ROLLOUT_CANCELLED, BSC_ROLLOUT_SUPERSEDED, BSC_ROLLOUT_ROLLED_BACK,
    };
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (size_t i = 0; i < count; i++)
            if (services[i]->rollout->row.walk.status == order[o])
                return bsc_rollout_status_name(order[o]);
    return bsc_rollout_status_name(BSC_ROLLOUT_PROMOTED);
}

/* Services that were found by name. */
struct found {
    const struct bsc_service **items;
    unsigned *ranks; /* of put_in_order */
    size_t count, capacity;
};

static void found_add(struct found *found, const struct bsc_service *service)
{
    found->items = bsc_grow(found->items, &found->capacity, found->count + 1, sizeof *found->items);
    found->items[found->count++] = service;
}

static void found_deinit(struct found *found)
{
    free((void *)found->items);
    free(found->ranks);
}

/* Those first that start first. */
static void put_in_order(struct found *found)
{
    unsigned count = (unsigned)found->count, done = 0;
    struct bsc_stack_member *members = bsc_alloc(count * sizeof *members);
    const struct bsc_service **sorted = bsc_alloc(count * sizeof *sorted);
    found->ranks = bsc_alloc(count * sizeof *found->ranks);
    for (unsigned i = 0; i < count; i++)
        members[i].spec = found->items[i]->row.spec;
    (void)bsc_stack_order(members, count);
    for (unsigned rank = 0; done < count; rank++)
        for (unsigned i = 0; i < count; i++)
            if (members[i].rank == rank) {
                found->ranks[done] = rank;
                sorted[done++] = found->items[i];
            }
    free((void *)found->items);
    free(members);
    found->items = sorted;
}

static json_t *view_members(const struct found *found, uint64_t group, bool waiting)
{
    json_t *list = json_array();
    for (size_t i = 0; i < found->count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:i, s:o}", "service", found->items[i]->name, "rank",
                            (int)found->ranks[i], "rollout",
                            !group    ? json_null()
                            : waiting ? bsc_api_view_successor(found->items[i])
                                      : bsc_api_view_newest_rollout(found->items[i], NULL)));
    return list;
}

static void answer_nobody(struct bsc_api_request *request)
{
    bsc_api_answer_error(request, BSC_NOT_FOUND, "no service is released under this name");
}

static void view_release(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const char *name = request->parameter;
    bool waiting;
    uint64_t group = newest_group(engine, name, &waiting);
    struct found found = { 0 };
    for (const struct bsc_service *s = bsc_engine_services(engine); s; s = s->next)
        if (group ? group_of(s, name, waiting) == group : belongs(s, name))
            found_add(&found, s);
    put_in_order(&found);
    if (!found.count)
        answer_nobody(request);
    else
        bsc_api_answer_json(request, MHD_HTTP_OK,
                            json_pack("{s:s, s:o, s:s?, s:o}", "name", name, "id",
                                      bsc_api_id('g', group), "status",
                                      !group    ? NULL
                                      : waiting ? "waiting"
                                                : status_of(found.items, found.count),
                                      "services", view_members(&found, group, waiting)));
    found_deinit(&found);
}

void bsc_api_get_release(struct bsc_api_request *request)
{
    bsc_api_query(request, view_release);
}

/* Says of which it is, where it does not already. */
static void answer_refused(struct bsc_api_request *request, const char *name,
                           struct bsc_error *error)
{
    if (error->status == BSC_INVALID)
        bsc_error_wrap(error, "%s", name);
    bsc_api_answer_error(request, error->status, error->text);
}

/* What the file says now, in the order of their start; all of them can be released, or none is. */
static void view_plans(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    struct bsc_deploy_wish wish;
    struct bsc_error error;
    struct found found = { 0 };
    if (!bsc_api_input_wish(request, &wish))
        return;
    for (const struct bsc_service *s = bsc_engine_services(engine); s; s = s->next)
        if (belongs(s, request->parameter))
            found_add(&found, s);
    put_in_order(&found);
    json_t *plans = json_array(), *plan = NULL;
    size_t done = 0;
    for (; done < found.count; done++) {
        plan = bsc_api_view_plan(request, engine, found.items[done], &wish, true, &error);
        if (!plan)
            break;
        json_array_append_new(plans, plan);
    }
    if (!found.count)
        answer_nobody(request);
    else if (done < found.count)
        answer_refused(request, found.items[done]->name, &error);
    else
        bsc_api_answer_json(request, MHD_HTTP_OK, json_incref(plans));
    json_decref(plans);
    found_deinit(&found);
}

void bsc_api_get_release_plan(struct bsc_api_request *request)
{
    struct bsc_error error;
    if (bsc_version_check(bsc_api_input_string(request, "version"), &error) != BSC_OK)
        bsc_api_answer_error(request, error.status, error.text);
    else
        bsc_api_query(request, view_plans);
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
