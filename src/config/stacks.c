/* SPDX-License-Identifier: Apache-2.0
 * config/stacks.c - depends_on: services that are there, in an order in which they can start.
 */
#include <string.h>

#include "base/suggest.h"
#include "config/keys.h"
#include "core/configuration.h"
#include "core/stack.h"

static const struct bsc_node *child_of(const struct bsc_node *map, const char *key)
{
    const struct bsc_node *node = map && map->kind == BSC_NODE_MAP ? map->first : NULL;
    while (node && strcmp(node->key, key) != 0)
        node = node->next;
    return node;
}

static const struct bsc_node *given_for(const struct bsc_node *services, const char *service)
{
    return child_of(child_of(services, service), "depends_on");
}

/* Where the name is written. */
static unsigned line_of(const struct bsc_node *given, const char *name)
{
    const struct bsc_node *item = given && given->kind == BSC_NODE_LIST ? given->first : NULL;
    while (item && (item->kind != BSC_NODE_TEXT || strcmp(item->text, name) != 0))
        item = item->next;
    return item ? item->line : given ? given->line : 0;
}

static void add_problem(struct bsc_reader *reader, const struct bsc_node *services,
                        const char *service, const char *name, const char *text)
{
    bsc_reader_problem(reader, line_of(given_for(services, service), name),
                       bsc_arena_printf(reader->scratch, "services.%s.depends_on", service), "%s",
                       text);
}

static void say_unknown(struct bsc_reader *reader, const struct bsc_config *config,
                        const struct bsc_node *services, const char *service, const char *name)
{
    struct bsc_suggestions suggestions;
    bsc_suggest_begin(&suggestions, name);
    for (unsigned i = 0; i < config->service_count; i++)
        bsc_suggest_offer(&suggestions, config->services[i]->name);
    add_problem(reader, services, service, name,
                bsc_arena_printf(reader->scratch, "there is no service '%s'%s", name,
                                 bsc_suggest_end(&suggestions)));
    bsc_suggest_deinit(&suggestions);
}

void bsc_stacks_check(struct bsc_reader *reader, const struct bsc_config *config,
                      const struct bsc_node *services)
{
    unsigned count = config->service_count;
    struct bsc_stack_member *members = bsc_arena_alloc(reader->scratch, count * sizeof *members);
    bool related = false;
    for (unsigned i = 0; i < count; i++) {
        members[i] = (struct bsc_stack_member){ .spec = config->services[i] };
        related = related || config->services[i]->depends_on.count;
    }
    if (!related)
        return;
    for (unsigned i = 0; i < count; i++)
        for (unsigned d = 0; d < members[i].spec->depends_on.count; d++) {
            const char *name = members[i].spec->depends_on.items[d];
            if (!bsc_stack_find(members, count, name))
                say_unknown(reader, config, services, members[i].spec->name, name);
        }
    const struct bsc_stack_member *first = bsc_stack_order(members, count);
    if (!first)
        return;
    const struct bsc_stack_member *member = first;
    struct bsc_text circle = { 0 };
    do {
        bsc_text_printf(&circle, "%s -> ", member->spec->name);
        member = member->before;
    } while (member != first);
    add_problem(reader, services, first->spec->name, first->before->spec->name,
                bsc_arena_printf(reader->scratch,
                                 "%s%s goes in a circle: none of them could start first",
                                 bsc_text_get(&circle), first->spec->name));
    bsc_text_deinit(&circle);
}
