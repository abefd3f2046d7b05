/* SPDX-License-Identifier: Apache-2.0
 * config/keys.c - the keys of a service; see keys.h. A section's keys stand together, in the order
 * of the reference. */
#include "config/keys.h"

#include <assert.h>

#include "config/types.h"
#include "core/preview.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define SPEC(field) offsetof(struct bsc_spec, field)

enum { MS = 1, SECOND = 1000 * MS, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct bsc_choice balances[] = {
    { "round-robin", BSC_BALANCE_ROUND_ROBIN, false },
    { "least-requests", BSC_BALANCE_LEAST_REQUESTS, false },
    { "hash", BSC_BALANCE_HASH, false },
    { NULL, 0, false },
};

#define QUERY(field) offsetof(struct bsc_query_spec, field)

static const struct bsc_choice same_sites[] = {
    { "lax", BSC_SAME_SITE_LAX, false },
    { "strict", BSC_SAME_SITE_STRICT, false },
    { "none", BSC_SAME_SITE_NONE, false },
    { NULL, 0, false },
};

static const struct bsc_choice speeches[] = {
    { "http1", BSC_SPEECH_HTTP1, false },
    { "h2", BSC_SPEECH_H2, false },
    { "tcp", BSC_SPEECH_TCP, false },
    { NULL, 0, false },
};

/* Compose's words; `unless-stopped` can't differ from `always`, because who stops an instance here
 * is bascule itself. */
static const struct bsc_choice restarts[] = {
    { "always", BSC_RESTART_ALWAYS, false },
    { "unless-stopped", BSC_RESTART_ALWAYS, true },
    { "on-failure", BSC_RESTART_ON_FAILURE, false },
    { "never", BSC_RESTART_NEVER, false },
    { "no", BSC_RESTART_NEVER, true },
    { NULL, 0, false },
};

static const struct bsc_choice proxy_protocols[] = {
    { "off", BSC_PROXY_PROTOCOL_OFF, false },
    { "v1", BSC_PROXY_PROTOCOL_V1, false },
    { "v2", BSC_PROXY_PROTOCOL_V2, false },
    { NULL, 0, false },
};

static const struct bsc_choice retry_posts[] = {
    { "never", BSC_RETRY_POST_NEVER, false },
    { "with-key", BSC_RETRY_POST_KEYED, false },
    { "always", BSC_RETRY_POST_ALWAYS, false },
    { NULL, 0, false },
};

static const struct bsc_choice untils[] = {
    { "duration", BSC_UNTIL_DURATION, false },
    { "confident", BSC_UNTIL_CONFIDENT, false },
    { NULL, 0, false },
};

static const struct bsc_choice strategies[] = {
    { "blue-green", BSC_STRATEGY_BLUE_GREEN, false },
    { "canary", BSC_STRATEGY_CANARY, false },
    { "rolling", BSC_STRATEGY_ROLLING, false },
    { "recreate", BSC_STRATEGY_RECREATE, false },
    { "shadow", BSC_STRATEGY_SHADOW, false },
    { "ab", BSC_STRATEGY_AB, false },
    { NULL, 0, false },
};

static const struct bsc_choice after_shadow[] = {
    { "blue-green", BSC_AFTER_BLUE_GREEN, false },
    { "canary", BSC_AFTER_CANARY, false },
    { "stop", BSC_AFTER_STOP, false },
    { NULL, 0, false },
};

static const struct bsc_choice body_comparisons[] = {
    { "json", BSC_BODY_JSON, false },
    { "bytes", BSC_BODY_BYTES, false },
    { "none", BSC_BODY_NONE, false },
    { NULL, 0, false },
};

static const struct bsc_choice noises[] = {
    { "off", BSC_NOISE_COUNTS, false },
    { "learn", BSC_NOISE_LEARNT, false },
    { NULL, 0, false },
};

static const struct bsc_choice undecided[] = {
    { "back", BSC_UNDECIDED_BACK, false },
    { "keep", BSC_UNDECIDED_KEEP, false },
    { NULL, 0, false },
};

static const struct bsc_key route_keys[] = {
    { .path = "host",
      .type = &bsc_type_route_host,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_route, host),
      .absent = "any host",
      .text = "The host that requests ask for; an exact one wins over `*.`, and that over any.",
      .example = "shop.example" },
    { .path = "path",
      .type = &bsc_type_route_path,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_route, path),
      .otherwise = "/",
      .text =
          "The beginning of the path, in whole segments: `/api` is for `/api` and `/api/1`, not "
          "`/apis`; the longest one wins.",
      .example = "/api" },
};

static const struct bsc_section route_sections[] = { { NULL, NULL } };

const struct bsc_key_table bsc_route_keys = { COUNT_OF(route_keys), route_keys, route_sections };

static const struct bsc_choice on_errors[] = {
    { "hold", BSC_QUERY_HOLDS, false },
    { "abort", BSC_QUERY_ABORTS, false },
    { "ignore", BSC_QUERY_IGNORES, false },
    { NULL, 0, false },
};

static const struct bsc_key query_keys[] = {
#include "config/keys_queries.inc"
};

static const struct bsc_section query_sections[] = {
    { "prometheus", "The query is asked of a Prometheus; it must have one series." },
    { "http", "An HTTP request (GET): its status, or a number in the JSON of its answer." },
    { NULL, NULL },
};

const struct bsc_key_table bsc_query_keys = { COUNT_OF(query_keys), query_keys, query_sections };

static const struct bsc_key error_rule_keys[] = {
    { .path = "path",
      .type = &bsc_type_route_path,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_error_rule, path),
      .otherwise = "/",
      .text = "The beginning of the path, in whole segments.",
      .example = "/login" },
    { .path = "status",
      .type = &bsc_type_status_list,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_error_rule, statuses),
      .low = BSC_STATUS_LOW,
      .high = BSC_STATUS_HIGH,
      .absent = "none: it must be given",
      .text = "The statuses.",
      .example = "[401, 403]" },
};

const struct bsc_key_table bsc_error_rule_keys = { COUNT_OF(error_rule_keys), error_rule_keys,
                                                   route_sections };

#include "config/keys_gates.inc"
#include "config/keys_rates.inc"

static const struct bsc_key goal_keys[] = {
#include "config/keys_goal.inc"
};

const struct bsc_key_table bsc_goal_keys = { COUNT_OF(goal_keys), goal_keys, route_sections };

/* The first two lead, because a release's JSON is read by people, too. */
static const struct bsc_key service_keys[] = {
    { .path = "name",
      .type = &bsc_type_name,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_STORED,
      .offset = SPEC(name),
      .text = "The service." },
    { .path = "version",
      .type = &bsc_type_version,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_STORED,
      .offset = SPEC(version),
      .text = "The release." },

    { .path = "command",
      .type = &bsc_type_command,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_VARIABLES | BSC_KEY_PROCESS,
      .offset = SPEC(command),
      .absent = "required, unless there is an image or there are targets",
      .text = "What an instance runs, in the foreground and listening where PORT says; a list is "
              "run as it is, one text by `/bin/sh -c`.",
      .example = "[python3, app.py]" },
#include "config/keys_container.inc"
    { .path = "directory",
      .type = &bsc_type_directory,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_VARIABLES,
      .offset = SPEC(directory),
      .absent = "the folder of the file",
      .text = "The working directory; a relative one starts at the folder of the file.",
      .example = "releases/${VERSION}" },
    { .path = "environment",
      .type = &bsc_type_environment,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_VARIABLES,
      .offset = SPEC(environment),
      .absent = "none",
      .text = "Variables for the instances, besides those that bascule sets (see Variables).",
      .example = "{ LOG_LEVEL: info }" },
    { .path = "env_file",
      .type = &bsc_type_env_files,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_VARIABLES,
      .offset = SPEC(env_files),
      .absent = "none",
      .text = "Files of NAME=VALUE lines, read at each start; `environment` wins over them.",
      .example = "production.env" },
    { .path = "user",
      .type = &bsc_type_user,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(user),
      .absent = "the daemon's own; of a container the image's",
      .text = "Who the instances run as; only a daemon of root can change that. In a container the "
              "image's users count, or numbers such as 1000:1000.",
      .example = "www-data" },
    { .path = "replicas",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_PROCESS,
      .offset = SPEC(replicas),
      .low = 1,
      .high = 256,
      .otherwise = "1",
      .text = "How many instances a release has.",
      .example = "2" },
    { .path = "restart",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_PROCESS,
      .offset = SPEC(restart),
      .choices = restarts,
      .otherwise = "always",
      .text = "When an instance that exits is started again, after a growing pause; Compose's "
              "`unless-stopped` means `always`, and `no` means `never`." },
    { .path = "stop_grace_period",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_PROCESS,
      .offset = SPEC(grace_ms),
      .low = 0,
      .high = HOUR,
      .otherwise = "10s",
      .text = "How long an instance that was told to stop (SIGTERM) may take, until it and all its "
              "children are killed (SIGKILL)." },

    { .path = "route",
      .type = &bsc_type_routes,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .absent = "none: a service that users do not reach",
      .text = "Which requests are the service's: a map with `host` and `path`, or a list of them.",
      .example = "{ host: shop.example, path: / }" },
    { .path = "routes",
      .type = &bsc_type_routes,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_ALIAS | BSC_KEY_HTTP,
      .absent = "as `route`",
      .text = "Another spelling of `route`.",
      .example = "[{ host: shop.example }, { host: \"*.shop.example\", path: /api }]" },
#include "config/keys_balancing.inc"
#include "config/keys_retry.inc"
#include "config/keys_stack.inc"

#include "config/keys_errors.inc"

    { .path = "protocol",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(speech),
      .choices = speeches,
      .otherwise = "http1",
      .text = "What the instances speak on their port: HTTP/1.1; or HTTP/2 from the first byte on "
              "(prior knowledge; with `upstream_tls`, ALPN h2), as servers of gRPC do; or anything "
              "else over TCP, which is passed through as it is. Probes of that port speak it, too; "
              "TCP is probed by connecting, unless `health` says otherwise." },
    { .path = "listen",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(listen),
      .absent = "none",
      .text = "With `protocol: tcp`, where the service's connections arrive; a bare port means all "
              "addresses, IPv4 and IPv6. Each connection goes to the slot that new ones go to when "
              "it arrives, and stays there.",
      .example = "5432" },
    { .path = "listen_tls",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(listen_tls),
      .absent = "none",
      .text = "The same, and clients speak TLS there, as `tls` says; it is taken off before the "
              "instances, which `upstream_tls` may put on again. No protocol is agreed on (ALPN).",
      .example = "5433" },

    { .path = "proxy_protocol",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(edge.proxy_protocol),
      .choices = proxy_protocols,
      .otherwise = "off",
      .text = "Connections to instances begin with a header of the PROXY protocol that says whose "
              "they are; each is for one request." },
#include "config/keys_upstream_tls.inc"
    { .path = "limits.body",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(edge.body_bytes),
      .low = 1,
      .high = (int64_t)1 << 40,
      .absent = "as `proxy.limits.body`",
      .text = "A request's body; a larger one is answered with 413.",
      .example = "10MiB" },
    { .path = "rate_limit.requests",
      .type = &bsc_type_rate,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(edge.rate_requests),
      .low = 1,
      .high = 1000000,
      .absent = "no limit",
      .text = "Requests of one client address (of IPv6: of one /64); more are answered with 429.",
      .example = "100/s" },
    { .path = "rate_limit.burst",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(edge.rate_burst),
      .low = 1,
      .high = 1000000,
      .absent = "as many as `requests`",
      .text = "How many may come at once, after a pause.",
      .example = "200" },
    { .path = "rate_limit.paths",
      .type = &bsc_type_rate_rules,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(edge.rate_paths),
      .absent = "none",
      .text = "Limits below a path, besides `requests`: such a request must be within both.",
      .example = "[{ path: /login, requests: 5/m }]" },
    { .path = "error_pages",
      .type = &bsc_type_pages,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(edge.error_pages),
      .absent = "as `proxy.error_pages`",
      .text = "Pages for what the proxy itself answers to requests of this service, as in "
              "`proxy.error_pages`; for what has none here, those hold.",
      .example = "{ maintenance: shop/closed.html }" },
    { .path = "targets.blue",
      .type = &bsc_type_targets,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(targets[BSC_BLUE]),
      .absent = "none",
      .text = "The addresses of the blue environment.",
      .example = "[127.0.0.1:3000]" },
    { .path = "targets.green",
      .type = &bsc_type_targets,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(targets[BSC_GREEN]),
      .absent = "none",
      .text = "The addresses of the green environment.",
      .example = "[127.0.0.1:3001, \"unix:/run/app.sock\"]" },

    { .path = "timeouts.connect",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(traffic.connect_ms),
      .low = 10 * MS,
      .high = 5 * MINUTE,
      .otherwise = "1s",
      .text = "Connecting to an instance." },
    { .path = "timeouts.answer",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(traffic.answer_ms),
      .low = 100 * MS,
      .high = DAY,
      .otherwise = "1m",
      .text = "From the end of a request to the head of its answer; then 504." },
    { .path = "timeouts.idle",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .flags = BSC_KEY_HTTP,
      .offset = SPEC(traffic.idle_ms),
      .low = 100 * MS,
      .high = DAY,
      .otherwise = "1m",
      .text = "Nothing moves in the middle of an exchange." },

    { .path = "hold.max",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(traffic.hold_max),
      .low = 0,
      .high = 100000,
      .otherwise = "1000",
      .text = "How many requests are held at once; more get 503." },
    { .path = "hold.timeout",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = SPEC(traffic.hold_ms),
      .low = 100 * MS,
      .high = HOUR,
      .otherwise = "30s",
      .text = "How long a request is held at most; then 504." },

    { .path = "health.path",
      .type = &bsc_type_target,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.path),
      .absent = "`/`",
      .text = "What is asked for (GET) of each instance.",
      .example = "/health" },
    { .path = "health.host",
      .type = &bsc_type_authority,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.host),
      .absent = "`upstream_tls.server_name`, or the instance's address",
      .text = "The Host field of that request.",
      .example = "shop.example" },
    { .path = "health.port",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.port),
      .low = 0,
      .high = 65535,
      .otherwise = "0",
      .text = "Another port to ask; 0 is the instance's own.",
      .example = "9000" },
    { .path = "health.status",
      .type = &bsc_type_statuses,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.status_low),
      .low = 100,
      .high = 599,
      .otherwise = "200-399",
      .text = "The answers that count as a pass; redirects are not followed.",
      .example = "200" },
    { .path = "health.tcp",
      .type = &bsc_type_tcp,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.kind),
      .absent = "false",
      .text = "Only connect, instead of an HTTP request.",
      .example = "true" },
    { .path = "health.command",
      .type = &bsc_type_command,
      .effect = BSC_EFFECT_RELEASE,
      .flags = BSC_KEY_VARIABLES,
      .offset = SPEC(health.command),
      .absent = "none",
      .text = "A command that passes with exit status 0, instead of an HTTP request.",
      .example = "[\"./check\", \"--port=${PORT}\"]" },
#include "config/keys_running.inc"
    { .path = "health.interval",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.interval_ms),
      .low = 10 * MS,
      .high = HOUR,
      .otherwise = "1s",
      .text = "The time between two probes; until an instance's first pass they come quicker." },
    { .path = "health.timeout",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.timeout_ms),
      .low = 10 * MS,
      .high = 10 * MINUTE,
      .otherwise = "2s",
      .text = "A probe that takes longer has failed." },
    { .path = "health.rise",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.rise),
      .low = 1,
      .high = 100,
      .otherwise = "2",
      .text = "Passes in a row that make an instance healthy." },
    { .path = "health.fall",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.fall),
      .low = 1,
      .high = 100,
      .otherwise = "3",
      .text = "Failures in a row that make an instance ill: it gets no traffic until it rises." },
    { .path = "health.deadline",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.deadline_ms),
      .low = 100 * MS,
      .high = DAY,
      .otherwise = "1m",
      .text = "A new release that is not healthy by then is rolled back. More than the intervals "
              "between `rise` passes, or no version could ever be deployed." },
    { .path = "health.min_healthy_percent",
      .type = &bsc_type_percent,
      .effect = BSC_EFFECT_RELEASE,
      .offset = SPEC(health.min_healthy_percent),
      .low = 1,
      .high = 100,
      .otherwise = "100",
      .text = "How many of a new release's instances must be healthy before it gets traffic, "
              "rounded up.",
      .example = "75%" },

#include "config/keys_deploy.inc"

#include "config/keys_ab.inc"
#include "config/keys_match.inc"
#include "config/keys_preview.inc"

#include "config/keys_analysis.inc"
#include "config/keys_shadow.inc"

#include "config/keys_hooks.inc"
};

static const struct bsc_section service_sections[] = {
    { "targets", "Addresses that something else runs, in place of `command`: bascule checks them "
                 "and moves the traffic, and starts and stops nothing." },
    { "upstream_tls",
      "TLS to the instances: requests, TCP connections and HTTP probes of their port go over it. "
      "The files are watched: new ones are used for new connections as soon as they are there and "
      "fit." },
    { "timeouts", "What the proxy waits for." },
    { "hash", "What of a request decides with `balance: hash`; without this section the client's "
              "address. No instance gets more than 1.25 times its share of what is in flight." },
    { "affinity", "Users stay where they are: in the version that a rollout gave them while its "
                  "share grows, and on one instance while it is healthy. One of `cookie`, `header` "
                  "and `client_address`." },
    { "queue", "Where requests wait when every instance has `max_requests` of them." },
    { "ejection", "An instance whose answers are bad is left out for a while, although its health "
                  "checks pass." },
    { "limits", "What a request may be." },
    { "rate_limit", "How often one client may ask." },
    { "errors", "Which answers of its instances are errors: for the judge of new versions, request "
                "rescue and the figures. That there is no answer (reset, time-out, no healthy "
                "instance) is always one." },
    { "retry", "When a request that an instance failed is sent to another one." },
    { "hold", "Requests wait in the proxy while `bascule traffic SERVICE hold` is in force, or a "
              "version is recreated." },
    { "health", "How bascule knows that an instance works. It is always checked: without this "
                "section by an HTTP request for `/`." },
    { "deploy", "How a new version takes over." },
    { "deploy.ab", "Of the strategy ab: how users are divided, and what decides: "
                   "docs/strategies/ab.md." },
    { "deploy.analysis", "How a new version is judged by the requests that it answers: "
                         "docs/analysis.md." },
    { "deploy.shadow", "Of the strategy shadow: what is copied to the new version, and how its "
                       "answers are compared: docs/strategies/shadow.md." },
    { "hooks",
      "Commands around a deployment: docs/gates.md. They run as the service's user, in its "
      "`directory` and with its environment. `pre_deploy: COMMAND` is short "
      "for a map with `command`." },
    { NULL, NULL },
};

const struct bsc_key_table bsc_service_keys = { COUNT_OF(service_keys), service_keys,
                                                service_sections };

static_assert(COUNT_OF(service_keys) <= BSC_KEYS_MAX, "BSC_KEYS_MAX is too small");

const char *bsc_effect_name(enum bsc_effect effect)
{
    static const char *const names[BSC_EFFECT_COUNT] = {
        [BSC_EFFECT_NOW] = "now",
        [BSC_EFFECT_RELEASE] = "next release",
        [BSC_EFFECT_UPGRADE] = "next upgrade",
    };
    return names[effect];
}
