/* SPDX-License-Identifier: Apache-2.0
 * cli/load_report.h - what a load test found, for people and for programs.
 */
#ifndef BASCULE_CLI_LOAD_REPORT_H
#define BASCULE_CLI_LOAD_REPORT_H

#include <jansson.h>

#include "cli/output.h"
#include "load/run.h"

/* One line, not wider than `columns`, with a line end. */
void bsc_load_line(const struct bsc_output *output, const struct bsc_load_scenario *scenario,
                   const struct bsc_load_progress *progress, const struct bsc_load_counts *counts,
                   unsigned columns, struct bsc_text *out);

/* Prints the tables and the thresholds to standard output. */
void bsc_load_print(const struct bsc_output *output, const struct bsc_load_scenario *scenario,
                    const struct bsc_load_counts *counts);

/* docs/load.md, JSON. The caller owns it. */
json_t *bsc_load_json(const struct bsc_load_scenario *scenario,
                      const struct bsc_load_counts *counts, bool stopped, bool passed);

/* "p95: 612 ms, not < 500 ms" for each threshold that is broken, and whatever else speaks against
 * it. Returns whether there is nothing. */
bool bsc_load_passed(const struct bsc_load_scenario *scenario, const struct bsc_load_counts *counts,
                     bool stopped, struct bsc_text *why);

#endif
