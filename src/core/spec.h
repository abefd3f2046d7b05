/* SPDX-License-Identifier: Apache-2.0
 * core/spec.h - what the user wants of one service, as plain data.
 *
 * Made by src/config from bascule.yaml, stored with every release, read by everybody. A
 * specification is immutable once built; it is shared by counting (bsc_spec_acquire/release).
 * Durations are in milliseconds, sizes in bytes, weights in basis points (1/10,000).
 *
 * The first group of fields takes effect when the file is applied; the second belongs to a release
 * and takes effect with the next one.
 */
#ifndef BASCULE_CORE_SPEC_H
#define BASCULE_CORE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/statuses.h"
#include "core/slots.h"

enum { BSC_NAME_MAX = 63, BSC_VERSION_MAX = 128, BSC_WEIGHT_FULL_BP = 10000, BSC_WEIGHT_MAX = 100 };

/* The group of all services. */
#define BSC_GROUP_ALL "all"

/* A service name: a-z, 0-9 and inner '-', starting with a letter, up to 63 (a DNS label). */
enum bsc_status bsc_service_name_check(const char *name, struct bsc_error *error) BSC_MUST_CHECK;
/* The name of a release of several services: the same. */
enum bsc_status bsc_group_name_check(const char *name, struct bsc_error *error) BSC_MUST_CHECK;
/* A version: letters, digits and . _ - + : @, starting with a letter or digit, up to 128. */
enum bsc_status bsc_version_check(const char *version, struct bsc_error *error) BSC_MUST_CHECK;

struct bsc_strings {
    unsigned count;
    const char *const *items;
};

/* Either argv, or one string for `/bin/sh -c`. Neither: no command. */
struct bsc_command {
    struct bsc_strings argv;
    const char *shell;
};

struct bsc_route {
    const char *host; /* lower case, without port; "*.example.org" one level; NULL any host */
    const char *path; /* prefix, starts with '/'; matches on segment borders */
};

enum bsc_balance { BSC_BALANCE_ROUND_ROBIN, BSC_BALANCE_LEAST_REQUESTS, BSC_BALANCE_HASH };
enum bsc_same_site { BSC_SAME_SITE_LAX, BSC_SAME_SITE_STRICT, BSC_SAME_SITE_NONE };
enum bsc_speech {
    BSC_SPEECH_HTTP1,
    BSC_SPEECH_H2, /* by prior knowledge, or agreed on by TLS */
    BSC_SPEECH_TCP /* bytes, switched by connection */
};
enum bsc_runtime_kind {
    BSC_RUNTIME_PROCESS,
    BSC_RUNTIME_STATIC,
    BSC_RUNTIME_DOCKER,
    BSC_RUNTIME_COUNT
};
/* When an image is fetched from its registry, for a release whose image is not known yet. */
enum bsc_pull { BSC_PULL_MISSING, BSC_PULL_ALWAYS, BSC_PULL_NEVER };
/* How a container is reached. */
enum bsc_reach {
    BSC_NETWORK_BRIDGE,   /* at its own address, in a network of ours */
    BSC_NETWORK_LOOPBACK, /* at a port of 127.0.0.1, which is passed on to it */
    BSC_NETWORK_HOST      /* it has no network of its own, and listens where PORT says */
};
enum bsc_restart { BSC_RESTART_ALWAYS, BSC_RESTART_ON_FAILURE, BSC_RESTART_NEVER };
enum bsc_probe_kind {
    BSC_PROBE_HTTP,
    BSC_PROBE_TCP,
    BSC_PROBE_COMMAND,
    BSC_PROBE_RUNNING /* nobody is asked: it has run for so long */
};
/* How a worker, a service that the proxy sends nothing, is replaced: Compose's words. */
enum bsc_order {
    BSC_ORDER_NONE,        /* it is no worker */
    BSC_ORDER_START_FIRST, /* the old version goes when the new one is promoted */
    BSC_ORDER_STOP_FIRST   /* the two never run at once */
};
enum bsc_strategy {
    BSC_STRATEGY_BLUE_GREEN,
    BSC_STRATEGY_CANARY,
    BSC_STRATEGY_ROLLING,
    BSC_STRATEGY_RECREATE,
    BSC_STRATEGY_SHADOW,
    BSC_STRATEGY_AB,
    BSC_STRATEGY_COUNT
};

/* How many instances a canary has. */
enum bsc_scale {
    BSC_SCALE_MATCH, /* as its share of the traffic, rounded up */
    BSC_SCALE_FULL,
    BSC_SCALE_FIXED /* so many until it gets all the traffic */
};

/* A number of instances, or a share of them. */
struct bsc_amount {
    unsigned number;
    bool percent;
};

/* Which requests are sent to a candidate on purpose (core/match.h). */
enum bsc_match_by { BSC_MATCH_HEADER, BSC_MATCH_COOKIE, BSC_MATCH_ADDRESS, BSC_MATCH_BY_COUNT };
enum bsc_match_how {
    BSC_MATCH_PRESENT, /* with any value */
    BSC_MATCH_EXACT,
    BSC_MATCH_PREFIX
};
struct bsc_match_rule {
    enum bsc_match_by by;
    enum bsc_match_how how; /* HEADER, COOKIE */
    const char *name;       /* HEADER, COOKIE */
    const char *value;      /* EXACT, PREFIX; ADDRESS: the range */
};
struct bsc_match_spec {
    unsigned count;
    const struct bsc_match_rule *items; /* any of them fits */
};

enum { BSC_CANARY_STEPS_MAX = 20, BSC_BAKE_AUTO = -1 };
struct bsc_canary_steps {
    unsigned count;
    unsigned weight_bp[BSC_CANARY_STEPS_MAX]; /* rising, 1 .. 9,999 */
};

/* What a user of an A/B test does that counts: a request that is answered like this. */
struct bsc_goal_spec {
    const char *name;   /* as a service's */
    const char *path;   /* without the query; with a '*' at its end what begins so */
    const char *method; /* NULL: any */
    unsigned status_low, status_high;
    const char *header, *header_value; /* a field of the answer; NULL: any, any value */
};

enum { BSC_GOALS_MAX = 8 };

/* What it means that nothing was decided in time: which version stays. */
enum bsc_undecided { BSC_UNDECIDED_BACK, BSC_UNDECIDED_KEEP };

/* AB */
struct bsc_ab_spec {
    unsigned share_bp; /* of the users, for the new version */
    int64_t duration_ms;
    unsigned minimum_users; /* of each version, before anything is decided */
    unsigned alpha_bp;      /* probability of a wrong decision */
    unsigned goal_count;
    const struct bsc_goal_spec *goals;
    const char *value_header; /* of answers: a number that adds up for each user; NULL: none */
    const char *decide;       /* the goal that decides, or "value"; NULL: the first */
    enum bsc_undecided undecided;
};

/* Which of the goals decides; goal_count: the number does. */
unsigned bsc_ab_decides(const struct bsc_ab_spec *ab);

/* By one of the first three, or not at all. */
struct bsc_affinity_spec {
    const char *cookie; /* one of ours */
    const char *header;
    bool client_address;
    int64_t ttl_ms;   /* of the cookie; 0: the browser's session */
    const char *path; /* of the cookie; NULL: "/" */
    enum bsc_same_site same_site;
    bool secure, http_only;
};

/* When an instance is left out for its answers. */
struct bsc_ejection_spec {
    unsigned errors;       /* in a row; 0: off */
    unsigned min_requests; /* each in an interval, to be compared; 0: off */
    unsigned max_percent;  /* of a slot's healthy instances */
    int64_t interval_ms, time_ms;
};

/* What is not idempotent: POST and PATCH. Keyed: with an Idempotency-Key field. */
enum bsc_retry_post { BSC_RETRY_POST_NEVER, BSC_RETRY_POST_KEYED, BSC_RETRY_POST_ALWAYS };

/* When a request is sent to another instance. */
struct bsc_retry_spec {
    unsigned attempts;  /* in all; 1: never again */
    unsigned on;        /* a bit for each name of bsc_retry_cause_name */
    int64_t body_bytes; /* a longer body is not kept, and so not sent again */
    enum bsc_retry_post post;
};

/* "connect", "reset", "timeout", "502" ...; NULL behind the last one. */
const char *bsc_retry_cause_name(unsigned index);

struct bsc_traffic_spec {
    enum bsc_balance balance;
    int64_t connect_ms;                    /* connecting to an instance */
    int64_t answer_ms;                     /* from the request's end to the answer's head */
    int64_t idle_ms;                       /* nothing moves in the middle of an exchange */
    int64_t hold_ms;                       /* a held request waits at most so long, then 504 */
    unsigned hold_max;                     /* held requests at once; more get 503 */
    const char *hash_header, *hash_cookie; /* HASH: of what; NULL: not of that */
    bool hash_path;                        /* none of the three: of the client's address */
    struct bsc_affinity_spec affinity;
    int64_t slow_start_ms; /* 0: none */
    unsigned requests_max; /* in flight on one instance; 0: no limit */
    unsigned queue_max;    /* waiting for a slot's instances; more get 503 */
    int64_t queue_ms;      /* a request waits there at most so long, then 503 */
    struct bsc_ejection_spec ejection;
    struct bsc_retry_spec retry;
};

/* Version of the PROXY protocol that connections to instances begin with. */
enum bsc_proxy_protocol { BSC_PROXY_PROTOCOL_OFF, BSC_PROXY_PROTOCOL_V1, BSC_PROXY_PROTOCOL_V2 };

/* The user's page for answers of the proxy itself. */
struct bsc_error_page {
    const char *key;         /* "503", "5xx", "maintenance" */
    const char *html, *json; /* the page; NULL: none of that kind */
};

struct bsc_error_pages {
    unsigned count;
    const struct bsc_error_page *items;
};

/* How often a client may ask for what is below a path. */
struct bsc_rate_rule {
    const char *path;            /* as in struct bsc_route */
    unsigned requests, period_s; /* of each client */
    unsigned burst;              /* at once; 0: as many as requests */
};

struct bsc_rate_rules {
    unsigned count;
    const struct bsc_rate_rule *items;
};

/* Limits for the service's clients, and how its instances learn who they are. */
struct bsc_edge_spec {
    int64_t body_bytes;                    /* of a request; 0: as for all services */
    unsigned rate_requests, rate_period_s; /* of each client; 0: no limit */
    unsigned rate_burst;                   /* at once; 0: as many as rate_requests */
    struct bsc_rate_rules rate_paths;      /* there besides; the longest path holds */
    enum bsc_proxy_protocol proxy_protocol;
    struct bsc_error_pages error_pages; /* before those for all services */
};

/* TLS to the instances. */
struct bsc_upstream_tls_spec {
    bool enabled;
    bool verify;                   /* their certificates */
    const char *ca;                /* path; NULL: the authorities of the system */
    const char *server_name;       /* that they are for; NULL: the instance's address */
    const char *certificate, *key; /* paths of what is shown to them; NULL: nothing */
};

/* Statuses that are errors, or none, below a path only. */
struct bsc_error_rule {
    const char *path; /* as in struct bsc_route */
    struct bsc_statuses statuses;
};

struct bsc_error_rules {
    unsigned count;
    const struct bsc_error_rule *items;
};

/* Which answers are errors; that there is no answer is one always. */
struct bsc_errors_spec {
    struct bsc_statuses statuses;         /* anywhere ... */
    struct bsc_error_rules paths, ignore; /* ... and there besides, and there not at all */
};

struct bsc_health_spec {
    enum bsc_probe_kind kind;
    const char *path;                 /* HTTP: request target */
    const char *host;                 /* HTTP: Host field; NULL: the instance's address */
    unsigned port;                    /* HTTP, TCP: 0 is the instance's own */
    unsigned status_low, status_high; /* HTTP: accepted answers, inclusive */
    struct bsc_command command;       /* COMMAND: exit status 0 is a pass */
    int64_t running_ms;               /* RUNNING */
    int64_t interval_ms, timeout_ms;
    int64_t deadline_ms;          /* a new instance must be healthy by then */
    unsigned rise, fall;          /* passes in a row to become healthy, failures to become ill */
    unsigned min_healthy_percent; /* of a release's instances, 1..100 */
};

/* DOCKER: what a container is made of, besides what processes have, too. */
struct bsc_container_spec {
    const char *image;
    enum bsc_pull pull;
    enum bsc_reach network;
    unsigned port;                 /* on which it listens; HOST: it is told one */
    struct bsc_command entrypoint; /* none: the image's */
    const char *directory;         /* NULL: the image's */
    struct bsc_strings volumes;    /* "SOURCE:TARGET" or "SOURCE:TARGET:ro" */
    int64_t memory_bytes;          /* 0: no limit */
    unsigned cpus;                 /* hundredths of one; 0: no limit */
    const char *stop_signal;       /* "SIGQUIT"; NULL: the image's */
};

struct bsc_hook_spec {
    struct bsc_command command; /* none: no hook */
    struct bsc_command undo;    /* run when the rollout is undone */
    int64_t timeout_ms;
    bool once; /* begun at most once per release */
};

/* What must be so before a new version gets traffic, or all of it. A kind is a row of the table in
 * engine/step_gate.c. */
enum bsc_gate_kind {
    BSC_GATE_SMOKE,    /* a command ends with status 0 */
    BSC_GATE_PROBE,    /* every instance answers HTTP requests as it should */
    BSC_GATE_APPROVAL, /* a person says so */
    BSC_GATE_LOAD,     /* a load scenario keeps its thresholds */
    BSC_GATE_QUERY,    /* something outside says so */
    BSC_GATE_KIND_COUNT
};
enum bsc_gate_when {
    BSC_GATE_BEFORE_SWITCH, /* before it gets any */
    BSC_GATE_BEFORE_FULL    /* before it gets all */
};
enum bsc_gate_late { BSC_GATE_HOLD, BSC_GATE_ABORT };

struct bsc_gate_probe {
    const char *path; /* request target */
    const char *host; /* NULL: the instance's address */
    unsigned status_low, status_high;
    unsigned count;         /* passes of each instance */
    unsigned failure_limit; /* so many failures of one instance are overlooked */
    int64_t interval_ms, timeout_ms;
};

struct bsc_gate {
    const char *name;
    enum bsc_gate_kind kind;
    enum bsc_gate_when when;
    bool once;                  /* SMOKE, LOAD: begun at most once per release */
    int64_t timeout_ms;         /* 0: none */
    struct bsc_command command; /* SMOKE */
    struct bsc_gate_probe probe;
    const char *approval;          /* what is to be approved */
    enum bsc_gate_late on_timeout; /* APPROVAL */
    const char *load;              /* path of the scenario */
    struct bsc_query_spec *query;  /* QUERY: its name is the gate's */
};

enum { BSC_GATES_MAX = 16 };
struct bsc_gates {
    unsigned count;
    const struct bsc_gate *items; /* in the order of the file; a step names one by its index */
};

/* Which numbers pass: those between `low` and `high`, or with `open` strictly between. */
struct bsc_accept {
    const char *text; /* as it was written */
    double low, high; /* may be infinite */
    bool open;
};

enum bsc_query_kind { BSC_QUERY_PROMETHEUS, BSC_QUERY_COMMAND, BSC_QUERY_HTTP };
/* What follows when there is no answer. */
enum bsc_query_on_error {
    BSC_QUERY_HOLDS,  /* the bake does not end without answers */
    BSC_QUERY_ABORTS, /* it counts as a failure */
    BSC_QUERY_IGNORES
};

/* Something outside that is asked about a new version while it is watched (core/query.h). */
struct bsc_query_spec {
    const char *name;
    enum bsc_query_kind kind;
    const char *url;              /* PROMETHEUS: of the server; HTTP: what is asked for */
    const char *query;            /* PROMETHEUS */
    const char *field;            /* HTTP: of the JSON answer; NULL: its status decides */
    struct bsc_statuses statuses; /* HTTP: that pass, or whose answer is read */
    struct bsc_command command;   /* COMMAND */
    struct bsc_accept accept;     /* text NULL: exit status or HTTP status decide */
    int64_t interval_ms, timeout_ms;
    unsigned count, failure_limit; /* passes that are needed, failures that are too many */
    enum bsc_query_on_error on_error;
    bool dry_run; /* asked and shown, and nothing follows */
};

enum { BSC_QUERIES_MAX = 16 };
struct bsc_query_list {
    unsigned count;
    const struct bsc_query_spec *items;
};

/* When a bake is over: after its time, or as soon as the new version is shown to be no worse. */
enum bsc_until { BSC_UNTIL_DURATION, BSC_UNTIL_CONFIDENT };

/* How the judge looks at a new version (core/analysis). Numbers with decimals are in hundredths. */
struct bsc_analysis_spec {
    bool enabled, latency;
    unsigned alpha_bp;       /* probability of a false alarm */
    unsigned ceiling_bp;     /* of errors; 0: none */
    unsigned tolerated;      /* relative risk that is no harm */
    unsigned slower;         /* times the live version's quantile, at the same time */
    unsigned before_errors;  /* times those of before, without anything to compare with */
    unsigned before_latency; /* ... times the quantiles of before */
    enum bsc_until until;
    unsigned margin;           /* CONFIDENT: relative risk that is excluded */
    unsigned minimum_requests; /* in a step that leaves the old version some of the traffic */
    struct bsc_query_list queries;
    int64_t wait_ms; /* ... which waits so long for them after its time */
};

/* What follows when the candidate was shown copies of requests. */
enum bsc_after_shadow {
    BSC_AFTER_BLUE_GREEN,
    BSC_AFTER_CANARY,
    BSC_AFTER_STOP /* nothing: it stays staged */
};

/* How bodies of answers are compared. */
enum bsc_body_comparison { BSC_BODY_JSON, BSC_BODY_BYTES, BSC_BODY_NONE };

/* Of fields in which the live version differs from itself. */
enum bsc_noise { BSC_NOISE_COUNTS, BSC_NOISE_LEARNT /* and does not count */ };

/* SHADOW: what of the requests is copied to the candidate, and what of its answers is compared. */
struct bsc_shadow_spec {
    unsigned share_bp; /* of the requests */
    int64_t duration_ms;
    enum bsc_after_shadow then;
    struct bsc_strings methods;
    bool compare_status;
    struct bsc_strings headers; /* their names */
    enum bsc_body_comparison body;
    struct bsc_strings ignored; /* JSON: fields that do not count: "user.time", "items[].id" */
    enum bsc_noise noise;
    int64_t body_bytes;      /* longer requests and answers are not compared */
    unsigned differences_bp; /* of the comparisons; more fail the rollout */
    unsigned slower;         /* hundredths: times the live version's p95; more do, too; 0: off */
    unsigned minimum;        /* comparisons, or there is no verdict */
};

/* How people and gates ask for a version that is not live yet (core/preview.h). */
struct bsc_preview_spec {
    const char *host;   /* NULL: none */
    const char *header; /* a field of this name ... */
    const char *token;  /* ... with this value; NULL: none */
};

struct bsc_deploy_spec {
    enum bsc_strategy strategy;
    enum bsc_order order;
    /* Watch the new version so long after each change of its traffic; BSC_BAKE_AUTO: as long as
     * suits the strategy. */
    int64_t bake_ms;
    int64_t standby_ms; /* the old version stays warm so long after `commit`; 0: stopped at once */
    int64_t drain_ms;   /* requests in flight get so long */
    int64_t switch_ms;  /* the proxy must acknowledge a split within this */
    bool rescue;        /* what the new version fails is answered by the old one ... */
    unsigned rescue_percent;       /* ... up to this share of the requests; then it is taken back */
    struct bsc_canary_steps steps; /* CANARY: the shares before the whole */
    struct bsc_match_spec match;   /* CANARY: who gets it before them; none: nobody */
    enum bsc_scale scale;
    unsigned scale_instances; /* CANARY, FIXED */
    /* ROLLING; a surge of 0 that is no percentage stands for as many as a batch */
    struct bsc_amount batch, max_surge, max_unavailable;
    struct bsc_ab_spec ab;
    struct bsc_analysis_spec analysis;
    struct bsc_gates gates;
    struct bsc_shadow_spec shadow;
    struct bsc_hook_spec pre_deploy, post_switch, post_promote, on_rollback;
};

struct bsc_spec {
    /* takes effect: now */
    const char *name;
    unsigned route_count;
    const struct bsc_route *routes;
    struct bsc_strings listen; /* TCP: "address:port", numeric; its connections are the service's */
    struct bsc_strings listen_tls; /* likewise, over TLS */
    struct bsc_traffic_spec traffic;
    struct bsc_edge_spec edge;
    struct bsc_errors_spec errors;
    struct bsc_preview_spec preview;
    const char *release;           /* of which group it is a member; NULL: of none */
    struct bsc_strings depends_on; /* services that are started before it when both are released */

    /* takes effect: next release */
    const char *version; /* NULL in a file's specification, set in a release's */
    enum bsc_runtime_kind runtime;
    struct bsc_command command;
    const char *directory;               /* absolute */
    struct bsc_strings environment;      /* NAME=VALUE */
    struct bsc_strings env_files;        /* absolute paths, read at each start */
    const char *user;                    /* NULL: the daemon's own, or the image's */
    struct bsc_container_spec container; /* DOCKER */
    unsigned replicas;
    enum bsc_restart restart;
    int64_t grace_ms; /* between TERM and KILL */
    enum bsc_speech speech;
    struct bsc_upstream_tls_spec upstream_tls;
    struct bsc_strings targets[BSC_SLOT_COUNT]; /* STATIC: see bsc_target_weight */
    struct bsc_health_spec health;
    struct bsc_deploy_spec deploy;

    unsigned references;
    struct bsc_arena arena; /* owns everything above */
};

struct bsc_spec *bsc_spec_create(void); /* empty, with one reference */
struct bsc_spec *bsc_spec_acquire(struct bsc_spec *spec);
void bsc_spec_release(struct bsc_spec *spec); /* NULL is allowed */

/* A target is an address, or one with " weight=N" behind it. */
unsigned bsc_target_weight(const char *target); /* 1..100 */
size_t bsc_target_address_size(const char *target);

/* Of `total`; at most that. */
unsigned bsc_amount_of(struct bsc_amount amount, unsigned total, bool round_up);
/* A rolling release keeps so many instances healthy while it replaces `total` of them; one at
 * least. */
unsigned bsc_spec_capacity(const struct bsc_spec *spec, unsigned total);

/* NULL: its instances are spoken to without TLS. */
const struct bsc_upstream_tls_spec *bsc_upstream_tls(const struct bsc_spec *spec);
/* Does the proxy send it nothing? */
static inline bool bsc_spec_is_worker(const struct bsc_spec *spec)
{
    return spec->deploy.order != BSC_ORDER_NONE;
}
/* How many instances slot `slot` of this release has. */
unsigned bsc_spec_instances(const struct bsc_spec *spec, enum bsc_slot slot);

#endif
