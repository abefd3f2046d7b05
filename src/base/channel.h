/* SPDX-License-Identifier: Apache-2.0
 * base/channel.h - short messages with file descriptors between processes of one machine.
 *
 * A message is one line of words, "verb key=value key=value ...", in one packet of an AF_UNIX
 * SOCK_SEQPACKET socket; values hold no space. This is the language of the supervisor, which links
 * nothing but libc and therefore reads no JSON (docs/decisions/0001-supervisor-words.md). Receivers
 * ignore keys and verbs that they do not know. A receiver owns the descriptors that arrive.
 */
#ifndef BASCULE_BASE_CHANNEL_H
#define BASCULE_BASE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { BSC_CHANNEL_BYTES = 4096, BSC_CHANNEL_FDS = 128 };

struct bsc_message {
    char text[BSC_CHANNEL_BYTES]; /* NUL-terminated */
    int fds[BSC_CHANNEL_FDS];
    unsigned fd_count;
};

/* A connected pair, close-on-exec and non-blocking. */
enum bsc_status bsc_channel_pair(int fds[2], struct bsc_error *error) BSC_MUST_CHECK;

/* Sends one message with `fd_count` descriptors, which stay the caller's. Waits up to 2 s for room.
 * BSC_UNAVAILABLE when the other side is gone. */
enum bsc_status bsc_channel_send(int channel, const int *fds, unsigned fd_count,
                                 struct bsc_error *error, const char *format, ...)
    BSC_PRINTF(5, 6) BSC_MUST_CHECK;

/* Receives one message without waiting. *got is false when none is there. BSC_UNAVAILABLE when the
 * other side closed. */
enum bsc_status bsc_channel_receive(int channel, struct bsc_message *out, bool *got,
                                    struct bsc_error *error) BSC_MUST_CHECK;

/* True when the message's verb is `verb`. */
bool bsc_message_is(const struct bsc_message *message, const char *verb);
/* Copies the value of `key` (cut to fit); false and an empty string when it is not there. */
bool bsc_message_value(const struct bsc_message *message, const char *key, char *out, size_t size);
/* The value of `key` as a number; `otherwise` when it is missing or none. */
long long bsc_message_number(const struct bsc_message *message, const char *key,
                             long long otherwise);
/* What follows "text=", up to the end of the line, spaces included: put it last. "" when absent. */
const char *bsc_message_text(const struct bsc_message *message);
/* Closes the descriptors that nobody took (set a slot to -1 to take it). */
void bsc_message_close_fds(struct bsc_message *message);

#endif
