/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what a controller says to a proxy: lines, as they come over the socket or out of a
 * snapshot. Must hold: whatever was refused before, a whole state that follows is taken, and it is
 * the only one that is left; and no two services share an index. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "proxy/lines.h"

static bool take(struct bsc_lines *lines, const char *text, size_t size)
{
    struct bsc_line line;
    struct bsc_error error;
    char *exact = malloc(size ? size : 1); /* so that reading on is seen */
    memcpy(exact, text, size);
    enum bsc_status status = bsc_lines_take(lines, exact, size, &line, &error);
    free(exact);
    MUST(status == BSC_OK || error.text[0]);
    if (line.update)
        bsc_update_destroy(line.update);
    return status == BSC_OK;
}

static void indices_are_distinct(const struct bsc_lines *lines)
{
    for (size_t i = 0; i < lines->now.count; i++) {
        MUST(lines->now.entries[i]->index < lines->index_count);
        for (size_t j = 0; j < i; j++)
            MUST(lines->now.entries[i]->index != lines->now.entries[j]->index);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const whole[] = {
        "{\"hello\":{\"protocol\":1,\"epoch\":1000}}",
        "{\"seq\":1,\"service\":{\"name\":\"last\",\"routes\":[{\"host\":null,\"path\":\"/\"}]}}",
        "{\"seq\":2,\"end\":true}",
    };
    struct bsc_lines lines;
    bsc_lines_init(&lines);
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        (void)take(&lines, at, (size_t)(stop - at));
        indices_are_distinct(&lines);
        at = stop + 1;
    }
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        MUST(take(&lines, whole[i], strlen(whole[i])));
    MUST(lines.in_force && !lines.collecting && lines.now.count == 1);
    MUST(!strcmp(lines.now.entries[0]->name, "last"));
    bsc_lines_deinit(&lines);
    return 0;
}
