/* SPDX-License-Identifier: Apache-2.0
 * proxy/controller.h - the stream to the controller: JSON lines in, acknowledgements out.
 *
 * What the controller sends is never waited for and never more than BSC_LINE_MAX_BYTES a line; what
 * it does not read is kept up to the same bound, then the stream is dropped. It sends everything
 * again on the next one.
 */
#ifndef BASCULE_PROXY_CONTROLLER_H
#define BASCULE_PROXY_CONTROLLER_H

#include <stdbool.h>

#include "base/text.h"
#include "proxy/lines.h"

enum { BSC_LINE_MAX_BYTES = 16 * 1024 * 1024 };

struct bsc_controller {
    int fd; /* -1: there is none */
    long long epoch;
    struct bsc_text in, out;
    size_t searched; /* bytes of `in` without an end of line */
    bool skipping;   /* the rest of a line that is too long */
    long long *seqs; /* collected lines, acknowledged with their "end" */
    size_t seq_count, seq_capacity;
};

void bsc_controller_init(struct bsc_controller *controller);
/* Takes the socket over, in place of an earlier one, and says hello. */
void bsc_controller_open(struct bsc_controller *controller, int take_fd, unsigned generation,
                         unsigned workers);
void bsc_controller_close(struct bsc_controller *controller);

/* Reads what is there. Calls `on_line` for each that brings an update, with the lines that it
 * acknowledges filled in; false: the stream ended. */
bool bsc_controller_read(struct bsc_controller *controller, struct bsc_lines *lines,
                         void (*on_line)(void *context, const struct bsc_line *line),
                         void *context);
/* Writes what waits; false: the stream ended. */
bool bsc_controller_write(struct bsc_controller *controller);
/* Every worker has swapped. */
void bsc_controller_acknowledge(struct bsc_controller *controller, const struct bsc_update *update);
/* Says that an instance is ejected (its outlier says why), or that it is back. */
void bsc_controller_eject(struct bsc_controller *controller, const char *service,
                          const struct bsc_instance *instance, bool ejected, int64_t now_ms);
/* Says that a split has tripped (rescue.h). */
void bsc_controller_trip(struct bsc_controller *controller, const char *service,
                         const struct bsc_split *split);
/* Says any other line. */
void bsc_controller_tell(struct bsc_controller *controller, json_t *take_line);
void bsc_controller_bye(struct bsc_controller *controller);

#endif
