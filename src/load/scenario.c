/* SPDX-License-Identifier: Apache-2.0
 * load/scenario.c - see scenario.h. */
#include "load/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/types.h"
#include "load/reading.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { USERS_IF_OPEN = 500 }; /* at most, unless max_users says otherwise */

struct draft {
    const char *url;
    unsigned users, max_users;
    const struct bsc_node *rate, *stages, *think_time, *headers, *login, *requests, *thresholds;
    int64_t duration_ms, timeout_ms;
    bool tls_verify;
};

#define FIELD(field) .offset = offsetof(struct draft, field)

static const struct bsc_key keys[] = {
    { .path = "url", .type = &bsc_type_name, FIELD(url) },
    { .path = "users",
      .type = &bsc_type_count,
      FIELD(users),
      .low = 0,
      .high = BSC_LOAD_USERS_MAX },
    { .path = "think_time", .type = &bsc_load_type_text, FIELD(think_time) },
    { .path = "rate", .type = &bsc_load_type_text, FIELD(rate) },
    { .path = "max_users",
      .type = &bsc_type_count,
      FIELD(max_users),
      .low = 1,
      .high = BSC_LOAD_USERS_MAX },
    { .path = "duration",
      .type = &bsc_type_duration,
      FIELD(duration_ms),
      .low = 1,
      .high = (int64_t)7 * DAY },
    { .path = "stages", .type = &bsc_load_type_list, FIELD(stages) },
    { .path = "timeout",
      .type = &bsc_type_duration,
      FIELD(timeout_ms),
      .low = 1,
      .high = HOUR,
      .otherwise = "10s" },
    { .path = "tls_verify", .type = &bsc_type_flag, FIELD(tls_verify), .otherwise = "true" },
    { .path = "headers", .type = &bsc_load_type_map, FIELD(headers) },
    { .path = "login", .type = &bsc_load_type_map, FIELD(login) },
    { .path = "requests", .type = &bsc_load_type_list, FIELD(requests) },
    { .path = "thresholds", .type = &bsc_load_type_map, FIELD(thresholds) },
};

static const struct bsc_section no_sections[] = { { NULL, NULL } };

static const struct bsc_key_table table = { .count = sizeof keys / sizeof *keys,
                                            .keys = keys,
                                            .sections = no_sections };

struct stage_draft {
    int64_t duration_ms;
    const struct bsc_node *target;
};

static const struct bsc_key stage_keys[] = {
    { .path = "duration",
      .type = &bsc_type_duration,
      .offset = offsetof(struct stage_draft, duration_ms),
      .low = 0,
      .high = (int64_t)7 * DAY },
    { .path = "target",
      .type = &bsc_load_type_text,
      .offset = offsetof(struct stage_draft, target) },
};

static const struct bsc_key_table stage_table = { .count = sizeof stage_keys / sizeof *stage_keys,
                                                  .keys = stage_keys,
                                                  .sections = no_sections };

/* Nodes as they are. */

static bool keep_node(const struct bsc_key *key, const struct bsc_node *node, void *base,
                      bool accepted)
{
    if (accepted)
        *(const struct bsc_node **)bsc_key_field(key, base) = node;
    return accepted;
}

static const char *expect_map(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map";
}

static bool read_map(struct bsc_reader *reader, const struct bsc_key *key,
                     const struct bsc_node *node, void *base)
{
    (void)reader;
    return keep_node(key, node, base, node->kind == BSC_NODE_MAP);
}

static const char *expect_list(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of maps";
}

static bool read_list(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    (void)reader;
    return keep_node(key, node, base, node->kind == BSC_NODE_LIST && node->count);
}

static const char *expect_text(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a text";
}

static bool read_text(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    (void)reader;
    return keep_node(key, node, base, node->kind == BSC_NODE_TEXT);
}

static bool read_any(struct bsc_reader *reader, const struct bsc_key *key,
                     const struct bsc_node *node, void *base)
{
    (void)reader;
    return keep_node(key, node, base, true);
}

const struct bsc_type bsc_load_type_map = { .expected = expect_map, .read = read_map };
const struct bsc_type bsc_load_type_list = { .expected = expect_list, .read = read_list };
const struct bsc_type bsc_load_type_text = { .expected = expect_text, .read = read_text };
const struct bsc_type bsc_load_type_any = { .expected = expect_text, .read = read_any };

/* How much load there is. */

static bool parse_users(const char *text, double *out)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 5 || text[digits])
        return false;
    *out = atof(text);
    return *out <= BSC_LOAD_USERS_MAX;
}

static bool parse_target(const struct bsc_load_scenario *scenario, const char *text, double *out)
{
    return scenario->model == BSC_LOAD_OPEN ? bsc_load_rate_parse(text, out)
                                            : parse_users(text, out);
}

static void read_stages(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                        const struct bsc_node *list)
{
    if (list->count > BSC_LOAD_STAGES_MAX) {
        bsc_reader_problem(reader, list->line, "stages", "has %u entries; %d are accepted",
                           list->count, BSC_LOAD_STAGES_MAX);
        return;
    }
    struct bsc_load_stage *stages = bsc_arena_alloc(reader->arena, list->count * sizeof *stages);
    unsigned count = 0;
    for (const struct bsc_node *item = list->first; item; item = item->next) {
        struct stage_draft draft = { .duration_ms = -1 };
        const char *prefix = bsc_arena_printf(reader->scratch, "stages[%u].", count);
        reader->prefix = prefix;
        bsc_table_read(reader, &stage_table, item, &draft, NULL);
        if (item->kind == BSC_NODE_MAP && draft.duration_ms < 0)
            bsc_reader_problem(reader, item->line, "duration", "is missing");
        stages[count].duration_ms = draft.duration_ms;
        struct bsc_node missing = { .kind = BSC_NODE_NOTHING, .line = item->line };
        if (item->kind == BSC_NODE_MAP &&
            (!draft.target || !parse_target(scenario, draft.target->text, &stages[count].target)))
            bsc_reader_expected(reader, draft.target ? draft.target : &missing, "target",
                                scenario->model == BSC_LOAD_OPEN
                                    ? "a rate such as 100/s, as the scenario has a rate"
                                    : "a number of users up to 10000");
        reader->prefix = NULL;
        count++;
    }
    scenario->shape.count = count;
    scenario->shape.stages = stages;
    if (reader->problems->count)
        return;
    if (bsc_load_shape_us(&scenario->shape) <= 0)
        bsc_reader_problem(reader, list->line, "stages", "last no time at all");
    else if (bsc_load_shape_peak(&scenario->shape) <= 0)
        bsc_reader_problem(reader, list->line, "stages", "bring no load at all");
}

/* 0: it was not given. */
static unsigned line_of(const unsigned *lines, const char *path)
{
    return lines[bsc_table_find(&table, path) - keys];
}

static void read_shape(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                       const struct draft *draft, const unsigned *lines)
{
    bool users = line_of(lines, "users");
    scenario->model = draft->rate ? BSC_LOAD_OPEN : BSC_LOAD_CLOSED;
    scenario->shape.start = draft->users;
    if (users == (draft->rate != NULL))
        bsc_reader_problem(reader, draft->rate ? draft->rate->line : 0, "",
                           "give either users (each waits for an answer, then thinks) or rate "
                           "(so many requests a second, however long the answers take)");
    if (draft->rate && !bsc_load_rate_parse(draft->rate->text, &scenario->shape.start))
        bsc_reader_expected(reader, draft->rate, "rate",
                            "a rate up to 100000/s such as 100/s or 6000/m");
    if (draft->stages && draft->duration_ms)
        bsc_reader_problem(reader, draft->stages->line, "stages",
                           "do not go with duration: the stages last as long as they last");
    if (draft->stages) {
        read_stages(reader, scenario, draft->stages);
        return;
    }
    if (scenario->shape.start <= 0 && !reader->problems->count)
        bsc_reader_problem(reader, draft->rate ? draft->rate->line : line_of(lines, "users"),
                           draft->rate ? "rate" : "users",
                           "is 0, and there are no stages that change it");
    struct bsc_load_stage *stage = bsc_arena_alloc(reader->arena, sizeof *stage);
    *stage = (struct bsc_load_stage){ draft->duration_ms ? draft->duration_ms : 30 * SECOND,
                                      scenario->shape.start };
    scenario->shape.count = 1;
    scenario->shape.stages = stage;
}

static void count_users(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                        const struct draft *draft)
{
    if (scenario->model == BSC_LOAD_CLOSED) {
        scenario->users = (unsigned)ceil(bsc_load_shape_peak(&scenario->shape));
        if (draft->max_users)
            bsc_reader_problem(reader, 0, "max_users",
                               "goes with rate only; without one there are `users`");
    } else {
        scenario->users = draft->max_users ? draft->max_users : USERS_IF_OPEN;
    }
}

/* "1s-5s" or "0" */
static void read_think_time(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                            const struct bsc_node *node)
{
    scenario->think_ms[0] = scenario->model == BSC_LOAD_CLOSED ? 1 * SECOND : 0;
    scenario->think_ms[1] = scenario->model == BSC_LOAD_CLOSED ? 5 * SECOND : 0;
    if (!node)
        return;
    const char *dash = strchr(node->text, '-');
    const char *low = bsc_arena_copy_bytes(reader->scratch, node->text, strcspn(node->text, "-"));
    if (bsc_duration_parse(low, &scenario->think_ms[0], NULL) ||
        bsc_duration_parse(dash ? dash + 1 : low, &scenario->think_ms[1], NULL) ||
        scenario->think_ms[0] > scenario->think_ms[1] || scenario->think_ms[1] > HOUR)
        bsc_reader_expected(reader, node, "think_time",
                            "a duration or a range of them, up to 1h, such as 1s-5s");
    else if (scenario->model == BSC_LOAD_OPEN)
        bsc_reader_problem(reader, node->line, "think_time",
                           "goes with users only: a rate says already when requests come");
}

static void read_requests(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                          const struct bsc_node *list)
{
    uint64_t weight = 0;
    if (!list) {
        bsc_reader_problem(reader, 0, "requests", "is missing: at least one request is needed");
        return;
    }
    if (list->count > BSC_LOAD_REQUESTS_MAX) {
        bsc_reader_problem(reader, list->line, "requests", "has %u entries; %d are accepted",
                           list->count, BSC_LOAD_REQUESTS_MAX);
        return;
    }
    scenario->requests = bsc_arena_alloc(reader->arena, list->count * sizeof *scenario->requests);
    for (const struct bsc_node *item = list->first; item; item = item->next) {
        unsigned index = scenario->request_count++;
        bsc_load_read_request(reader, scenario, item,
                              bsc_arena_printf(reader->scratch, "requests[%u]", index), false,
                              &scenario->requests[index]);
        weight += scenario->requests[index].weight;
    }
    if (!weight && !reader->problems->count)
        bsc_reader_problem(reader, list->line, "requests", "all have the weight 0");
}

static void read_thresholds(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                            const struct bsc_node *map)
{
    struct bsc_key metric_keys[BSC_LOAD_METRICS];
    const struct bsc_node *nodes[BSC_LOAD_METRICS] = { NULL };
    for (unsigned i = 0; i < BSC_LOAD_METRICS; i++)
        metric_keys[i] = (struct bsc_key){ .path = bsc_load_metric_names[i],
                                           .type = &bsc_load_type_text,
                                           .offset = i * sizeof *nodes };
    struct bsc_key_table metrics = { BSC_LOAD_METRICS, metric_keys, no_sections };
    if (!map)
        return;
    reader->prefix = "thresholds.";
    bsc_table_read(reader, &metrics, map, nodes, NULL);
    for (unsigned i = 0; i < BSC_LOAD_METRICS; i++) {
        struct bsc_error error;
        if (nodes[i] &&
            bsc_load_threshold_parse(i, nodes[i]->text,
                                     &scenario->thresholds[scenario->threshold_count++], &error))
            bsc_reader_problem(reader, nodes[i]->line, bsc_load_metric_names[i], "%s", error.text);
    }
    reader->prefix = NULL;
}

static void read_scenario(struct bsc_reader *reader, const struct bsc_node *root,
                          struct bsc_load_scenario *scenario)
{
    struct draft draft = { 0 };
    unsigned lines[sizeof keys / sizeof *keys] = { 0 };
    struct bsc_error error;
    bsc_table_read(reader, &table, root, &draft, lines);
    if (root->kind != BSC_NODE_MAP)
        return;
    scenario->url = draft.url;
    scenario->timeout_ms = draft.timeout_ms;
    scenario->tls_verify = draft.tls_verify;
    if (draft.url && bsc_load_url_check(draft.url, &error))
        bsc_reader_problem(reader, line_of(lines, "url"), "url", "%s", error.text);
    read_shape(reader, scenario, &draft, lines);
    count_users(reader, scenario, &draft);
    read_think_time(reader, scenario, draft.think_time);
    scenario->has_login = draft.login != NULL;
    if (draft.login)
        bsc_load_read_request(reader, scenario, draft.login, "login", true, &scenario->login);
    bsc_load_read_fields(reader, scenario, draft.headers, "headers", &scenario->headers);
    read_requests(reader, scenario, draft.requests);
    read_thresholds(reader, scenario, draft.thresholds);
}

struct bsc_load_scenario *bsc_load_scenario_parse(const char *file, const char *text, size_t size,
                                                  struct bsc_config_problems *problems)
{
    struct bsc_arena scratch;
    struct bsc_load_scenario *scenario = bsc_alloc(sizeof *scenario);
    bsc_arena_init(&scratch);
    bsc_arena_init(&scenario->arena);
    struct bsc_reader reader = { .arena = &scenario->arena,
                                 .scratch = &scratch,
                                 .problems = problems,
                                 .file = file,
                                 .directory = "" };
    struct bsc_node *root = bsc_node_from_yaml(&scratch, file, text, size, problems);
    if (root)
        read_scenario(&reader, root, scenario);
    else if (!problems->count)
        bsc_problem_add(problems, file, 0, "", "is empty; it must name at least \"requests:\"");
    bsc_problems_sort(problems);
    bsc_arena_deinit(&scratch);
    if (!problems->count)
        return scenario;
    bsc_load_scenario_destroy(scenario);
    return NULL;
}

struct bsc_load_scenario *bsc_load_scenario_read(const char *file,
                                                 struct bsc_config_problems *problems)
{
    struct bsc_load_scenario *scenario = NULL;
    struct bsc_text text = { 0 };
    char chunk[16384];
    ssize_t size;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        bsc_problem_add(problems, file, 0, "", "%s", strerror(errno));
        return NULL;
    }
    while ((size = read(fd, chunk, sizeof chunk)) > 0 && text.size <= BSC_FILE_BYTES_MAX)
        bsc_text_add(&text, chunk, (size_t)size);
    if (size == -1)
        bsc_problem_add(problems, file, 0, "", "%s", strerror(errno));
    else
        scenario = bsc_load_scenario_parse(file, bsc_text_get(&text), text.size, problems);
    close(fd);
    bsc_text_deinit(&text);
    return scenario;
}

void bsc_load_scenario_destroy(struct bsc_load_scenario *scenario)
{
    if (!scenario)
        return;
    bsc_arena_deinit(&scenario->arena);
    free(scenario);
}

enum bsc_status bsc_load_url_check(const char *url, struct bsc_error *error)
{
    static const char accepted[] =
        "a URL such as http://127.0.0.1:8080, https://shop.example or unix:/run/app.sock";
    bool clean = true;
    for (const char *at = url; *at; at++)
        clean = clean && *at > ' ' && *at < 0x7f && !strchr("?#\"<>\\", *at);
    const char *host = strstr(url, "://");
    bool http = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
    bool local =
        !strncmp(url, "unix:/", 6) && strlen(url + 5) < sizeof((struct sockaddr_un *)0)->sun_path;
    if (clean && (local || (http && host[3] && host[3] != '/')))
        return BSC_OK;
    return bsc_error_set(error, BSC_INVALID, "expected %s, found '%s'", accepted, url);
}

static void stretch(struct bsc_load_scenario *scenario, int64_t duration_ms)
{
    int64_t before_ms = bsc_load_shape_us(&scenario->shape) / 1000;
    struct bsc_load_stage *stages =
        bsc_arena_alloc(&scenario->arena, scenario->shape.count * sizeof *stages);
    for (unsigned i = 0; i < scenario->shape.count; i++) {
        stages[i] = scenario->shape.stages[i];
        stages[i].duration_ms =
            llround((double)stages[i].duration_ms * (double)duration_ms / (double)before_ms);
    }
    scenario->shape.stages = stages;
}

static void make_constant(struct bsc_load_scenario *scenario, enum bsc_load_model model,
                          double level)
{
    struct bsc_load_stage *stage = bsc_arena_alloc(&scenario->arena, sizeof *stage);
    *stage = (struct bsc_load_stage){ bsc_load_shape_us(&scenario->shape) / 1000, level };
    scenario->shape = (struct bsc_load_shape){ level, 1, stage };
    if (model == BSC_LOAD_CLOSED)
        scenario->users = (unsigned)level;
    else if (scenario->model == BSC_LOAD_CLOSED)
        scenario->users = USERS_IF_OPEN;
    if (model == BSC_LOAD_CLOSED && scenario->model == BSC_LOAD_OPEN) {
        scenario->think_ms[0] = 1 * SECOND;
        scenario->think_ms[1] = 5 * SECOND;
    }
    scenario->model = model;
}

enum bsc_status bsc_load_scenario_wish(struct bsc_load_scenario *scenario,
                                       const struct bsc_load_wish *wish, struct bsc_error *error)
{
    double rate;
    if (wish->url && bsc_load_url_check(wish->url, error))
        return bsc_error_wrap(error, "--url");
    if (wish->url)
        scenario->url = bsc_arena_copy(&scenario->arena, wish->url);
    if (!scenario->url)
        return bsc_error_set(error, BSC_INVALID, "the scenario has no url: give --url");
    if (wish->users && wish->rate)
        return bsc_error_set(error, BSC_INVALID, "--users and --rate: give one of them");
    if (wish->users > BSC_LOAD_USERS_MAX)
        return bsc_error_set(error, BSC_INVALID, "--users: at most %d", BSC_LOAD_USERS_MAX);
    if (wish->rate && (!bsc_load_rate_parse(wish->rate, &rate) || rate <= 0))
        return bsc_error_set(error, BSC_INVALID,
                             "--rate is a rate up to 100000/s such as 100/s, not %s", wish->rate);
    if (wish->users)
        make_constant(scenario, BSC_LOAD_CLOSED, wish->users);
    if (wish->rate)
        make_constant(scenario, BSC_LOAD_OPEN, rate);
    if (wish->duration_ms)
        stretch(scenario, wish->duration_ms);
    return BSC_OK;
}
