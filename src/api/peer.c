/* SPDX-License-Identifier: Apache-2.0
 * api/peer.c - who speaks on a connection, from the kernel's word (unix(7), SO_PEERCRED).
 *
 * The socket's mode keeps others out already; this holds also where somebody opened it up.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/context.h"
#include "base/arena.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static bool in_supplementary(int fd, gid_t wanted)
{
    gid_t few[64], *groups = few;
    socklen_t size = sizeof few;
    char *memory = NULL;
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
    if (result != 0 && errno == ERANGE) {
        memory = bsc_alloc(size);
        groups = (gid_t *)(void *)memory;
        result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
    }
    bool found = false;
    for (size_t i = 0; result == 0 && i < size / sizeof *groups; i++)
        found |= groups[i] == wanted;
    free(memory);
    return found;
}

static bool in_group(int fd, gid_t primary, const char *name)
{
    struct group group, *found = NULL;
    char memory[16384];
    if (!name || getgrnam_r(name, &group, memory, sizeof memory, &found) != 0 || !found)
        return false;
    return primary == found->gr_gid || in_supplementary(fd, found->gr_gid);
}

void bsc_api_peer_read(int fd, const char *group, struct bsc_api_peer *out)
{
    struct ucred peer = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    socklen_t size = sizeof peer;
    *out = (struct bsc_api_peer){ .actor = "unknown" };
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid == (uid_t)-1)
        return;
    out->allowed = peer.uid == 0 || peer.uid == geteuid() || in_group(fd, peer.gid, group);
    struct passwd user, *found = NULL;
    char memory[16384];
    if (peer.uid != 0 && getpwuid_r(peer.uid, &user, memory, sizeof memory, &found) != 0)
        found = NULL;
    if (peer.uid == 0)
        snprintf(out->actor, sizeof out->actor, "root");
    else if (found && strlen(found->pw_name) < sizeof out->actor)
        snprintf(out->actor, sizeof out->actor, "%s", found->pw_name);
    else
        snprintf(out->actor, sizeof out->actor, "uid %lu", (unsigned long)peer.uid);
}
