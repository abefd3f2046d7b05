/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_findings.h - what the comparisons of one rollout came to, and which fields are
 * noise. Pure.
 *
 * Noise is learnt where it is met: a difference in a field of which little is known is checked by
 * asking the live version once more. Where that differs from itself the field is noisy for good;
 * where it does not, BSC_MIRROR_ASKED times, it is known to be steady and not asked for again. So
 * the live version is asked a few times for each field, whatever the traffic.
 */
#ifndef BASCULE_PROXY_MIRROR_FINDINGS_H
#define BASCULE_PROXY_MIRROR_FINDINGS_H

#include "base/list.h"
#include "proxy/mirror_diff.h"

enum { BSC_MIRROR_PLACES = 96, BSC_MIRROR_ASKED = 3 };

struct bsc_mirrored {
    struct bsc_list node;
    uint64_t id; /* of the rollout */
    char *service;
    bool fresh; /* `news` has something */
    int64_t used_ms;
    struct bsc_mirror_report news; /* since it was told last */
    unsigned place_count;
    struct bsc_mirror_place {
        enum bsc_difference kind;
        char where[BSC_WHERE_BYTES];
        unsigned steady; /* how often the live version did not differ from itself there */
        unsigned examples;
        bool noisy;
    } places[BSC_MIRROR_PLACES];
};

/* Should the live version be asked about these differences? */
bool bsc_mirrored_doubts(const struct bsc_mirrored *mirrored,
                         const struct bsc_differences *differences);
/* Counts a comparison. `request` is shown with its examples. `itself` is what the live version
 * answered otherwise than before; NULL: it was not asked. */
void bsc_mirrored_count(struct bsc_mirrored *mirrored, const struct bsc_differences *differences,
                        const struct bsc_differences *itself, const char *request);
/* The candidate gave no answer; `reason` says why. */
void bsc_mirrored_unanswered(struct bsc_mirrored *mirrored, const char *reason,
                             const char *request);

/* The line for the controller with the news, which begin anew. */
json_t *bsc_mirrored_line(struct bsc_mirrored *mirrored);

#endif
