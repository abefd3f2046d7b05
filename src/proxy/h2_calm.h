/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_calm.h - how much a connection may ask for without asking anything: floods of PING,
 * SETTINGS, PRIORITY, WINDOW_UPDATE, of empty frames, and of streams that are taken back
 * (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2025-8671).
 *
 * Two credits. Frames that carry nothing cost one each; bodies and requests earn some, because they
 * bring such frames along; time gives a few. Streams that end in an error cost of the other credit,
 * which only time fills. Who has spent one is told ENHANCE_YOUR_CALM.
 */
#ifndef BASCULE_PROXY_H2_CALM_H
#define BASCULE_PROXY_H2_CALM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BSC_H2_CALM_FRAMES = 2000,  /* at once */
    BSC_H2_CALM_FRAMES_S = 100, /* more a second */
    BSC_H2_CALM_RESETS = 400,
    BSC_H2_CALM_RESETS_S = 20
};

struct bsc_h2_calm {
    int64_t at_ms; /* up to here the credits were filled */
    int32_t frames, resets;
};

static inline void bsc_h2_calm_init(struct bsc_h2_calm *calm, int64_t now_ms)
{
    *calm = (struct bsc_h2_calm){ now_ms, BSC_H2_CALM_FRAMES, BSC_H2_CALM_RESETS };
}

static inline void bsc_h2_calm_earn(struct bsc_h2_calm *calm, int32_t frames)
{
    calm->frames += frames;
    if (calm->frames > BSC_H2_CALM_FRAMES)
        calm->frames = BSC_H2_CALM_FRAMES;
}

static inline void bsc_h2_calm_fill(struct bsc_h2_calm *calm, int64_t now_ms)
{
    int64_t seconds = (now_ms - calm->at_ms) / 1000;
    if (seconds <= 0)
        return;
    calm->at_ms += seconds * 1000;
    if (seconds > BSC_H2_CALM_FRAMES)
        seconds = BSC_H2_CALM_FRAMES;
    bsc_h2_calm_earn(calm, (int32_t)seconds * BSC_H2_CALM_FRAMES_S);
    calm->resets += (int32_t)seconds * BSC_H2_CALM_RESETS_S;
    if (calm->resets > BSC_H2_CALM_RESETS)
        calm->resets = BSC_H2_CALM_RESETS;
}

/* False: that was one too many. */
static inline bool bsc_h2_calm_frame(struct bsc_h2_calm *calm, int64_t now_ms)
{
    bsc_h2_calm_fill(calm, now_ms);
    return --calm->frames >= 0;
}

static inline bool bsc_h2_calm_reset(struct bsc_h2_calm *calm, int64_t now_ms)
{
    bsc_h2_calm_fill(calm, now_ms);
    return --calm->resets >= 0;
}

#endif
