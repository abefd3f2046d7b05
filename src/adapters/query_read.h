/* SPDX-License-Identifier: Apache-2.0
 * adapters/query_read.h - what the bytes of an answer say. Pure.
 *
 * Each fills *out; of text that must be made a copy is written to `room`.
 */
#ifndef BASCULE_ADAPTERS_QUERY_READ_H
#define BASCULE_ADAPTERS_QUERY_READ_H

#include "core/query.h"

enum { BSC_QUERY_ROOM_BYTES = 256 };

/* The answer of Prometheus' /api/v1/query: a scalar, or a vector of one series. */
void bsc_query_read_prometheus(unsigned status, const char *body, size_t size,
                               struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES]);
/* Of an HTTP query: its status, or the number at spec->field. */
void bsc_query_read_http(const struct bsc_query_spec *spec, unsigned status, const char *body,
                         size_t size, struct bsc_answer_read *out,
                         char room[static BSC_QUERY_ROOM_BYTES]);
/* Of a command; `line` is the last one of its output, "" without any. */
void bsc_query_read_command(const struct bsc_query_spec *spec, bool succeeded, const char *detail,
                            struct bsc_answer_read *out, char room[static BSC_QUERY_ROOM_BYTES]);

#endif
