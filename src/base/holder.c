/* SPDX-License-Identifier: Apache-2.0
 * base/holder.c - see holder.h. The socket's inode is in /proc/net/tcp and tcp6 (proc_net_tcp in
 * the kernel's documentation); the process that has it open links to it in /proc/PID/fd. */
#include "base/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TCP_STATE_LISTEN = 0x0a };

static unsigned long listening_inode(const char *table, unsigned port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(table, "re");
    if (!file)
        return 0;
    while (!found && fgets(line, sizeof line, file)) {
        unsigned local, state;
        unsigned long inode;
        if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", &local, &state,
                   &inode) == 3 &&
            local == port && state == TCP_STATE_LISTEN)
            found = inode;
    }
    fclose(file);
    return found;
}

static bool has_open(const char *pid, const char *link)
{
    char path[300], target[64];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(directory));) {
        ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (size < 0)
            continue;
        target[size] = '\0';
        found = !strcmp(target, link);
    }
    closedir(directory);
    return found;
}

static void describe_process(const char *pid, char out[static BSC_HOLDER_BYTES])
{
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof name, file))
            name[strcspn(name, "\n")] = '\0';
        fclose(file);
    }
    snprintf(out, BSC_HOLDER_BYTES, " by %s (pid %.10s)", *name ? name : "a process", pid);
}

const char *bsc_holder_describe(unsigned port, char out[static BSC_HOLDER_BYTES])
{
    out[0] = '\0';
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    DIR *processes = inode ? opendir("/proc") : NULL;
    if (!processes)
        return out;
    char link[64];
    snprintf(link, sizeof link, "socket:[%lu]", inode);
    for (struct dirent *entry; !*out && (entry = readdir(processes));)
        if (isdigit((unsigned char)entry->d_name[0]) && has_open(entry->d_name, link))
            describe_process(entry->d_name, out);
    closedir(processes);
    return out;
}
