/* SPDX-License-Identifier: Apache-2.0
 * cli/complete.h - completion: the shells ask this program, the tables answer.
 */
#ifndef BASCULE_CLI_COMPLETE_H
#define BASCULE_CLI_COMPLETE_H

#include "base/text.h"
#include "cli/parse.h"

/* What the shells' scripts call: `bascule __complete WORD...`, the last word being typed. */
#define BSC_COMPLETE_COMMAND "__complete"

/* Names that only the daemon knows. */
struct bsc_complete_names {
    /* Adds those of `value` (services; or versions, instances of the service that `call` names), a
     * line each. `call` holds what stands before the word that is typed. */
    void (*add)(void *argument, enum bsc_value value, const struct bsc_call *call,
                struct bsc_text *out);
    void *argument;
};

/* What the last of `words` can become: "candidate<TAB>what it is" a line, then ":files" or
 * ":directories" when the shell is to offer those. The program's own name is not a word. */
void bsc_complete(int count, char *const *words, const struct bsc_complete_names *names,
                  struct bsc_text *out);

/* Prints that for the running daemon, if there is one; returns the exit status. */
int bsc_complete_run(int count, char **words);

#endif
