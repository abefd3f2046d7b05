/* SPDX-License-Identifier: Apache-2.0
 * core/match.h - match rules: whose requests get a new version before everybody else's, in words.
 *
 * Pure. A rule is one of
 *
 *     header:X-Beta=yes   a field of that name (in any case) has exactly this value
 *     header:X-Beta^=y    ... or one that begins so
 *     header:X-Beta       ... or any but an empty one
 *     cookie:beta=1       likewise, of a cookie; its name counts as it is written
 *     address:10.0.0.0/8  the client's address is in this range
 *
 * Nothing can be asked that takes more than one look at each byte of a request's head.
 */
#ifndef BASCULE_CORE_MATCH_H
#define BASCULE_CORE_MATCH_H

#include "core/spec.h"

enum {
    BSC_MATCH_RULES_MAX = 16,
    BSC_MATCH_NAME_MAX = 64,
    BSC_MATCH_VALUE_MAX = 256,
    BSC_MATCH_TEXT_BYTES = BSC_MATCH_NAME_MAX + BSC_MATCH_VALUE_MAX + 16
};

/* BSC_INVALID says what is wrong with it, as what follows the rule's name in a sentence. */
enum bsc_status bsc_match_rule_check(const struct bsc_match_rule *rule,
                                     struct bsc_error *error) BSC_MUST_CHECK;
/* "header:X-Beta=yes"; its texts are copied. BSC_INVALID: see bsc_match_parse. */
enum bsc_status bsc_match_rule_parse(const char *text, size_t size, struct bsc_arena *arena,
                                     struct bsc_match_rule *out,
                                     struct bsc_error *error) BSC_MUST_CHECK;
/* Rules with ';' between them: a value that has one can only be given in a file. BSC_INVALID says
 * which is wrong and what is accepted. */
enum bsc_status bsc_match_parse(const char *text, struct bsc_arena *arena,
                                struct bsc_match_spec *out, struct bsc_error *error) BSC_MUST_CHECK;
/* Of connections of TCP only the address is known: BSC_INVALID. */
enum bsc_status bsc_match_check(const struct bsc_match_spec *match, enum bsc_speech speech,
                                struct bsc_error *error) BSC_MUST_CHECK;

/* As it would be parsed. */
const char *bsc_match_rule_format(const struct bsc_match_rule *rule,
                                  char out[static BSC_MATCH_TEXT_BYTES]);
const char *bsc_match_by_name(enum bsc_match_by by); /* "header" */

#endif
