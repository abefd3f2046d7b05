/* SPDX-License-Identifier: Apache-2.0
 * api/view.h - the engine's structures as the JSON of docs/api.md. Pure: no engine, no request.
 */
#ifndef BASCULE_API_VIEW_H
#define BASCULE_API_VIEW_H

#include <jansson.h>

#include "base/text.h"
#include "engine/service.h"
#include "ports/router.h"

/* Text from outside: control characters and bytes that are not UTF-8 become \xNN, so that no
 * terminal is steered by whoever prints it; line feeds stay. NULL or "" gives null in _or_null. */
json_t *bsc_api_words(const char *text);
json_t *bsc_api_words_or_null(const char *text);
/* "r12", "d12"; 0 gives null. */
json_t *bsc_api_id(char letter, uint64_t id);
/* The number of "r12"; 0 when it is none. */
uint64_t bsc_api_id_parse(char letter, const char *text);

/* A rollout lets the requests wait; what users set by `traffic` is another thing. */
bool bsc_api_is_held(const struct bsc_service *service);
json_t *bsc_api_view_service(const struct bsc_service *service,
                             const struct bsc_router_service_figures *figures,
                             json_t *take_preview);
/* `slot` NULL: there is nothing to be seen; `way` "": there is no address to ask at. */
json_t *bsc_api_view_preview(const struct bsc_service *service, const enum bsc_slot *slot,
                             const struct bsc_preview_way *way);
/* `waiting` "": it waits for nothing. `version` NULL: not known. `judgement` NULL: none. `figures`
 * are the service's; NULL: not known, as when they are of another rollout. */
json_t *bsc_api_view_rollout(const struct bsc_rollout_row *row, const char *version,
                             const char *waiting, const struct bsc_judgement *judgement,
                             const struct bsc_router_service_figures *figures);
/* The rollout that begins when the newest one is taken back. */
json_t *bsc_api_view_successor(const struct bsc_service *service);
/* The same of a service's newest rollout, or null. */
json_t *bsc_api_view_newest_rollout(const struct bsc_service *service,
                                    const struct bsc_router_service_figures *figures);
json_t *bsc_api_view_listener(const struct bsc_router_listener *listener);
/* view_figures.c: what the proxies count. */
json_t *bsc_api_view_figures(const struct bsc_router_figures *figures);
json_t *bsc_api_view_service_figures(const struct bsc_router_service_figures *figures);
json_t *bsc_api_view_slot_counters(const struct bsc_router_slot_counters *counters);
json_t *bsc_api_view_rescues(const struct bsc_router_rescues *rescues);
/* view_analysis.c: what the judge said last. */
json_t *bsc_api_view_judgement(const struct bsc_judgement *judgement);
/* The external queries of the newest rollout; null: it has none, or nothing was watched yet. */
json_t *bsc_api_view_queries(const struct bsc_service *service);
/* view_trial.c: an A/B test. */
json_t *bsc_api_view_trial(const struct bsc_trial *trial, const struct bsc_ab_spec *ab);
json_t *bsc_api_view_steps(const struct bsc_plan *plan);
/* The rules by which chosen users are sent to `slot` now; NULL: nobody is. */
const struct bsc_match_spec *bsc_api_match(const struct bsc_service *service, enum bsc_slot slot);
/* As texts; NULL gives an empty list. */
json_t *bsc_api_view_match(const struct bsc_match_spec *match);
json_t *bsc_api_view_record(const struct bsc_record *record);
json_t *bsc_api_view_event(const struct bsc_audit_row *row);
/* The health check of what was staged, from the engine's lines: "INSTANCE\tpassed|failed\tDETAIL".
 */
json_t *bsc_api_view_check(const char *const *lines, unsigned count, bool healthy,
                           int64_t duration_ms);

/* The version of release `id`; NULL when it has none or is not known. */
const char *bsc_api_release_version(const struct bsc_service *service, uint64_t id);
/* Of the newest rollout, also when its release is gone: then its record knows. */
const char *bsc_api_rollout_version(const struct bsc_service *service);

/* An entry of an event stream: "id: 7\nevent: step\ndata: {...}\n\n"; `sequence` 0: no id. */
void bsc_api_sse_write(struct bsc_text *out, uint64_t sequence, const char *event,
                       const json_t *data);

/* why.c: what is so and why, in plain words, a line each. */
void bsc_api_why(const struct bsc_service *service,
                 const struct bsc_router_service_figures *figures, int64_t now_wall_ms,
                 int64_t now_boot_ms, void (*add)(void *argument, const char *line),
                 void *argument);

#endif
