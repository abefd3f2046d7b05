/* SPDX-License-Identifier: Apache-2.0
 * proxy/parse.h - the objects in the controller's JSON lines (docs/protocol.md). Whatever is
 * missing, of another type or out of range is an error that names it; unknown keys are accepted.
 */
#ifndef BASCULE_PROXY_PARSE_H
#define BASCULE_PROXY_PARSE_H

#include <jansson.h>

#include "proxy/model.h"

/* The value of "service" or "name": 1 to 255 bytes. */
enum bsc_status bsc_parse_name(const json_t *object, const char *key, const char **out,
                               struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_parse_address(const json_t *object, const char **out,
                                  struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_parse_role(const json_t *object, struct bsc_role *out,
                               struct bsc_error *error) BSC_MUST_CHECK;
/* Fills what follows the name; *service was made by bsc_service_create. */
enum bsc_status bsc_parse_service(const json_t *object, struct bsc_service *service,
                                  struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_parse_roster(const json_t *object, struct bsc_roster **out,
                                 struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_parse_split(const json_t *object, struct bsc_split *out,
                                struct bsc_error *error) BSC_MUST_CHECK;

#endif
