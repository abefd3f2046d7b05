/* SPDX-License-Identifier: Apache-2.0
 * cli/prometheus.h - one number out of a Prometheus server (its HTTP API, version 1).
 */
#ifndef BASCULE_CLI_PROMETHEUS_H
#define BASCULE_CLI_PROMETHEUS_H

#include "base/text.h"

/* The value of an answer to /api/v1/query: a scalar, or a vector of one. *known is false for an
 * empty vector and for what is not a number (0/0). Fails when the server refused, or answered
 * several series. Pure. */
enum bsc_status bsc_prometheus_parse(const char *answer, size_t size, double *out, bool *known,
                                     struct bsc_error *error) BSC_MUST_CHECK;

/* Asks and waits, at most 10 s. */
enum bsc_status bsc_prometheus_ask(const char *url, const char *query, double *out, bool *known,
                                   struct bsc_error *error) BSC_MUST_CHECK;

#endif
