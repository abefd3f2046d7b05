/* SPDX-License-Identifier: Apache-2.0
 * config/types.h - the kinds of values that a key can have (struct bsc_type in reader.h).
 */
#ifndef BASCULE_CONFIG_TYPES_H
#define BASCULE_CONFIG_TYPES_H

#include "config/keys.h"

/* unsigned */
extern const struct bsc_type bsc_type_count;
extern const struct bsc_type bsc_type_percent;
extern const struct bsc_type bsc_type_choice;     /* any enum */
extern const struct bsc_type bsc_type_retry_on;   /* a bit for each cause */
extern const struct bsc_type bsc_type_hundredths; /* "1.25" is 125 */
extern const struct bsc_type bsc_type_cpus;       /* likewise; 0: none */
/* bool */
extern const struct bsc_type bsc_type_flag;
/* int64_t, milliseconds */
extern const struct bsc_type bsc_type_duration;
/* int64_t, bytes; 0 is not written where it is no default */
extern const struct bsc_type bsc_type_size;
/* two unsigned, one after the other */
extern const struct bsc_type bsc_type_rate; /* requests, and in how many seconds; 0: none */
extern const struct bsc_type bsc_type_statuses;
extern const struct bsc_type bsc_type_ports;
/* enum bsc_probe_kind: true is TCP */
extern const struct bsc_type bsc_type_tcp;
/* struct bsc_canary_steps */
extern const struct bsc_type bsc_type_steps;
/* struct bsc_match_spec */
extern const struct bsc_type bsc_type_match;
/* struct bsc_amount; a range from 1 takes words for half and one, too */
extern const struct bsc_type bsc_type_amount;
/* int64_t: milliseconds, or BSC_BAKE_AUTO */
extern const struct bsc_type bsc_type_bake;
/* struct bsc_deploy_spec: scale and scale_instances */
extern const struct bsc_type bsc_type_scale;
/* struct bsc_ab_spec: the goals; and what is in struct bsc_goal_spec */
extern const struct bsc_type bsc_type_goals;
extern const struct bsc_type bsc_type_goal_path;
extern const struct bsc_type bsc_type_goal_header; /* header and header_value */
/* const char * */
extern const struct bsc_type bsc_type_goal_name;
extern const struct bsc_type bsc_type_image;
extern const struct bsc_type bsc_type_inside; /* a path in a container */
extern const struct bsc_type bsc_type_signal;
extern const struct bsc_type bsc_type_name;
extern const struct bsc_type bsc_type_group;
extern const struct bsc_choice bsc_orders[];  /* enum bsc_order */
extern const struct bsc_choice bsc_pulls[];   /* enum bsc_pull */
extern const struct bsc_choice bsc_reaches[]; /* enum bsc_reach */
extern const struct bsc_type bsc_type_version;
extern const struct bsc_type bsc_type_target; /* of a health request: "/health?full=1" */
extern const struct bsc_type bsc_type_token;  /* the name of a header or a cookie */
extern const struct bsc_type bsc_type_authority;
extern const struct bsc_type bsc_type_server_name; /* or an address, an IPv6 one without brackets */
extern const struct bsc_type bsc_type_user;
extern const struct bsc_type bsc_type_directory;
extern const struct bsc_type bsc_type_file;   /* one that is there */
extern const struct bsc_type bsc_type_output; /* a file that need not be there yet */
extern const struct bsc_type bsc_type_route_host;
extern const struct bsc_type bsc_type_route_path;
extern const struct bsc_type bsc_type_line;     /* of text, at most `high` bytes */
extern const struct bsc_type bsc_type_scenario; /* a file of `bascule load` */
/* struct bsc_command */
extern const struct bsc_type bsc_type_command;
/* struct bsc_strings */
extern const struct bsc_type bsc_type_environment;
extern const struct bsc_type bsc_type_env_files;
extern const struct bsc_type bsc_type_targets;
extern const struct bsc_type bsc_type_methods; /* of HTTP */
extern const struct bsc_type bsc_type_headers; /* their names */
extern const struct bsc_type bsc_type_fields;  /* of JSON: "user.name", "items[].id" */
extern const struct bsc_type bsc_type_listen;
extern const struct bsc_type bsc_type_volumes;
extern const struct bsc_type bsc_type_services_named;
extern const struct bsc_type bsc_type_networks; /* "10.0.0.0/8" */
/* struct bsc_statuses */
extern const struct bsc_type bsc_type_status_list;
/* struct bsc_accept */
extern const struct bsc_type bsc_type_accept;
/* const char * */
extern const struct bsc_type bsc_type_url; /* of HTTP or HTTPS */
extern const struct bsc_type bsc_type_words;
/* const char *, of `low` to `high` bytes; and the same in a file of its own */
extern const struct bsc_type bsc_type_secret;
extern const struct bsc_type bsc_type_secret_file;
/* struct bsc_query_list */
extern const struct bsc_type bsc_type_queries;
/* struct bsc_query_spec *, without a name */
extern const struct bsc_type bsc_type_query;
/* struct bsc_error_rules */
extern const struct bsc_type bsc_type_error_rules;
/* struct bsc_rate_rules */
extern const struct bsc_type bsc_type_rate_rules;
/* struct bsc_gates */
extern const struct bsc_type bsc_type_gates;
/* struct bsc_error_pages: the files are read */
extern const struct bsc_type bsc_type_pages;
/* the whole struct bsc_spec, struct bsc_config */
extern const struct bsc_type bsc_type_certificates;
extern const struct bsc_type bsc_type_routes;
extern const struct bsc_type bsc_type_services;

/* For the types' own use. */

enum { BSC_ITEMS_MAX = 1000 }; /* of any list or map but that of the services */

static inline void *bsc_key_field(const struct bsc_key *key, void *base)
{
    return (char *)base + key->offset;
}

static inline const void *bsc_key_value(const struct bsc_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

/* True when `text` is a path that the system can have: not empty, no control characters. */
bool bsc_text_is_clean(const char *text);
/* Says what is wrong with the variables or the length of a text that a program will get, or returns
 * true. */
bool bsc_argument_check(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, const char *path);
/* `text` as an absolute path. */
const char *bsc_path_resolve(struct bsc_reader *reader, const char *text);

/* Reads a list of texts, or one text in its place. Calls `keep` for each, which returns what is
 * kept of it, or NULL after it has said what is wrong. */
bool bsc_texts_read(struct bsc_reader *reader, const struct bsc_key *key,
                    const struct bsc_node *node, struct bsc_strings *out, const char *expected,
                    const char *(*keep)(struct bsc_reader *reader, const struct bsc_key *key,
                                        const struct bsc_node *item, const char *path));
json_t *bsc_texts_write(const struct bsc_key *key, const void *base);
json_t *bsc_texts_schema(const struct bsc_key *key);

json_t *bsc_schema_text(const char *pattern); /* NULL: any */
json_t *bsc_schema_list(json_t *items);
/* An object with the keys of the table. */
json_t *bsc_schema_table(const struct bsc_key_table *table); /* takes `items` */
json_t *bsc_schema_either(json_t *a, json_t *b);

#endif
