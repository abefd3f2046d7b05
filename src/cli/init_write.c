/* SPDX-License-Identifier: Apache-2.0
 * cli/init_write.c - the file that `bascule init` writes; see init.h. */
#include <string.h>

#include "cli/init.h"

/* In double quotes, as YAML and JSON have them. */
static void add_quoted(struct bsc_text *out, const char *text)
{
    bsc_text_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            bsc_text_puts(out, "\\");
        if ((unsigned char)*text < ' ')
            bsc_text_printf(out, "\\x%02x", (unsigned char)*text);
        else
            bsc_text_add(out, text, 1);
    }
    bsc_text_puts(out, "\"");
}

/* What each strategy is set up with: all of it but `strategy` has these defaults. */
static const struct {
    const char *strategy, *lines;
} sections[] = {
    { "blue-green",
      "      bake: 1m             # watched so long after the switch; harm takes it "
      "back at once\n"
      "      standby: 10m         # the old version stays warm: `bascule rollback` is "
      "instant\n" },
    { "canary", "      steps: [5%, 25%, 50%] # shares of the traffic, one after the other\n"
                "      bake: 1m             # each one watched so long, and until there are enough "
                "requests\n"
                "      scale: match         # instances grow with the share\n"
                "      standby: 10m         # the old version stays warm: `bascule rollback` is "
                "instant\n" },
    { "rolling", "      batch: 1             # instances replaced at a time\n"
                 "      max_surge: 1         # so many may run beyond `replicas` meanwhile\n"
                 "      max_unavailable: 0   # and so many may be missing\n" },
    { "recreate",
      "      bake: 1m             # watched so long after the switch; harm takes it back "
      "at once\n"
      "      standby: 10m         # how long the way back is kept\n" },
    { "shadow", "      shadow:\n"
                "        share: 10%         # of the requests are copied\n"
                "        duration: 10m\n" },
    { "ab", "      ab:\n"
            "        share: 50%         # of the users get the new version\n"
            "        duration: 7d       # at most\n"
            "        goals:             # what users do that counts\n"
            "          - { name: signup, path: /thanks }\n" },
};

static void add_service(const struct bsc_init_wish *wish, struct bsc_text *out)
{
    bsc_text_printf(out, "services:\n  %s:\n", wish->name);
    bsc_text_puts(out, "    # Starts one instance. It must listen at 127.0.0.1, at the port that "
                       "the variable PORT says.\n"
                       "    # ${VERSION} is what `bascule deploy` is given: use it to find the "
                       "right code, as in\n"
                       "    # directory: releases/${VERSION}\n"
                       "    command: ");
    add_quoted(out, wish->command);
    bsc_text_printf(out, "\n    replicas: %d            # instances of a version\n",
                    !strcmp(wish->strategy, "recreate") ? 1 : 2);
    bsc_text_puts(out, "    stop_grace_period: 10s # between SIGTERM and SIGKILL\n\n"
                       "    # Which requests are for this service; `host: shop.example` may be "
                       "added.\n"
                       "    route: { path: / }\n\n"
                       "    # A version gets no request before it answers here with a status from "
                       "200 to 399.\n"
                       "    health:\n"
                       "      path: /health\n"
                       "      interval: 1s\n"
                       "      timeout: 2s\n"
                       "      deadline: 1m         # a version that is not healthy by then is "
                       "stopped\n\n");
    if (!strcmp(wish->strategy, "ab"))
        bsc_text_puts(out, "    # Each user stays with a version.\n"
                           "    affinity: { cookie: visitor }\n\n");
}

void bsc_init_write(const struct bsc_init_wish *wish, struct bsc_text *out)
{
    bsc_text_puts(out, "# Written by `bascule init`; yours to change. Every key: "
                       "`bascule config reference`.\n"
                       "#\n"
                       "#   bascule config check        is it right?\n"
                       "#   bascule serve &             the daemon\n");
    bsc_text_printf(out, "#   bascule deploy %s v1\n\n", wish->name);
    bsc_text_printf(out,
                    "listen:\n  http: 127.0.0.1:%u   # where clients come in; a port alone is "
                    "open to all\n\n",
                    wish->port);
    add_service(wish, out);
    bsc_text_puts(out, "    deploy:\n");
    if (wish->because)
        bsc_text_printf(out, "      # %s: %s.\n", wish->strategy, wish->because);
    bsc_text_printf(out, "      strategy: %s\n", wish->strategy);
    for (unsigned i = 0; i < sizeof sections / sizeof *sections; i++)
        if (!strcmp(sections[i].strategy, wish->strategy))
            bsc_text_puts(out, sections[i].lines);
}
