/* SPDX-License-Identifier: Apache-2.0
 * config/keys.h - the one table of configuration keys.
 *
 * Reader, stored form, differences, reference page and JSON schema are all made from it: a key is
 * one row here and, where it is of a new kind, one struct bsc_type in types.h.
 */
#ifndef BASCULE_CONFIG_KEYS_H
#define BASCULE_CONFIG_KEYS_H

#include "config/reader.h"

enum bsc_effect {
    BSC_EFFECT_NOW,     /* when the file is applied */
    BSC_EFFECT_RELEASE, /* with the next release of the service */
    BSC_EFFECT_UPGRADE, /* with the next proxy: `bascule upgrade` */
    BSC_EFFECT_COUNT
};

enum {
    BSC_KEY_STORED = 1,    /* in the stored form only, not in a file */
    BSC_KEY_ALIAS = 2,     /* another spelling of the row before: read, never written */
    BSC_KEY_SHORT = 4,     /* may be written in place of its section: `pre_deploy: COMMAND` */
    BSC_KEY_VARIABLES = 8, /* ${VERSION} and so on are expanded */
    BSC_KEY_PROCESS = 16,  /* has no meaning for a service with targets */
    BSC_KEY_HTTP = 32,     /* has no meaning for a service of TCP */
    BSC_KEY_SECRET = 64,   /* what it was and what it is are never told */
    BSC_KEY_IMAGE = 128,   /* has a meaning for containers only */
};

struct bsc_choice {
    const char *name;
    unsigned value;
    bool alias; /* accepted, but not what is written */
};

struct bsc_key {
    const char *path; /* "health.interval" */
    const struct bsc_type *type;
    enum bsc_effect effect;
    unsigned flags;
    size_t offset;                    /* of the field in the struct that the table fills */
    int64_t low, high;                /* range of numbers and durations */
    const struct bsc_choice *choices; /* up to a NULL name */
    const char *otherwise;            /* the default as it would be written; NULL: none */
    const char *absent;               /* in words, what holds without it; NULL: `otherwise` */
    const char *text;                 /* one sentence for the reference */
    const char *example;              /* as it would be written; NULL: the default */
};

/* A map of keys that share their first part, for the reference. */
struct bsc_section {
    const char *path, *text;
};

enum { BSC_KEYS_MAX = 208, BSC_KEY_BYTES_MAX = 64 };

struct bsc_key_table {
    unsigned count;
    const struct bsc_key *keys;
    const struct bsc_section *sections; /* up to a NULL path */
};

extern const struct bsc_key_table bsc_config_keys;      /* fills struct bsc_config */
extern const struct bsc_key_table bsc_service_keys;     /* fills struct bsc_spec */
extern const struct bsc_key_table bsc_gate_keys;        /* fills struct bsc_gate */
extern const struct bsc_key_table bsc_route_keys;       /* fills struct bsc_route */
extern const struct bsc_key_table bsc_query_keys;       /* fills struct bsc_query_spec */
extern const struct bsc_key_table bsc_error_rule_keys;  /* fills struct bsc_error_rule */
extern const struct bsc_key_table bsc_rate_rule_keys;   /* fills struct bsc_rate_rule */
extern const struct bsc_key_table bsc_goal_keys;        /* fills struct bsc_goal_spec */
extern const struct bsc_key_table bsc_certificate_keys; /* fills struct bsc_certificate_files */

const char *bsc_effect_name(enum bsc_effect effect); /* "now", "next release" */

#endif
