/* SPDX-License-Identifier: Apache-2.0
 * shim/tree.c - see tree.h. */
#include "shim/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/arena.h"

bool bsc_process_parse(const char *stat, struct bsc_process *out)
{
    /* The name may hold anything, parentheses and spaces included; what follows may not. */
    const char *after = strrchr(stat, ')');
    int pid, parent;
    if (!after || sscanf(stat, "%d (", &pid) != 1 ||
        sscanf(after + 1,
               " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
               &parent, &out->start_ticks) != 2)
        return false;
    out->pid = pid;
    out->parent = parent;
    out->in_tree = false;
    return true;
}

static int by_pid(const void *left, const void *right)
{
    const struct bsc_process *a = left, *b = right;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

size_t bsc_tree_mark(struct bsc_process *list, size_t count, pid_t root)
{
    size_t marked = 0;
    if (count)
        qsort(list, count, sizeof *list, by_pid);
    for (size_t i = 0; i < count; i++) {
        const struct bsc_process *at = &list[i];
        /* The steps are bounded because a list that was not read at once may hold a ring. */
        for (size_t step = 0; at && at->parent != root; step++) {
            struct bsc_process parent = { .pid = at->parent };
            at = step < count ? bsearch(&parent, list, count, sizeof *list, by_pid) : NULL;
        }
        list[i].in_tree = at != NULL;
        marked += list[i].in_tree;
    }
    return marked;
}

static bool read_process(const char *pid, struct bsc_process *out)
{
    char path[300], stat[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t size = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (size <= 0)
        return false;
    stat[size] = '\0';
    return bsc_process_parse(stat, out);
}

static struct bsc_process *read_all(size_t *count)
{
    struct bsc_process *list = NULL;
    size_t capacity = 0;
    *count = 0;
    DIR *directory = opendir("/proc");
    if (!directory)
        return NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        list = bsc_grow(list, &capacity, *count + 1, sizeof *list);
        if (read_process(entry->d_name, &list[*count]))
            (*count)++;
    }
    closedir(directory);
    return list;
}

/* Between reading and signalling, a process may end and another get its pid: the pidfd pins it,
 * then its start time tells whether it is the one that was read. Returns 0 or an errno. */
static int signal_exactly(const struct bsc_process *process, int signal)
{
    char pid[16];
    struct bsc_process now;
    int fd = pidfd_open(process->pid, 0);
    if (fd == -1)
        return errno;
    int result = 0;
    snprintf(pid, sizeof pid, "%d", (int)process->pid);
    if (!read_process(pid, &now) || now.start_ticks != process->start_ticks)
        result = ESRCH;
    else if (pidfd_send_signal(fd, signal, NULL, 0) == -1)
        result = errno;
    close(fd);
    return result;
}

struct bsc_tree_result bsc_tree_signal(int signal)
{
    struct bsc_tree_result result = { 0 };
    size_t count;
    struct bsc_process *list = read_all(&count);
    bsc_tree_mark(list, count, getpid());
    for (size_t i = 0; i < count; i++) {
        int number = list[i].in_tree ? signal_exactly(&list[i], signal) : ESRCH;
        if (number == EPERM)
            result.denied++;
        else if (number == 0)
            result.reached++;
    }
    free(list);
    return result;
}
