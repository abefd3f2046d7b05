/* SPDX-License-Identifier: Apache-2.0
 * config/config.h - bascule.yaml: read, checked, complete.
 *
 * One table of keys (config/keys.h) drives the reader, the JSON form that the store keeps, the
 * reference page and the JSON schema. All errors are found, not only the first.
 */
#ifndef BASCULE_CONFIG_CONFIG_H
#define BASCULE_CONFIG_CONFIG_H

#include "base/text.h"
#include "core/configuration.h"
#include "core/spec.h"

struct bsc_config_problem {
    const char *file;
    unsigned line;    /* from 1; 0: the file as a whole */
    const char *key;  /* "services.web.health.interval"; "" for the whole */
    const char *text; /* what was found and what is accepted */
};

struct bsc_config_problems {
    struct bsc_config_problem *items;
    size_t count, capacity;
    struct bsc_arena arena;
};

void bsc_config_problems_deinit(struct bsc_config_problems *problems);

/* Reads a configuration from memory. `file` is named in problems, relative paths are relative to
 * its directory. At most 4 MiB, 32 levels, no aliases. NULL when there is any problem. */
struct bsc_config *bsc_config_parse(const char *file, const char *text, size_t size,
                                    struct bsc_config_problems *problems);
struct bsc_config *bsc_config_read(const char *file, struct bsc_config_problems *problems);
/* What is valid and had better not be there. */
void bsc_config_warn(const struct bsc_config *config, const char *file,
                     struct bsc_config_problems *warnings);
void bsc_config_destroy(
    struct bsc_config *config); /* releases its specifications; NULL is allowed */

/* The form in which a specification is stored: JSON with the keys of the file. */
void bsc_spec_write_json(const struct bsc_spec *spec, struct bsc_text *out);
enum bsc_status bsc_spec_read_json(const char *json, struct bsc_spec **out,
                                   struct bsc_error *error) BSC_MUST_CHECK;

/* What differs between two specifications of a service, one line a key: "health.interval: 1s -> 2s
 * (now)" or "(next release)". `old` NULL: new service. Returns true if anything of the group that
 * takes effect now differs. */
bool bsc_spec_diff(const struct bsc_spec *old, const struct bsc_spec *new, struct bsc_text *out);

/* The same for the keys at the top of a file, the proxy's among them. `kept` is what an earlier
 * call left there, or empty: then nothing differs. It becomes that of `new`. */
void bsc_config_diff(struct bsc_text *kept, const struct bsc_config *new, struct bsc_text *out);

/* Generated from the key table. */
void bsc_config_reference(struct bsc_text *out); /* docs/configuration.md */
void bsc_config_schema(struct bsc_text *out);    /* JSON schema */

#endif
