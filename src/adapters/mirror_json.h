/* SPDX-License-Identifier: Apache-2.0
 * adapters/mirror_json.h - a report of mirroring as JSON: as proxies tell it, and as it is stored.
 */
#ifndef BASCULE_ADAPTERS_MIRROR_JSON_H
#define BASCULE_ADAPTERS_MIRROR_JSON_H

#include <jansson.h>

#include "core/mirror.h"

json_t *bsc_mirror_write(const struct bsc_mirror_report *report);
/* What does not belong there is left out; false: it is no report at all. */
bool bsc_mirror_read(const json_t *object, struct bsc_mirror_report *out);

#endif
