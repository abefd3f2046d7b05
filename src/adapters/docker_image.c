/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_image.c - see docker_image.h. */
#include "adapters/docker_image.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/docker_auth.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"

enum { LOOK_MS = 30000, LAYERS_MAX = 512, LINE_BYTES_MAX = 64 * 1024 };
static const int64_t pull_longest_ms = 3600000;

struct layer {
    char id[24];
    int64_t done, total;
};

/* One image that is being looked up, for all who want it. */
struct lookup {
    struct bsc_list link;
    struct bsc_docker_images *images;
    char *name;
    enum bsc_pull pull;
    bool pulled;
    struct bsc_docker_request *request;
    struct bsc_list wishes;
    struct bsc_text line;  /* of the download's report, as far as it came */
    struct bsc_text fault; /* that it told */
    struct bsc_text note;  /* why one is nobody at the registry */
    struct layer *layers;
    unsigned layer_count;
    char told[128];
};

struct bsc_docker_images {
    struct bsc_docker *docker;
    struct bsc_list lookups;
};

struct bsc_docker_image_wish {
    struct bsc_list link;
    void (*on_progress)(void *argument, const char *text);
    void (*on_done)(void *argument, const char *resolved, const char *text, bool away);
    void *argument;
};

/* It is on no list any more. */
static void free_lookup(struct lookup *lookup)
{
    if (lookup->request)
        bsc_docker_cancel(lookup->request);
    bsc_text_deinit(&lookup->line);
    bsc_text_deinit(&lookup->fault);
    bsc_text_deinit(&lookup->note);
    free(lookup->layers);
    free(lookup->name);
    free(lookup);
}

static void finish(struct lookup *lookup, const char *resolved, const char *text, bool away)
{
    struct bsc_list *node;
    bsc_list_remove(&lookup->link); /* who asks from within begins anew */
    while ((node = bsc_list_pop(&lookup->wishes))) {
        struct bsc_docker_image_wish *wish =
            BSC_CONTAINER(node, struct bsc_docker_image_wish, link);
        wish->on_done(wish->argument, resolved, text, away);
        free(wish);
    }
    free_lookup(lookup);
}

/* -- names ----------------------------------------------------------------------------------- */

/* Where the tag begins, or the end. */
static size_t repository_size(const char *name)
{
    const char *at = strchr(name, '@'), *slash = strrchr(name, '/');
    const char *colon = strrchr(slash ? slash : name, ':');
    return at ? (size_t)(at - name) : colon ? (size_t)(colon - name) : strlen(name);
}

static bool is_id(const char *name)
{
    return !strncmp(name, "sha256:", 7);
}

/* "docker.io/library/nginx" is written "nginx" in what the Engine tells. */
static bool same_repository(const char *name, size_t size, const char *digest)
{
    static const char *const prefixes[] = { "", "docker.io/", "docker.io/library/" };
    size_t other = strcspn(digest, "@");
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t prefix = strlen(prefixes[i]);
        if (size == prefix + other && !strncmp(name, prefixes[i], prefix) &&
            !strncmp(name + prefix, digest, other))
            return true;
    }
    return false;
}

/* -- looking --------------------------------------------------------------------------------- */

static void pull(struct lookup *lookup);

static void resolve(struct lookup *lookup, const struct bsc_docker_answer *answer)
{
    json_t *image = json_loadb(answer->body, answer->size, 0, NULL);
    const char *resolved = json_string_value(json_object_get(image, "Id"));
    size_t i;
    json_t *digest;
    json_array_foreach(json_object_get(image, "RepoDigests"), i,
                       digest) if (!is_id(lookup->name) && json_is_string(digest) &&
                                   same_repository(lookup->name, repository_size(lookup->name),
                                                   json_string_value(digest))) resolved =
        json_string_value(digest);
    if (resolved)
        finish(lookup, resolved, "", false);
    else
        finish(lookup, NULL, "the Docker Engine's answer about the image makes no sense", false);
    json_decref(image);
}

static void on_looked(void *argument, const struct bsc_docker_answer *answer)
{
    struct lookup *lookup = argument;
    struct bsc_text text = { 0 };
    lookup->request = NULL;
    if (answer->status == 200) {
        resolve(lookup, answer);
        return;
    }
    bool absent = answer->status == 404;
    if (absent && !lookup->pulled && lookup->pull != BSC_PULL_NEVER && !is_id(lookup->name)) {
        pull(lookup);
        return;
    }
    if (absent && is_id(lookup->name))
        bsc_text_printf(&text,
                        "the image %s, of which no registry is known, is not on this "
                        "machine any more",
                        lookup->name);
    else if (absent && lookup->pull == BSC_PULL_NEVER)
        bsc_text_printf(&text, "the image %s is not on this machine, and pull_policy is never",
                        lookup->name);
    else
        bsc_text_printf(&text, "image %s: %s", lookup->name, answer->text);
    finish(lookup, NULL, bsc_text_get(&text), answer->status == 0);
    bsc_text_deinit(&text);
}

static void look(struct lookup *lookup)
{
    struct bsc_text path = { 0 };
    bsc_text_printf(&path, "/images/%s/json", lookup->name);
    lookup->request = bsc_docker_send(lookup->images->docker, &(struct bsc_docker_call){
                                                                  .method = "GET",
                                                                  .path = bsc_text_get(&path),
                                                                  .timeout_ms = LOOK_MS,
                                                                  .on_done = on_looked,
                                                                  .argument = lookup,
                                                              });
    bsc_text_deinit(&path);
}

/* -- fetching -------------------------------------------------------------------------------- */

static struct layer *layer_of(struct lookup *lookup, const char *id)
{
    for (unsigned i = 0; i < lookup->layer_count; i++)
        if (!strncmp(lookup->layers[i].id, id, sizeof lookup->layers[i].id - 1))
            return &lookup->layers[i];
    if (lookup->layer_count == LAYERS_MAX)
        return NULL;
    if (!lookup->layers)
        lookup->layers = bsc_alloc(LAYERS_MAX * sizeof *lookup->layers);
    struct layer *layer = &lookup->layers[lookup->layer_count++];
    snprintf(layer->id, sizeof layer->id, "%s", id);
    return layer;
}

static void tell_progress(struct lookup *lookup)
{
    int64_t done = 0, total = 0;
    char text[sizeof lookup->told];
    for (unsigned i = 0; i < lookup->layer_count; i++) {
        done += lookup->layers[i].done;
        total += lookup->layers[i].total;
    }
    snprintf(text, sizeof text, "pulling %.60s: %.1f of %.1f MB", lookup->name, (double)done / 1e6,
             (double)total / 1e6);
    if (!strcmp(text, lookup->told))
        return;
    memcpy(lookup->told, text, sizeof text);
    for (struct bsc_list *at = lookup->wishes.next; at != &lookup->wishes; at = at->next) {
        struct bsc_docker_image_wish *wish = BSC_CONTAINER(at, struct bsc_docker_image_wish, link);
        wish->on_progress(wish->argument, text);
    }
}

/* {"status": "Downloading", "id": "ab12", "progressDetail": {"current": 1, "total": 2}} */
static void take_line(struct lookup *lookup, const char *line, size_t size)
{
    json_t *report = json_loadb(line, size, 0, NULL);
    const char *fault = json_string_value(json_object_get(report, "error"));
    const char *status = json_string_value(json_object_get(report, "status"));
    const char *id = json_string_value(json_object_get(report, "id"));
    const json_t *detail = json_object_get(report, "progressDetail");
    if (fault) {
        bsc_text_clear(&lookup->fault);
        bsc_text_add_escaped(&lookup->fault, fault, strlen(fault));
    } else if (status && id && !strcmp(status, "Downloading")) {
        struct layer *layer = layer_of(lookup, id);
        if (layer) {
            layer->done = json_integer_value(json_object_get(detail, "current"));
            layer->total = json_integer_value(json_object_get(detail, "total"));
        }
    } else if (status && id &&
               (!strcmp(status, "Download complete") || !strcmp(status, "Pull complete"))) {
        struct layer *layer = layer_of(lookup, id);
        if (layer)
            layer->done = layer->total;
    }
    json_decref(report);
}

static void on_report(void *argument, const char *bytes, size_t size)
{
    struct lookup *lookup = argument;
    bsc_text_add(&lookup->line, bytes, size);
    const char *end;
    while (lookup->line.size && (end = memchr(lookup->line.data, '\n', lookup->line.size))) {
        size_t line = (size_t)(end - lookup->line.data);
        take_line(lookup, lookup->line.data, line);
        bsc_text_drop_front(&lookup->line, line + 1);
    }
    if (lookup->line.size > LINE_BYTES_MAX)
        bsc_text_clear(&lookup->line);
    tell_progress(lookup);
}

static void on_pulled(void *argument, const struct bsc_docker_answer *answer)
{
    struct lookup *lookup = argument;
    struct bsc_text text = { 0 };
    const char *fault = *answer->text ? answer->text : bsc_text_get(&lookup->fault);
    lookup->request = NULL;
    if (!*fault) {
        look(lookup);
        return;
    }
    bsc_text_printf(&text, "pull %s: %s", lookup->name, fault);
    if (lookup->note.size)
        bsc_text_printf(&text, " (%s)", bsc_text_get(&lookup->note));
    finish(lookup, NULL, bsc_text_get(&text), answer->status == 0);
    bsc_text_deinit(&text);
}

static void pull(struct lookup *lookup)
{
    struct bsc_text path = { 0 }, registry = { 0 }, header = { 0 };
    bool tagged = lookup->name[repository_size(lookup->name)] != '\0';
    lookup->pulled = true;
    bsc_docker_registry(lookup->name, &registry);
    bool known = bsc_docker_auth(bsc_text_get(&registry), &header, &lookup->note);
    bsc_text_printf(&path, "/images/create?fromImage=%s%s", lookup->name, tagged ? "" : ":latest");
    lookup->request =
        bsc_docker_send(lookup->images->docker,
                        &(struct bsc_docker_call){ .method = "POST",
                                                   .path = bsc_text_get(&path),
                                                   .registry_auth = known ? header.data : NULL,
                                                   .timeout_ms = pull_longest_ms,
                                                   .on_bytes = on_report,
                                                   .on_done = on_pulled,
                                                   .argument = lookup });
    bsc_text_deinit(&path);
    bsc_text_deinit(&registry);
    bsc_text_deinit(&header);
}

/* -- for others ------------------------------------------------------------------------------ */

static struct lookup *lookup_of(struct bsc_docker_images *images,
                                const struct bsc_docker_image_call *call)
{
    for (struct bsc_list *at = images->lookups.next; at != &images->lookups; at = at->next) {
        struct lookup *lookup = BSC_CONTAINER(at, struct lookup, link);
        if (!strcmp(lookup->name, call->name) && lookup->pull == call->pull)
            return lookup;
    }
    struct lookup *lookup = bsc_alloc(sizeof *lookup);
    lookup->images = images;
    lookup->name = bsc_copy(call->name);
    lookup->pull = call->pull;
    bsc_list_init(&lookup->wishes);
    bsc_list_add_tail(&images->lookups, &lookup->link);
    if (call->pull == BSC_PULL_ALWAYS && !is_id(call->name))
        pull(lookup);
    else
        look(lookup);
    return lookup;
}

struct bsc_docker_image_wish *bsc_docker_image_get(struct bsc_docker_images *images,
                                                   const struct bsc_docker_image_call *call)
{
    struct lookup *lookup = lookup_of(images, call);
    struct bsc_docker_image_wish *wish = bsc_alloc(sizeof *wish);
    *wish = (struct bsc_docker_image_wish){ .on_progress = call->on_progress,
                                            .on_done = call->on_done,
                                            .argument = call->argument };
    bsc_list_add_tail(&lookup->wishes, &wish->link);
    return wish;
}

/* A download that nobody waits for any more goes on: the next one to ask finds what is there. */
void bsc_docker_image_cancel(struct bsc_docker_image_wish *wish)
{
    bsc_list_remove(&wish->link);
    free(wish);
}

struct bsc_docker_images *bsc_docker_images_create(struct bsc_docker *docker)
{
    struct bsc_docker_images *images = bsc_alloc(sizeof *images);
    images->docker = docker;
    bsc_list_init(&images->lookups);
    return images;
}

void bsc_docker_images_destroy(struct bsc_docker_images *images)
{
    struct bsc_list *first, *node;
    while ((first = bsc_list_pop(&images->lookups))) {
        struct lookup *lookup = BSC_CONTAINER(first, struct lookup, link);
        while ((node = bsc_list_pop(&lookup->wishes)))
            free(BSC_CONTAINER(node, struct bsc_docker_image_wish, link));
        free_lookup(lookup);
    }
    free(images);
}
