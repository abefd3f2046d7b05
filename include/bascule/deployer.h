/* SPDX-License-Identifier: Apache-2.0
 * bascule/deployer.h - blue-green deployments of one service as a library.
 *
 * Two environments, blue and green; exactly one is live. A deployer knows the rules: deploy to the
 * one that is not live, check its health, switch, roll back; what it does to the world is injected
 * (struct bascule_deployer_ports). Before the first deployment blue is live, with whatever was
 * there before, and green is idle.
 *
 * All functions may be called from several threads at once: one operation runs at a time, and
 * whoever comes meanwhile gets BASCULE_ENVIRONMENT_BUSY and changes nothing. Ports are called from
 * the thread of the operation, without a lock held, so they may call the reading functions; only
 * now_ms may not.
 *
 * Functions that return enum bascule_result fill *error (which may be NULL) when it is not
 * BASCULE_OK. Strings given are copied. Times are milliseconds since 1970 in UTC.
 */
#ifndef BASCULE_DEPLOYER_H
#define BASCULE_DEPLOYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bascule_environment { BASCULE_BLUE, BASCULE_GREEN };

enum bascule_environment_state {
    BASCULE_STATE_IDLE = 1,
    BASCULE_STATE_DEPLOYING,
    BASCULE_STATE_READY,
    BASCULE_STATE_LIVE,
    BASCULE_STATE_STANDBY, /* idle with its deployment still running: a rollback can go there */
    BASCULE_STATE_FAILED,
};

enum bascule_result {
    BASCULE_OK,
    BASCULE_ENVIRONMENT_BUSY,    /* error.environment names it */
    BASCULE_HEALTH_CHECK_FAILED, /* error.passed of error.total */
    BASCULE_SWITCH_FAILED,
    BASCULE_ROLLBACK_FAILED,
    BASCULE_INVALID_STATE,
    BASCULE_TIMEOUT,
    BASCULE_INVALID_ARGUMENT, /* an empty or too long version, no replicas */
    BASCULE_DEPLOY_FAILED,    /* `start` failed */
};

struct bascule_error {
    enum bascule_result result;
    enum bascule_environment environment;
    unsigned passed, total; /* health checks */
    char text[512];
};

struct bascule_check {
    char name[64]; /* "instance-0" ... as the health checker says */
    bool passed;
    char detail[192];
};

enum { BASCULE_CHECKS_MAX = 64, BASCULE_VERSION_BYTES = 129, BASCULE_IMAGE_BYTES = 256 };

struct bascule_check_result {
    bool healthy; /* at least min_healthy_percent of the checks passed */
    unsigned passed, failed;
    struct bascule_check checks[BASCULE_CHECKS_MAX];
    int64_t duration_ms;
};

struct bascule_deployment {
    char version[BASCULE_VERSION_BYTES]; /* "" when unknown: what was there before */
    char image[BASCULE_IMAGE_BYTES];
    unsigned replicas;
    int64_t started_at_ms, completed_at_ms; /* 0: not (yet) */
    bool health_check_passed;
};

enum bascule_record_status {
    BASCULE_RECORD_IN_PROGRESS,
    BASCULE_RECORD_READY,
    BASCULE_RECORD_LIVE,
    BASCULE_RECORD_REPLACED,
    BASCULE_RECORD_ROLLED_BACK,
    BASCULE_RECORD_FAILED,
};

struct bascule_record {
    uint64_t id;
    enum bascule_environment environment;
    char version[BASCULE_VERSION_BYTES];
    int64_t deployed_at_ms, switched_at_ms, rolled_back_at_ms; /* 0: not (yet) */
    enum bascule_record_status status;
};

/* What a deployer does to the world. `context` is passed through. Every function but `check`,
 * `switch_to` and `now_ms` may be NULL. */
struct bascule_deployer_ports {
    void *context;
    /* Starts `deployment` in `environment`; replaces what is there. False: `reason` says why. */
    bool (*start)(void *context, enum bascule_environment environment,
                  const struct bascule_deployment *deployment, char *reason, size_t size);
    /* Empties `environment`. */
    void (*stop)(void *context, enum bascule_environment environment);
    /* One round of health checks, within timeout_ms; fills checks, passed and failed. */
    void (*check)(void *context, enum bascule_environment environment, int64_t timeout_ms,
                  struct bascule_check_result *out);
    /* Sends all traffic to `environment`. False: it did not happen (`reason`). One that takes
     * longer than timeout_ms counts as timed out, and is asked to switch back to what was live. */
    bool (*switch_to)(void *context, enum bascule_environment environment, int64_t timeout_ms,
                      char *reason, size_t size);
    int64_t (*now_ms)(void *context);
};

struct bascule_deployer_options {
    int64_t health_check_timeout_ms; /* 0: 30,000 */
    unsigned health_check_retries;   /* rounds in all; 0: 3 */
    unsigned min_healthy_percent;    /* 1..100; 0: 100 */
    int64_t switch_timeout_ms;       /* 0: 60,000 */
};

struct bascule_deployer;

/* NULL when a port that is needed is missing or an option is out of range. */
struct bascule_deployer *bascule_deployer_create(const struct bascule_deployer_ports *ports,
                                                 const struct bascule_deployer_options *options);
/* No operation may be under way. NULL is allowed. */
void bascule_deployer_destroy(struct bascule_deployer *deployer);

/* Deploys to the environment that is not live, over whatever is ready, failed or on standby there;
 * *out (may be NULL) says which it was. The environment is then ready, not yet checked; when
 * `start` failed it is failed. */
enum bascule_result bascule_deploy(struct bascule_deployer *deployer, const char *version,
                                   const char *image, unsigned replicas,
                                   enum bascule_environment *out, struct bascule_error *error);

/* Checks the staging environment. A failed check makes it failed. *out (may be NULL) is filled in
 * both cases. */
enum bascule_result bascule_health_check(struct bascule_deployer *deployer,
                                         struct bascule_check_result *out,
                                         struct bascule_error *error);

/* Sends the traffic to the staging environment: it must be ready and checked. The old live one
 * becomes standby. */
enum bascule_result bascule_switch(struct bascule_deployer *deployer, struct bascule_error *error);

/* Back to the standby environment, at once. */
enum bascule_result bascule_rollback(struct bascule_deployer *deployer,
                                     struct bascule_error *error);

/* The three in one. */
enum bascule_result bascule_deploy_and_switch(struct bascule_deployer *deployer,
                                              const char *version, const char *image,
                                              unsigned replicas, struct bascule_error *error);

/* Empties the staging environment. Refused while it is deploying. */
enum bascule_result bascule_cleanup_staging(struct bascule_deployer *deployer,
                                            struct bascule_error *error);

enum bascule_environment bascule_live_environment(struct bascule_deployer *deployer);
enum bascule_environment bascule_staging_environment(struct bascule_deployer *deployer);
enum bascule_environment_state bascule_environment_state_of(struct bascule_deployer *deployer,
                                                            enum bascule_environment environment);
/* False when nothing is deployed there. */
bool bascule_deployment_info(struct bascule_deployer *deployer,
                             enum bascule_environment environment, struct bascule_deployment *out);
/* Copies up to `size` records, oldest first, skipping `skip`; returns how many there are in all. */
size_t bascule_history(struct bascule_deployer *deployer, size_t skip, struct bascule_record *out,
                       size_t size);

const char *bascule_environment_name(enum bascule_environment environment); /* "blue" */
const char *bascule_environment_state_name(enum bascule_environment_state state);
const char *bascule_result_name(enum bascule_result result); /* "environment-busy" */
const char *bascule_record_status_name(enum bascule_record_status status);

#ifdef __cplusplus
}
#endif

#endif
