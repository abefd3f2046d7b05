/* SPDX-License-Identifier: Apache-2.0
 * contract/disk.h - a disk that can lose power and fail to sync, below SQLite.
 *
 * A VFS over SQLite's own: it remembers for each file what is durable and what was written since
 * the last sync. After a power loss any part of the latter may be there: each write whole, torn at
 * a sector, or not at all. A sync that fails drops what it should have made durable, as Linux does:
 * the pages count as clean from then on, although they never reached the disk.
 */
#ifndef BASCULE_TESTS_CONTRACT_DISK_H
#define BASCULE_TESTS_CONTRACT_DISK_H

#include <stdbool.h>

/* Becomes SQLite's default. Files opened from now on are followed. */
void disk_install(void);
/* Files opened from now on are not followed. */
void disk_follow(bool follow);
/* Forgets all files and failures. */
void disk_reset(void);

/* Called before each write, truncation, sync and removal of a followed file; NULL: nobody. */
void disk_on_step(void (*on_step)(void *argument), void *argument);
/* The nth sync from now on fails (1: the next one), and `more` after it. 0: none. */
void disk_fail_sync(unsigned nth, unsigned more);
/* How many syncs there were since disk_reset. */
unsigned disk_syncs(void);

/* Writes into `directory` what a power loss now would leave; `seed` decides what was lucky. */
void disk_lose_power(const char *directory, unsigned seed);

#endif
