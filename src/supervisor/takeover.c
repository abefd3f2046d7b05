/* SPDX-License-Identifier: Apache-2.0
 * supervisor/takeover.c - finding the proxies that an earlier supervisor left.
 *
 * They go on with their requests whoever lives; they tell us what they listen on and their newest
 * routes, so that nothing else is needed to go on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/supervisor.h"

static int connect_to(int directory, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.40s", directory, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static void find_one(struct bsc_supervisor *supervisor, const char *name)
{
    char *end;
    long long generation = strtoll(name, &end, 10);
    if (end == name || strcmp(end, ".sock") != 0 || generation <= 0)
        return;
    int channel = connect_to(supervisor->proxy_directory, name);
    if (channel == -1) {
        if (errno == ECONNREFUSED)
            unlinkat(supervisor->proxy_directory, name, 0);
        else
            bsc_log_warning("connect to proxy generation %lld: %s", generation, strerror(errno));
        return;
    }
    struct bsc_proxy *proxy = bsc_proxy_add(supervisor, generation);
    if (!proxy) {
        bsc_log_warning("more than %d proxies are left; one is ignored", BSC_PROXIES_MAX);
        close(channel);
        return;
    }
    proxy->channel = channel;
    bsc_log_info("proxy generation %lld: found", generation);
}

void bsc_takeover_begin(struct bsc_supervisor *supervisor)
{
    int again = openat(supervisor->proxy_directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = again == -1 ? NULL : fdopendir(again);
    if (!directory) {
        if (again != -1)
            close(again);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        find_one(supervisor, entry->d_name);
    closedir(directory);
}

bool bsc_takeover_complete(const struct bsc_supervisor *supervisor)
{
    return !bsc_proxy_count(supervisor, 1U << BSC_GENERATION_STARTING);
}

void bsc_takeover_end(struct bsc_supervisor *supervisor)
{
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (proxy->state != BSC_GENERATION_STARTING)
            continue;
        proxy->trouble = "it was not ready when its supervisor died";
        if (proxy->introduced) {
            bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_HUNG);
            continue;
        }
        bsc_log_error("proxy generation %lld does not answer; end it by hand", proxy->generation);
        bsc_proxy_handle(supervisor, proxy, BSC_GENERATION_ON_EXITED);
    }
    bsc_proxy_elect(supervisor);
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        if (supervisor->proxies[i].state == BSC_GENERATION_CURRENT) {
            supervisor->workers = supervisor->proxies[i].workers;
            supervisor->configured = true;
        }
}
