/* SPDX-License-Identifier: Apache-2.0
 * load/reading.h - how a scenario is read from its tree of nodes; of this folder only.
 */
#ifndef BASCULE_LOAD_READING_H
#define BASCULE_LOAD_READING_H

#include "config/keys.h"
#include "load/scenario.h"

/* Values whose meaning depends on other keys are kept as nodes until all are read. */
extern const struct bsc_type bsc_load_type_map;  /* const struct bsc_node * */
extern const struct bsc_type bsc_load_type_list; /* the same */
extern const struct bsc_type bsc_load_type_text; /* the same */
extern const struct bsc_type bsc_load_type_any;  /* the same */

/* Headers, for the scenario as a whole or for a request; may hold what the log-in kept. */
void bsc_load_read_fields(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                          const struct bsc_node *node, const char *path,
                          struct bsc_load_fields *out);
/* The map of a request, or of the log-in, whose keeps go into the scenario. */
void bsc_load_read_request(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                           const struct bsc_node *node, const char *path, bool login,
                           struct bsc_load_request *out);

#endif
