/* SPDX-License-Identifier: Apache-2.0
 * proxy/trial.c - see trial.h. */
#include "proxy/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/bytes.h"
#include "proxy/exchange.h"
#include "proxy/identity.h"
#include "proxy/worker.h"

enum { TOLD_SETS = 16384, TOLD_WAYS = 4, NUMBER_BYTES = 24 };

/* A cache: who is pushed out is told of again, which changes nothing. */
struct bsc_told {
    struct told_set {
        uint64_t users[TOLD_WAYS];
        uint16_t bits[TOLD_WAYS];
        uint16_t next; /* who is pushed out */
    } sets[TOLD_SETS];
};

struct bsc_told *bsc_told_create(void)
{
    return bsc_alloc(sizeof(struct bsc_told));
}

void bsc_told_destroy(struct bsc_told *told)
{
    free(told);
}

bool bsc_told_add(struct bsc_told *told, uint64_t user, unsigned bits)
{
    struct told_set *set = &told->sets[user % TOLD_SETS];
    for (unsigned i = 0; i < TOLD_WAYS; i++)
        if (set->users[i] == user && set->bits[i]) {
            bool news = (bits & ~(unsigned)set->bits[i]) != 0;
            set->bits[i] |= (uint16_t)bits;
            return news;
        }
    set->users[set->next] = user;
    set->bits[set->next] = (uint16_t)bits;
    set->next = (uint16_t)((set->next + 1) % TOLD_WAYS);
    return true;
}

bool bsc_trial_number_parse(const char *bytes, size_t size, double *out)
{
    static const double largest = 1e12;
    char text[NUMBER_BYTES + 1], *end;
    size_t sign = size && (bytes[0] == '-' || bytes[0] == '+');
    if (size == sign || size > NUMBER_BYTES)
        return false;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (strspn(text + sign, "0123456789.") != size - sign)
        return false;
    *out = strtod(text, &end);
    return !*end && end > text && fabs(*out) <= largest;
}

unsigned bsc_trial_goals_of(const struct bsc_trial_rules *rules, const char *method,
                            size_t method_size, const char *target, size_t target_size)
{
    const char *query = target_size ? memchr(target, '?', target_size) : NULL;
    size_t path_size = query ? (size_t)(query - target) : target_size;
    unsigned found = 0;
    for (unsigned i = 0; i < rules->goal_count; i++) {
        const struct bsc_watched_goal *goal = &rules->goals[i];
        bool fits = goal->prefix ? path_size >= goal->path_size : path_size == goal->path_size;
        if (fits && !memcmp(target, goal->path, goal->path_size) &&
            (!goal->method ||
             (strlen(goal->method) == method_size && !memcmp(goal->method, method, method_size))))
            found |= 1U << i;
    }
    return found;
}

/* The test under whose split the exchange is, or NULL. */
static const struct bsc_trial_rules *rules_of(const struct bsc_exchange *exchange)
{
    const struct bsc_local_service *service = exchange->service;
    const struct bsc_trial_rules *rules = service->shared->trial;
    bool divides = rules && service->has_split && !service->split.tripped &&
                   service->split.generation == rules->generation;
    return divides ? rules : NULL;
}

void bsc_trial_ask(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    const struct bsc_trial_rules *rules = rules_of(exchange);
    if (!rules || !exchange->identified || exchange->give_cookie)
        return;
    exchange->trial = rules->id;
    exchange->user = bsc_identity_user(exchange->service->split.key, exchange->identity);
    exchange->goals = (uint8_t)bsc_trial_goals_of(rules, bytes + request->method_name.at,
                                                  request->method_name.size,
                                                  bytes + request->target.at, request->target.size);
}

/* The version is the one that the user was drawn for, also where another one answered. */
static void tell(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned goals,
                 const double *value)
{
    enum { SEEN = 1 << BSC_GOALS_WATCHED };
    const struct bsc_trial_rules *rules = rules_of(exchange);
    exchange->told = true;
    if (!rules || rules->id != exchange->trial ||
        (!bsc_told_add(worker->told, exchange->user, SEEN | goals) && !value))
        return;
    const struct bsc_split *split = &exchange->service->split;
    enum bsc_slot slot = bsc_balance_slot_of(split, bsc_identity_bucket_of(exchange->user));
    bsc_fact_write(worker->shard, &(struct bsc_fact){ .user = exchange->user,
                                                      .trial = rules->id,
                                                      .green = slot == BSC_GREEN,
                                                      .goals = (uint8_t)goals,
                                                      .valued = value != NULL,
                                                      .value = value ? *value : 0 });
}

/* NULL: there is none. */
static const struct bsc_field *field_of(const struct bsc_head *head, const char *bytes,
                                        const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (bsc_bytes_equal(bytes + field->name.at, field->name.size, name, size))
            return field;
    }
    return NULL;
}

static bool reached(const struct bsc_watched_goal *goal, const struct bsc_response *response,
                    const char *bytes)
{
    if (response->status < goal->status_low || response->status > goal->status_high)
        return false;
    if (!goal->header)
        return true;
    const struct bsc_field *field = field_of(&response->head, bytes, goal->header);
    return field &&
           (!goal->value || (strlen(goal->value) == field->value.size &&
                             !memcmp(goal->value, bytes + field->value.at, field->value.size)));
}

void bsc_trial_answer(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes)
{
    const struct bsc_trial_rules *rules = rules_of(exchange);
    const struct bsc_response *response = &worker->response;
    double value;
    bool valued = false;
    unsigned goals = 0;
    if (!rules || rules->id != exchange->trial)
        return;
    for (unsigned i = 0; i < rules->goal_count; i++)
        if (exchange->goals >> i & 1 && reached(&rules->goals[i], response, bytes))
            goals |= 1U << i;
    if (rules->value_header && response->status < 400) {
        const struct bsc_field *field = field_of(&response->head, bytes, rules->value_header);
        valued =
            field && bsc_trial_number_parse(bytes + field->value.at, field->value.size, &value);
    }
    tell(worker, exchange, goals, valued ? &value : NULL);
}

void bsc_trial_end(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (!exchange->told)
        tell(worker, exchange, 0, NULL);
}
