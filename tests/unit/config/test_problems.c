/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with a bascule.yaml, word for word: line, key, what was found, what is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

/* All problems of `text`, a line each: "LINE: KEY: TEXT". */
static void problems_are(const char *text, size_t size, const char *wanted)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_text told = { 0 };
    struct bsc_config *config = bsc_config_parse("/nowhere/bascule.yaml", text, size, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        assert_string_equal(problems.items[i].file, "/nowhere/bascule.yaml");
        bsc_text_printf(&told, "%s%u: %s: %s", i ? "\n" : "", problems.items[i].line,
                        problems.items[i].key, problems.items[i].text);
    }
    assert_string_equal(bsc_text_get(&told), wanted);
    assert_null(config);
    bsc_text_deinit(&told);
    bsc_config_problems_deinit(&problems);
}

struct bad {
    const char *text, *problems;
};

static void each_is_told(const struct bad *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        problems_are(cases[i].text, strlen(cases[i].text), cases[i].problems);
}

#define EACH_IS_TOLD(cases) each_is_told(cases, sizeof(cases) / sizeof *(cases))

/* A service that is right but for what is added. */
#define WEB "services:\n  web:\n    command: app\n"

static void what_is_not_yaml(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "", "0: : is empty; it must name at least \"services:\"" },
        { "# nothing\n", "0: : is empty; it must name at least \"services:\"" },
        { "---\n...\n", "0: : is empty; it must name at least \"services:\"" },
        { "services:\n\tweb: {}\n",
          "2: : is not YAML: found character that cannot start any token while scanning for the "
          "next token that began in line 2; a tab indents this line, only spaces may" },
        { "services:\n  web: { command: app\n",
          "3: : is not YAML: did not find expected ',' or '}' while parsing a flow mapping that "
          "began in line 2" },
        { "services:\n  web:\n    command: [app, --port=${PORT}]\n",
          "3: : is not YAML: did not find expected ',' or ']' while parsing a flow sequence that "
          "began in line 3; inside [ ] and { } a text with ${...} needs quotes" },
        { "services:\n  web: \xff\n", "2: : is not text in UTF-8 without control characters: "
                                      "invalid leading UTF-8 octet (byte 0xff)" },
        { "services:\n  web: \x01\n", "2: : is not text in UTF-8 without control characters: "
                                      "control characters are not allowed (byte 0x01)" },
        { "services: {}\n---\nservices: {}\n",
          "2: : has a second document (---); only one is accepted" },
        { "- a\n",
          "1: : expected a map with listen, tls, proxy, ports and services, found a list" },
        { "text\n",
          "1: : expected a map with listen, tls, proxy, ports and services, found 'text'" },
    };
    EACH_IS_TOLD(cases);
}

static void what_could_make_a_file_grow_or_mislead(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "services:\n  a: &x { command: app }\n  b: *x\n",
          "2: services.a: anchors (&name) are not accepted\n"
          "3: services.b: aliases (*name) are not accepted: write the value out\n"
          "3: services.b: expected a map with command, image, pull_policy, network_mode, expose, "
          "entrypoint, working_dir, volumes, mem_limit, cpus, stop_signal, directory, "
          "environment, env_file, user, "
          "replicas, restart, stop_grace_period, route, routes, balance, hash, affinity, "
          "slow_start, max_requests, queue, ejection, retry, release, depends_on, errors, "
          "protocol, "
          "listen, listen_tls, "
          "proxy_protocol, upstream_tls, "
          "limits, "
          "rate_limit, error_pages, "
          "targets, timeouts, hold, "
          "health, deploy and hooks, found nothing" },
        { WEB "    user: !!str root\n", "4: services.web.user: tags (!name) are not accepted" },
        { WEB "    directory: \"a\\0b\"\n",
          "4: services.web.directory: a value holds the control character 0x00\n"
          "4: services.web.directory: directory /nowhere/a?b: No such file or directory" },
        { WEB "    environment: { A: \"\\e[2J\" }\n",
          "4: services.web.environment.A: a value holds the control character 0x1b" },
        { "services: { \"a\\nb\": { command: app } }\n",
          "1: services: a key holds the control character 0x0a\n"
          "1: services.a?b: 'a?b' is not a service name: a letter a-z, then up to 62 of a-z, 0-9 "
          "and '-', not ending with '-'" },
        { "services: { ? [a] : b }\n", "1: services: a list or map can't be a key" },
        { "services: { ? \"\" : {} }\n",
          "1: services: a key is empty\n"
          "1: services.: '' is not a service name: a letter a-z, then up to 62 of a-z, 0-9 and "
          "'-', not ending with '-'\n"
          "1: services.: has neither command (what bascule runs), nor image (the same, in "
          "containers), nor targets (addresses that something else runs)" },
        { "*x : y\nservices: {}\n", "1: : aliases (*name) are not accepted: write the value out\n"
                                    "1: *: unknown key '*'; accepted are listen, tls, proxy, ports "
                                    "and services" },
    };
    EACH_IS_TOLD(cases);
}

static void what_is_too_much(void **unused)
{
    (void)unused;
    enum { SIZE = (4 << 20) + 1 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, '#', SIZE);
    problems_are(text, SIZE, "0: : is 4194305 bytes long; 4194304 are accepted");
    memset(text, '[', SIZE);
    problems_are(text, 100000,
                 "1: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
                 "[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than "
                 "32 levels");
    free(text);
}

/* `count` times `piece` (with its number where it has a %d) after `head`. */
static void too_many(const char *head, const char *piece, int count, const char *wanted)
{
    struct bsc_text text = { 0 };
    bsc_text_puts(&text, head);
    for (int i = 0; i < count; i++) {
        bsc_text_puts(&text, piece);
        bsc_text_printf(&text, "%d: x\n", i);
    }
    problems_are(bsc_text_get(&text), text.size, wanted);
    bsc_text_deinit(&text);
}

static void what_is_too_many(void **unused)
{
    (void)unused;
    too_many("services:\n", "  s", 10001, "1: services: has 10001 services; 10000 are accepted");
    too_many(WEB "    environment:\n", "      A", 1001,
             "4: services.web.environment: has 1001 variables; 1000 are accepted");
    too_many(WEB "    env_file:\n", "      - ", 1001,
             "4: services.web.env_file: has 1001 entries; 1000 are accepted");
    too_many(WEB "    route:\n", "      - path", 1001,
             "4: services.web.route: has 1001 routes; 1000 are accepted");
}

static void unknown_keys_with_what_was_meant(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "service: {}\n",
          "0: services: is missing: a map of services by name (services: {} for none)\n"
          "1: service: unknown key 'service'; did you mean services?" },
        { "services: {}\nversion: 3\n", "2: version: unknown key 'version'; accepted are listen, "
                                        "tls, proxy, ports and services" },
        { WEB "    enviroment: {}\n", "4: services.web.enviroment: unknown key 'enviroment'; did "
                                      "you mean environment?" },
        { WEB "    health: { pth: / }\n",
          "4: services.web.health.pth: unknown key 'pth'; did you mean path?" },
        { WEB "    health:\n      intervall: 1s\n", "5: services.web.health.intervall: unknown key "
                                                    "'intervall'; did you mean interval?" },
        { WEB "    interval: 1s\n", "4: services.web.interval: unknown key 'interval'; did you "
                                    "mean health.interval?" },
        { WEB "    healthcheck: {}\n", "4: services.web.healthcheck: unknown key 'healthcheck'; "
                                       "did you mean health?" },
        { WEB "    hold: { zzz: 1 }\n",
          "4: services.web.hold.zzz: unknown key 'zzz'; accepted are max and timeout" },
        { WEB "    health.path: /\n", "4: services.web.health.path: unknown key 'health.path'; "
                                      "write its parts as maps, one inside the other" },
        { WEB "    name: x\n", "4: services.web.name: unknown key 'name'; accepted are command, "
                               "image, pull_policy, network_mode, expose, entrypoint, "
                               "working_dir, volumes, mem_limit, cpus, stop_signal, "
                               "directory, environment, env_file, user, replicas, restart, "
                               "stop_grace_period, route, routes, balance, hash, affinity, "
                               "slow_start, max_requests, queue, ejection, retry, release, "
                               "depends_on, errors, protocol, "
                               "listen, listen_tls, "
                               "proxy_protocol, upstream_tls, limits, "
                               "rate_limit, error_pages, targets, timeouts, "
                               "hold, health, deploy and hooks" },
        { WEB "    route: { prefix: / }\n", "4: services.web.route.prefix: unknown key 'prefix'; "
                                            "accepted are host and path" },
        { WEB "    ? \"\\x1b\"\n    : 1\n",
          "4: services.web: a key holds the control character 0x1b\n"
          "4: services.web.?: unknown key '?'; accepted are command, image, pull_policy, "
          "network_mode, "
          "expose, entrypoint, working_dir, volumes, mem_limit, cpus, stop_signal, directory, "
          "environment, "
          "env_file, user, replicas, restart, stop_grace_period, route, routes, balance, hash, "
          "affinity, "
          "slow_start, max_requests, queue, ejection, retry, release, depends_on, errors, "
          "protocol, "
          "listen, listen_tls, proxy_protocol, upstream_tls, "
          "limits, "
          "rate_limit, error_pages, targets, "
          "timeouts, hold, health, deploy and hooks" },
    };
    EACH_IS_TOLD(cases);
}

#define DB "services:\n  db:\n    command: db\n    protocol: tcp\n"

static void services_of_tcp(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { DB, "4: services.db.listen: is missing: a service with protocol: tcp is found by an "
              "address of its own, such as listen: 5432" },
        { DB "    listen: db\n",
          "5: services.db.listen: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found 'db'" },
        { WEB "    listen: 5432\n",
          "4: services.web.listen: is for a service with protocol: tcp; requests of HTTP arrive at "
          "the listen.http of the whole file and find a service by its route" },
        { DB "    listen: 5432\n    route: { path: / }\n    timeouts: { answer: 1s }\n",
          "6: services.db.route: is for HTTP, but this service has protocol: tcp\n"
          "7: services.db.timeouts.answer: is for HTTP, but this service has protocol: tcp" },
        { DB "    listen: 8080\n",
          "5: services.db.listen: 0.0.0.0:8080 is already listened at by listen.http (its "
          "default)\n"
          "5: services.db.listen: [::]:8080 is already listened at by listen.http (its default)" },
        { "listen: { http: 127.0.0.1:80 }\nservices:\n"
          "  a: { command: a, protocol: tcp, listen: \"127.0.0.1:80\" }\n"
          "  b: { command: b, protocol: tcp, listen: 127.0.0.1:90 }\n"
          "  c: { command: c, protocol: tcp, listen: [127.0.0.1:91, \"127.0.0.1:90\"] }\n",
          "3: services.a.listen: 127.0.0.1:80 is already listened at by listen.http\n"
          "5: services.c.listen: 127.0.0.1:90 is already listened at by services.b.listen" },
    };
    EACH_IS_TOLD(cases);
}

static void keys_that_are_there_twice(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { WEB "    user: root\n    replicas: 2\n    user: daemon\n",
          "6: services.web.user: is there twice, first in line 4" },
        { "services:\n  web: { command: a }\n  api: { command: a }\n  web: { command: b }\n",
          "4: services.web: is there twice, first in line 2" },
        { "services: { a: { command: x } }\nservices: { b: { command: y }, c: { command: z } }\n",
          "2: services: is there twice, first in line 1" },
        { WEB "    environment: [A=1, B=2, A=3]\n", "4: services.web.environment: has A twice" },
        { WEB "    route: { path: /a }\n    routes: [{ path: /b }]\n",
          "5: services.web.routes: there is a route already; put all of them into one list" },
        { "listen: { http: [8080, \"[::]:8080\"] }\n" WEB, "1: listen.http: has [::]:8080 twice" },
    };
    EACH_IS_TOLD(cases);
}

static void values_of_the_wrong_kind(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { WEB "    replicas: two\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found 'two'" },
        { WEB "    replicas: 0\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found '0'" },
        { WEB "    replicas: 257\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found '257'" },
        { WEB "    replicas: -1\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found '-1'" },
        { WEB "    replicas: 99999999999999999999\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found "
          "'99999999999999999999'" },
        { WEB "    replicas:\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found nothing" },
        { WEB "    replicas: [1]\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found a list" },
        { WEB "    health: { interval: 5 }\n",
          "4: services.web.health.interval: expected a duration from 10ms to 1h such as 250ms, "
          "1.5s or 1m30s, found '5'" },
        { WEB "    health: { interval: 2h }\n",
          "4: services.web.health.interval: expected a duration from 10ms to 1h such as 250ms, "
          "1.5s or 1m30s, found '2h'" },
        { WEB "    health: { min_healthy_percent: 101% }\n",
          "4: services.web.health.min_healthy_percent: expected a percentage from 1 to 100 such as "
          "75 or 75%, found '101%'" },
        { WEB "    health: { status: 399-200 }\n",
          "4: services.web.health.status: expected a status or a range of them from 100 to 599 "
          "such as 200 or 200-399, found '399-200'" },
        { WEB "    health: { tcp: yes }\n",
          "4: services.web.health.tcp: expected true or false, found 'yes'" },
        { WEB "    health: 5s\n",
          "4: services.web.health: expected a map with path, host, port, status, tcp, command, "
          "running, "
          "interval, timeout, rise, fall, deadline and min_healthy_percent, found '5s'" },
        { WEB "    restart: sometimes\n", "4: services.web.restart: expected always or on-failure "
                                          "or never, found 'sometimes'" },
        { WEB "    balance: random\n", "4: services.web.balance: expected round-robin or "
                                       "least-requests or hash, found 'random'" },
        { WEB "    hash: { header: X }\n", "4: services.web.hash: is for balance: hash" },
        { WEB "    balance: hash\n    hash: { header: X,\n      cookie: Y }\n",
          "6: services.web.hash.cookie: there is another one already; accepted is one of them" },
        { WEB "    affinity: { secure: true }\n",
          "4: services.web.affinity: says not by what; accepted is one of cookie, header and "
          "client_address\n"
          "4: services.web.affinity.secure: is for affinity.cookie" },
        { WEB "    affinity: { cookie: a, samesite: none }\n",
          "4: services.web.affinity.samesite: none is refused by browsers without "
          "affinity.secure: true" },
        { WEB "    affinity: { cookie: a b }\n",
          "4: services.web.affinity.cookie: expected a name of up to 64 letters, digits and any "
          "of !#$%&'*+-.^_`|~, found 'a b'" },
        { WEB "    deploy: { strategy: waterfall }\n",
          "4: services.web.deploy.strategy: expected blue-green or canary or rolling or "
          "recreate or shadow or ab, found 'waterfall'" },
        { "ports: 80-90\n" WEB,
          "1: ports: expected a range of ports from 1024 to 65535 such as 21000-21999, found "
          "'80-90'" },
        { "proxy: { workers: 65 }\n" WEB,
          "1: proxy.workers: expected a whole number from 1 to 64, found '65'" },
        { "services: [web]\n", "1: services: expected a map of services by name, found a list" },
        { "services:\n", "1: services: expected a map of services by name, found nothing" },
    };
    EACH_IS_TOLD(cases);
}

static void commands_and_variables(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "services: { web: { command: [] } }\n",
          "1: services.web.command: expected a command, found an empty one" },
        { "services: { web: { command: \"  \" } }\n",
          "1: services.web.command: expected a command, found an empty one" },
        { "services: { web: { command: [\"\", a] } }\n",
          "1: services.web.command: expected a command, found an empty one" },
        { "services: { web: { command: [app, [x], {}] } }\n",
          "1: services.web.command[1]: expected a text, found a list\n"
          "1: services.web.command[2]: expected a text, found a map" },
        { "services: { web: { command: { a: b } } }\n",
          "1: services.web.command: expected a command: a list of program and arguments, or one "
          "text for /bin/sh, found a map" },
        { WEB "    hooks: { pre_deploy: [a, \"${HOME}\"] }\n",
          "4: services.web.hooks.pre_deploy.command[1]: unknown variable ${HOME}; accepted are "
          "${VERSION}, ${SERVICE}, ${PORT}, ${SLOT} and ${INSTANCE} (\"$${\" stands for a literal "
          "\"${\", and "
          "$NAME without braces is left to the shell)" },
        { WEB "    directory: r/${VERSION\n",
          "4: services.web.directory: \"${\" without \"}\"; accepted are ${VERSION}, "
          "${SERVICE}, ${PORT}, ${SLOT} and ${INSTANCE} (\"$${\" stands for a literal \"${\", and "
          "$NAME without braces "
          "is left to the shell)" },
        { WEB "    hooks: { pre_deploy: { undo: x } }\n",
          "4: services.web.hooks.pre_deploy.command: is missing" },
        { WEB "    hooks: { pre_deploy: }\n", "4: services.web.hooks.pre_deploy: expected a map "
                                              "with command, timeout, once and undo, found "
                                              "nothing" },
        { WEB "    environment: { 1A: x, \"A B\": y, PORT: 1, C: [], D: }\n",
          "4: services.web.environment.1A: expected a variable's name of letters, digits and '_', "
          "found '1A'\n"
          "4: services.web.environment.A B: expected a variable's name of letters, digits and '_', "
          "found 'A B'\n"
          "4: services.web.environment.PORT: PORT is set by bascule for each instance and can't be "
          "set here\n"
          "4: services.web.environment.C: expected a text (\"\" for an empty one), found a list\n"
          "4: services.web.environment.D: expected a text (\"\" for an empty one), found nothing" },
        { WEB "    environment: [A, =1]\n",
          "4: services.web.environment[0]: expected NAME=VALUE, found 'A'\n"
          "4: services.web.environment[1]: expected a variable's name of letters, digits and '_', "
          "found an empty one" },
        { WEB "    environment: A=1\n", "4: services.web.environment: expected a map of variables, "
                                        "or a list of NAME=VALUE, found 'A=1'" },
    };
    EACH_IS_TOLD(cases);
}

static void paths_users_and_addresses(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { WEB "    directory: releases\n", "4: services.web.directory: directory "
                                           "/nowhere/releases: No such file or directory" },
        { WEB "    directory: /etc/passwd\n",
          "4: services.web.directory: /etc/passwd is not a directory" },
        { WEB "    directory: \"\"\n",
          "4: services.web.directory: expected the path of a directory, found ''" },
        { WEB "    env_file: [a.env, \"b-${VERSION}.env\", /etc]\n",
          "4: services.web.env_file[0]: file /nowhere/a.env: No such file or directory\n"
          "4: services.web.env_file[2]: /etc is not a file" },
        { WEB "    user: no-such-user\n",
          "4: services.web.user: there is no user 'no-such-user' on this machine" },
        { WEB "    user: a b\n",
          "4: services.web.user: expected the name of a user of this machine, or of a "
          "container's, found 'a b'" },
        { WEB "    health: { path: health }\n",
          "4: services.web.health.path: expected a request target that starts with '/', without "
          "spaces and '#', found 'health'" },
        { WEB "    health: { host: \"a b\" }\n",
          "4: services.web.health.host: expected a host name such as shop.example or "
          "shop.example:8080, found 'a b'" },
        { "listen: { http: localhost }\n" WEB,
          "1: listen.http: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found 'localhost'" },
        { "listen: { http: [0, 65536, \"1.2.3:80\", \"::1:80\"] }\n" WEB,
          "1: listen.http[0]: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found '0'\n"
          "1: listen.http[1]: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found '65536'\n"
          "1: listen.http[2]: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found '1.2.3:80'\n"
          "1: listen.http[3]: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found '::1:80'" },
        { "listen: { http: [] }\n" WEB,
          "1: listen.http: has 0 addresses; from 1 to 16 are accepted" },
        { "services:\n  web:\n    targets: { blue: [\"db.example:80\", \"unix:run\", "
          "\"[::1]:80 weight=101\"], green: [] "
          "}\n",
          "3: services.web.targets.blue[0]: expected a numeric address with a port "
          "(127.0.0.1:3000, [::1]:3000) or unix:/PATH, with or without weight=1 to 100 "
          "behind it, found 'db.example:80'\n"
          "3: services.web.targets.blue[1]: expected a numeric address with a port "
          "(127.0.0.1:3000, [::1]:3000) or unix:/PATH, with or without weight=1 to 100 "
          "behind it, found 'unix:run'\n"
          "3: services.web.targets.blue[2]: expected a numeric address with a port "
          "(127.0.0.1:3000, [::1]:3000) or unix:/PATH, with or without weight=1 to 100 "
          "behind it, found '[::1]:80 weight=101'\n"
          "3: services.web.targets.green: expected at least one address, found an empty list" },
    };
    EACH_IS_TOLD(cases);
}

static void routes(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "services:\n  web:\n    command: a\n    route: { host: shop.example }\n"
          "  api:\n    command: b\n    route:\n      - { path: /api }\n"
          "      - { host: SHOP.example, path: / }\n",
          "9: services.api.route: shop.example/ is the route of service 'web' (line 4) and of "
          "service 'api'" },
        { WEB "    route: [{}, { path: / }]\n",
          "4: services.web.route: any host, path / is the route of service 'web' (line 4) and of "
          "service 'web'" },
        { WEB "    route: { host: \"shop.example:80\" }\n",
          "4: services.web.route.host: expected a host name without a port such as shop.example, "
          "or *.shop.example for one level below it, found 'shop.example:80'" },
        { WEB "    route: { host: \"*\" }\n",
          "4: services.web.route.host: expected a host name without a port such as shop.example, "
          "or *.shop.example for one level below it, found '*'" },
        { WEB "    routes: [{ path: api }, { path: /a?b }, { path: /a/../b }, { path: //a }]\n",
          "4: services.web.routes[0].path: expected a path that starts with '/', without '?', "
          "spaces, empty, '.' and '..' segments, found 'api'\n"
          "4: services.web.routes[1].path: expected a path that starts with '/', without '?', "
          "spaces, empty, '.' and '..' segments, found '/a?b'\n"
          "4: services.web.routes[2].path: expected a path that starts with '/', without '?', "
          "spaces, empty, '.' and '..' segments, found '/a/../b'\n"
          "4: services.web.routes[3].path: expected a path that starts with '/', without '?', "
          "spaces, empty, '.' and '..' segments, found '//a'" },
        { WEB "    route: shop.example\n", "4: services.web.route: expected a map with host and "
                                           "path, or a list of such maps, found 'shop.example'" },
        { WEB "    route: [shop.example]\n", "4: services.web.route[0]: expected a map with host "
                                             "and path, found 'shop.example'" },
    };
    EACH_IS_TOLD(cases);
}

static void keys_that_do_not_go_together(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "services:\n  web:\n    replicas: 2\n",
          "2: services.web: has neither command (what bascule runs), nor image (the same, in "
          "containers), nor targets (addresses that something else runs)" },
        { WEB "    targets: { blue: 127.0.0.1:1, green: 127.0.0.1:2 }\n",
          "4: services.web: has both command and targets; a service is either a command that "
          "bascule runs, or targets, addresses that something else runs" },
        { "services:\n  web:\n    targets: { blue: 127.0.0.1:1, green: 127.0.0.1:2 }\n"
          "    replicas: 2\n    restart: never\n",
          "4: services.web.replicas: is for processes that bascule runs, but this service has "
          "targets, which something else runs\n"
          "5: services.web.restart: is for processes that bascule runs, but this service has "
          "targets, which something else runs" },
        { "services:\n  web:\n    targets: { blue: 127.0.0.1:1 }\n",
          "3: services.web.targets.green: is missing: both environments need their addresses" },
        { "services:\n  web:\n    targets:\n      blue: [127.0.0.1:1, 127.0.0.1:1]\n"
          "      green: localhost:1\n",
          "4: services.web.targets.blue: has 127.0.0.1:1, which is already in targets.blue\n"
          "5: services.web.targets.green: has 127.0.0.1:1, which is already in targets.blue" },
        { WEB "    health: { tcp: true, path: /, port: 1 }\n",
          "4: services.web.health.path: is for an HTTP check, but this one is made by health.tcp" },
        { WEB "    health: { command: x, tcp: true, status: 200, port: 1 }\n",
          "4: services.web.health.tcp: there is a health.command already; accepted is one of path, "
          "tcp and command\n"
          "4: services.web.health.status: is for an HTTP check, but this one is made by "
          "health.command\n"
          "4: services.web.health.port: is for an HTTP or TCP check, but this one is made by "
          "health.command" },
        { "ports: 21000-21002\n" WEB "    replicas: 2\n",
          "1: ports: 21000-21002 are 3 ports, too few for 2 instances in two environments" },
        { "services: { Web: { command: app } }\n",
          "1: services.Web: 'Web' is not a service name: a letter a-z, then up to 62 of a-z, 0-9 "
          "and '-', not ending with '-'" },
    };
    EACH_IS_TOLD(cases);
}

static void all_problems_are_told_in_the_order_of_the_file(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "listen:\n  htp: 1\nservices:\n  web:\n    replicas: two\n    health:\n"
          "      interval: soon\n    user: root\n    user: root\n",
          "2: listen.htp: unknown key 'htp'; did you mean http?\n"
          "4: services.web: has neither command (what bascule runs), nor image (the same, in "
          "containers), nor targets (addresses that something else runs)\n"
          "5: services.web.replicas: expected a whole number from 1 to 256, found 'two'\n"
          "7: services.web.health.interval: expected a duration from 10ms to 1h such as 250ms, "
          "1.5s or 1m30s, found 'soon'\n"
          "9: services.web.user: is there twice, first in line 8" },
    };
    EACH_IS_TOLD(cases);
}

static void a_file_that_is_not_there(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { "/nowhere/bascule.yaml",
          "there is no such file; name yours with --config FILE or BASCULE_CONFIG, or start from "
          "examples/hello/bascule.yaml and try it with `bascule config check`" },
        { "/etc", "is not a file" },
        { "/dev/null", "is not a file" },
        { "/etc/passwd/x", "can't be opened: Not a directory" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_config_problems problems = { 0 };
        assert_null(bsc_config_read(cases[i].text, &problems));
        assert_int_equal(problems.count, 1);
        assert_int_equal(problems.items[0].line, 0);
        assert_string_equal(problems.items[0].text, cases[i].problems);
        bsc_config_problems_deinit(&problems);
    }
}

static void a_flood_of_problems_is_cut(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    bsc_text_puts(&text, "services: {}\n");
    for (int i = 0; i < 5000; i++)
        bsc_text_printf(&text, "unknown%d: 1\n", i);
    struct bsc_config_problems problems = { 0 };
    assert_null(bsc_config_parse("x", bsc_text_get(&text), text.size, &problems));
    assert_int_equal(problems.count, 101);
    assert_string_equal(problems.items[100].text, "there are more problems than are shown");
    bsc_config_problems_deinit(&problems);
    bsc_text_deinit(&text);
}

static void what_was_found_is_shown_short_and_harmless(void **unused)
{
    (void)unused;
    static const struct bad cases[] = {
        { WEB "    replicas: \"\\t\\u200b"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
          "4: services.web.replicas: expected a whole number from 1 to 256, found "
          "'\\x09\u200baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },
    };
    EACH_IS_TOLD(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_yaml),
        cmocka_unit_test(what_could_make_a_file_grow_or_mislead),
        cmocka_unit_test(what_is_too_much),
        cmocka_unit_test(what_is_too_many),
        cmocka_unit_test(unknown_keys_with_what_was_meant),
        cmocka_unit_test(keys_that_are_there_twice),
        cmocka_unit_test(values_of_the_wrong_kind),
        cmocka_unit_test(commands_and_variables),
        cmocka_unit_test(paths_users_and_addresses),
        cmocka_unit_test(routes),
        cmocka_unit_test(services_of_tcp),
        cmocka_unit_test(keys_that_do_not_go_together),
        cmocka_unit_test(all_problems_are_told_in_the_order_of_the_file),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(a_flood_of_problems_is_cut),
        cmocka_unit_test(what_was_found_is_shown_short_and_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
