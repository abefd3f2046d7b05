/* SPDX-License-Identifier: Apache-2.0
 * cli/run.h - what a command gets, and the commands.
 */
#ifndef BASCULE_CLI_RUN_H
#define BASCULE_CLI_RUN_H

#include "cli/client.h"
#include "cli/output.h"
#include "cli/parse.h"
#include "cli/place.h"
#include "config/config.h"

struct bsc_cli {
    struct bsc_call call;
    struct bsc_place place;
    struct bsc_output output;
    struct bsc_client client; /* opened by the first request */
};

/* Prints "bascule: <text>" and returns the exit status that belongs to error->status. */
int bsc_cli_fail(const struct bsc_error *error);

/* Sends one request. On a failure, a refusal by the daemon included, it is printed, `*exit_status`
 * is set and NULL returned. The caller owns the answer. `timeout_ms` 0: no limit. */
json_t *bsc_cli_request(struct bsc_cli *cli, const char *method, const char *path,
                        json_t *take_body, int64_t timeout_ms, int *exit_status);

enum bsc_exit bsc_exit_of(enum bsc_status status);

/* For bsc_request_spec.on_data: adds what comes to the struct bsc_text that is the argument. */
void bsc_cli_collect(void *argument, const char *data, size_t size);

enum { BSC_CLI_TIMEOUT_MS = 30000 };

/* "/v1/services/NAME/tail", escaped; the caller frees it. `tail` may be "". */
char *bsc_cli_service_path(const char *service, const char *tail);

/* Sends a command to the service that is the first argument and prints what was done. Returns the
 * exit status. */
int bsc_cli_do(struct bsc_cli *cli, const char *action, json_t *take_body);

/* Prints an answer as it came, for --json. */
void bsc_cli_print_json(const json_t *value);

/* The daemon's times ("2026-01-31T12:00:00.123Z") in milliseconds since 1970. */
bool bsc_cli_time_parse(const char *rfc3339, int64_t *out_ms);

/* "2026-01-31 13:00:00" in local time from RFC 3339 in UTC; "" and strange text stay as they are
 * (cut). Returns `out`. */
const char *bsc_cli_time(const char *rfc3339, char out[static 32]);

/* A line each: "FILE:LINE: <kind>KEY: TEXT". */
void bsc_cli_print_problems(FILE *stream, const struct bsc_config_problems *problems,
                            const char *kind);

bool bsc_cli_given(const struct bsc_cli *cli, enum bsc_option option);

int bsc_run_serve(struct bsc_cli *cli);
int bsc_run_deploy(struct bsc_cli *cli);
int bsc_run_switch(struct bsc_cli *cli);
int bsc_run_rollback(struct bsc_cli *cli);
int bsc_run_abort(struct bsc_cli *cli);
int bsc_run_wait(struct bsc_cli *cli);
int bsc_run_check(struct bsc_cli *cli);
int bsc_run_cleanup(struct bsc_cli *cli);
int bsc_run_retry(struct bsc_cli *cli);
int bsc_run_promote(struct bsc_cli *cli);
int bsc_run_pause(struct bsc_cli *cli);
int bsc_run_resume(struct bsc_cli *cli);
int bsc_run_approve(struct bsc_cli *cli);
int bsc_run_reject(struct bsc_cli *cli);
int bsc_run_report(struct bsc_cli *cli);
/* Prints what an A/B test has found; `report` is the API's. */
void bsc_report_trial(const struct bsc_cli *cli, const json_t *report);
int bsc_run_convert(struct bsc_cli *cli);
int bsc_run_lock(struct bsc_cli *cli);
int bsc_run_unlock(struct bsc_cli *cli);
int bsc_run_traffic(struct bsc_cli *cli);
int bsc_run_upgrade(struct bsc_cli *cli);
int bsc_run_apply(struct bsc_cli *cli);
int bsc_run_plan(struct bsc_cli *cli);
int bsc_run_status(struct bsc_cli *cli);
int bsc_run_history(struct bsc_cli *cli);
int bsc_run_events(struct bsc_cli *cli);
int bsc_run_logs(struct bsc_cli *cli);
int bsc_run_why(struct bsc_cli *cli);
int bsc_run_config(struct bsc_cli *cli);
int bsc_run_init(struct bsc_cli *cli);
int bsc_run_load(struct bsc_cli *cli);
int bsc_run_monitor(struct bsc_cli *cli);
int bsc_run_version(struct bsc_cli *cli);
int bsc_run_help(struct bsc_cli *cli);
int bsc_run_completion(struct bsc_cli *cli);

#endif
