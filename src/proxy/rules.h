/* SPDX-License-Identifier: Apache-2.0
 * proxy/rules.h - match rules of a rollout: whose requests its candidate gets on purpose.
 *
 * Immutable and counted, like the objects of model.h; a split that has rules holds a reference.
 * Each rule looks at every byte of what it is about at most once, and nothing is allocated.
 */
#ifndef BASCULE_PROXY_RULES_H
#define BASCULE_PROXY_RULES_H

#include <jansson.h>

#include "base/error.h"
#include "base/network.h"
#include "proxy/http1.h"

enum { BSC_RULES_MAX = 64, BSC_RULE_VALUE_MAX = 1024 };

enum bsc_rule_about { BSC_RULE_HEADER, BSC_RULE_COOKIE, BSC_RULE_ADDRESS };

struct bsc_rule {
    enum bsc_rule_about about;
    char *name, *value; /* of a header or a cookie; no value: any but an empty one */
    size_t name_size, value_size;
    bool prefix;                /* what begins with `value` fits, too */
    struct bsc_network network; /* ADDRESS */
};

struct bsc_rules {
    _Atomic unsigned references;
    bool by_address; /* one of them is */
    unsigned count;
    struct bsc_rule items[];
};

/* The list of objects `{"header":NAME,"value":V}`, `{"cookie":NAME,"prefix":V}` and
 * `{"address":RANGE}`. */
enum bsc_status bsc_rules_parse(const json_t *list, struct bsc_rules **out,
                                struct bsc_error *error) BSC_MUST_CHECK;
struct bsc_rules *bsc_rules_acquire(struct bsc_rules *rules); /* NULL gives NULL */
void bsc_rules_release(struct bsc_rules *rules);              /* NULL is allowed */

/* Does any of them fit? `head` NULL: a connection, of which only the address is known. */
bool bsc_rules_fit(const struct bsc_rules *rules, const struct bsc_head *head, const char *bytes,
                   const char *client_address);

#endif
