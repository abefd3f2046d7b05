/* SPDX-License-Identifier: Apache-2.0
 * config/problems.h - collecting everything that is wrong, in words for people.
 */
#ifndef BASCULE_CONFIG_PROBLEMS_H
#define BASCULE_CONFIG_PROBLEMS_H

#include "config/config.h"

enum { BSC_PROBLEMS_MAX = 100 };

/* Adds one; after BSC_PROBLEMS_MAX a last one says that there are more. */
void bsc_problem_add(struct bsc_config_problems *problems, const char *file, unsigned line,
                     const char *key, const char *format, ...) BSC_PRINTF(5, 6);

/* In the order of the file. */
void bsc_problems_sort(struct bsc_config_problems *problems);

#endif
