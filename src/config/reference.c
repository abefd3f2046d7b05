/* SPDX-License-Identifier: Apache-2.0
 * config/reference.c - docs/configuration.md. Made from the key table. */
#include <string.h>

#include "config/keys.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "One YAML file, `bascule.yaml`, names the services and says how each is run, reached, checked "
    "and\n"
    "released. `bascule config check` tells everything that is wrong with it, `bascule apply` puts "
    "it in\n"
    "force, and `bascule plan` shows what would change. An editor that knows JSON schemas can use\n"
    "[bascule.schema.json](bascule.schema.json). Where Docker Compose has a word for something, "
    "the key\n"
    "here is that word.\n"
    "\n"
    "```yaml\n"
    "listen:\n"
    "  http: 8080\n"
    "services:\n"
    "  web:\n"
    "    command: [python3, app.py]\n"
    "    directory: releases/${VERSION}\n"
    "    environment: { LOG_LEVEL: info }\n"
    "    replicas: 2\n"
    "    route: { host: shop.example, path: / }\n"
    "    health: { path: /health, interval: 1s, timeout: 2s, rise: 2, fall: 3, deadline: 60s }\n"
    "    deploy: { strategy: blue-green, bake: 30s, standby: 10m }\n"
    "  legacy: # something else runs it: bascule only checks it and moves the traffic\n"
    "    targets: { blue: [127.0.0.1:3000], green: [127.0.0.1:3001] }\n"
    "    route: { host: shop.example, path: /legacy }\n"
    "```\n"
    "\n"
    "## Rules\n"
    "\n"
    "- An unknown key is an error, and so is a key that is there twice. All errors are told at "
    "once, with\n"
    "  the line, the key, what was found and what is accepted; a file with an error changes "
    "nothing.\n"
    "- Durations are written `250ms`, `1.5s`, `2m`, `1h30m`, `1d`.\n"
    "- A command that is a list is run as it is; one text is run by `/bin/sh -c`.\n"
    "- Relative paths start at the folder of the file.\n"
    "- Keys that take effect with the *next release* are stored with it: a release keeps running, "
    "restarts\n"
    "  and comes back in a rollback exactly as it was deployed.\n"
    "- The file is at most 4 MiB of UTF-8 and 32 levels deep. Anchors, aliases, tags, control\n"
    "  characters and a second document are refused.\n"
    "\n"
    "## Variables\n"
    "\n"
    "These stand in commands, `directory`, `environment` and `env_file`, and every instance has "
    "them in\n"
    "its environment:\n"
    "\n"
    "| variable | what |\n"
    "|---|---|\n"
    "| `${VERSION}` | the version that is deployed |\n"
    "| `${SERVICE}` | the service's name |\n"
    "| `${PORT}` | where this instance must listen, on 127.0.0.1 |\n"
    "| `${SLOT}` | `blue` or `green` |\n"
    "| `${INSTANCE}` | the instance's name, unique on this machine |\n"
    "\n"
    "Besides these an instance has SERVICE, the service's name. Hooks run for no instance: they "
    "have\n"
    "SERVICE, VERSION, SLOT, RELEASE (its number), ADDRESS (of the slot's first instance, when "
    "there is\n"
    "one) and ADDRESSES (of all of them), and `${PORT}` and `${INSTANCE}` are left as they are in "
    "them. With `deploy.preview` they have PREVIEW_URL, PREVIEW_ADDRESS and PREVIEW_HEADER, too, "
    "while\n"
    "there is something to be seen: preview.md.\n"
    "\n"
    "`$${` stands for a literal `${`. `$NAME` without braces is not touched, so a shell command "
    "can use\n"
    "its own variables. Inside `[ ]` and `{ }` YAML wants quotes around a text with braces: "
    "`[app, \"--port=${PORT}\"]`.\n";

/* A cell of a table: '|' would end it. */
static void add_cell(struct bsc_text *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            bsc_text_puts(out, "\\");
        bsc_text_add(out, text, 1);
    }
    bsc_text_puts(out, " | ");
}

static void add_code(struct bsc_text *out, const char *text)
{
    bsc_text_puts(out, "`");
    bsc_text_puts(out, text);
    bsc_text_puts(out, "` | ");
}

/* Errors tell a sample with what is expected ("... such as 250ms"), here is an example for that. */
static const char *without_sample(const char *expected, struct bsc_arena *arena)
{
    const char *sample = strstr(expected, " such as ");
    return sample ? bsc_arena_copy_bytes(arena, expected, (size_t)(sample - expected)) : expected;
}

static void add_key(struct bsc_text *out, struct bsc_arena *arena, const struct bsc_key *key,
                    const char *prefix)
{
    bsc_text_puts(out, "| ");
    add_code(out, bsc_arena_printf(arena, "%s%s", prefix, key->path));
    add_cell(out, key->text);
    add_cell(out, without_sample(key->type->expected(key, arena), arena));
    if (key->absent)
        add_cell(out, key->absent);
    else
        add_code(out, key->otherwise ? key->otherwise : "");
    if (key->example)
        add_code(out, key->example);
    else
        bsc_text_puts(out, "| ");
    bsc_text_printf(out, "%s |\n", bsc_effect_name(key->effect));
}

static const struct bsc_section *section_of(const struct bsc_key_table *table, const char *path)
{
    const struct bsc_section *section = table->sections;
    for (; section->path; section++) {
        size_t size = strlen(section->path);
        if (!strncmp(path, section->path, size) && path[size] == '.')
            break;
    }
    return section;
}

static void add_table(struct bsc_text *out, const struct bsc_key_table *table, const char *title,
                      const char *text, const char *prefix)
{
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    const struct bsc_section *section = NULL;
    bsc_text_printf(out, "\n## %s\n\n%s\n", title, text);
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *key = &table->keys[i];
        if (key->flags & BSC_KEY_STORED)
            continue;
        const struct bsc_section *next = section_of(table, key->path);
        if (next != section) {
            if (next->path)
                bsc_text_printf(out, "\n### %s\n\n%s\n", next->path, next->text);
            bsc_text_puts(out, "\n| key | meaning | accepted | default | example | takes effect |\n"
                               "|---|---|---|---|---|---|\n");
        }
        section = next;
        add_key(out, &arena, key, prefix);
    }
    bsc_arena_deinit(&arena);
}

void bsc_config_reference(struct bsc_text *out)
{
    bsc_text_puts(out, introduction);
    add_table(out, &bsc_config_keys, "The file", "The keys at the top.", "");
    add_table(out, &bsc_service_keys, "A service",
              "The keys of `services.NAME`. A service has either a `command` or `targets`.", "");
    add_table(out, &bsc_gate_keys, "A gate",
              "The keys of `services.NAME.deploy.gates`. Each has one of `smoke`, `probe`, "
              "`approval`, `load` and `query`.",
              "deploy.gates[].");
    add_table(out, &bsc_route_keys, "A route",
              "The keys of `services.NAME.route`. Two services can't have the same host and path.",
              "route.");
    add_table(out, &bsc_query_keys, "An external query",
              "The keys of `services.NAME.deploy.analysis.queries` and, but for `name`, of "
              "`deploy.gates[].query`; each has one of `prometheus`, `command` and `http`.",
              "");
    add_table(out, &bsc_error_rule_keys, "A rule for errors",
              "The keys of `services.NAME.errors.paths` and `.ignore`.", "");
    add_table(out, &bsc_rate_rule_keys, "A rate limit below a path",
              "The keys of `services.NAME.rate_limit.paths`; at most 32.", "");
    add_table(out, &bsc_goal_keys, "A goal", "The keys of `services.NAME.deploy.ab.goals`.",
              "deploy.ab.goals[].");
    add_table(out, &bsc_certificate_keys, "A certificate", "The keys of `tls.certificates`.",
              "tls.certificates[].");
}
