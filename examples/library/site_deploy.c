/* SPDX-License-Identifier: Apache-2.0
 * site_deploy.c - releases of a static site, by libbascule: folders, symbolic links and a health
 * check over HTTP. See README.md.
 *
 *   ROOT/releases/VERSION   the releases, as they were uploaded
 *   ROOT/blue, ROOT/green   links to the release in each environment
 *   ROOT/current            link to blue or green: what users get
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bascule/deployer.h>

struct site {
    const char *root, *host, *port;
    char **pages; /* what a health check asks for */
    unsigned page_count;
};

/* Lets ROOT/name lead to `target` from one moment to the next: a rename replaces the old link. */
static bool point(const struct site *site, const char *name, const char *target, char *reason,
                  size_t size)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", site->root, name);
    snprintf(fresh, sizeof fresh, "%s/.%s.new", site->root, name);
    unlink(fresh);
    if (symlink(target, fresh) == 0 && rename(fresh, path) == 0)
        return true;
    snprintf(reason, size, "%s: %s", path, strerror(errno));
    return false;
}

static bool start(void *context, enum bascule_environment environment,
                  const struct bascule_deployment *deployment, char *reason, size_t size)
{
    const struct site *site = context;
    char target[BASCULE_VERSION_BYTES + 16], folder[PATH_MAX];
    struct stat found;
    snprintf(target, sizeof target, "releases/%s", deployment->version);
    snprintf(folder, sizeof folder, "%s/%s", site->root, target);
    if (stat(folder, &found) == -1 || !S_ISDIR(found.st_mode)) {
        snprintf(reason, size, "there is no folder %s", folder);
        return false;
    }
    return point(site, bascule_environment_name(environment), target, reason, size);
}

static void stop(void *context, enum bascule_environment environment)
{
    const struct site *site = context;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", site->root, bascule_environment_name(environment));
    unlink(path);
}

static bool switch_to(void *context, enum bascule_environment environment, int64_t timeout_ms,
                      char *reason, size_t size)
{
    (void)timeout_ms; /* a rename takes no time */
    return point(context, "current", bascule_environment_name(environment), reason, size);
}

static int64_t now_ms(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A connected socket, or -1. Every operation on it ends within timeout_ms. */
static int dial(const struct site *site, int64_t timeout_ms)
{
    struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };
    struct timeval limit = { .tv_sec = timeout_ms / 1000,
                             .tv_usec = timeout_ms % 1000 * 1000 + 1 /* 0 would be no limit */ };
    if (getaddrinfo(site->host, site->port, &hints, &found) != 0)
        return -1;
    int fd = -1;
    for (const struct addrinfo *one = found; one && fd == -1; one = one->ai_next) {
        fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
        if (fd == -1)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* holds for connect, too */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connect(fd, one->ai_addr, one->ai_addrlen) == -1) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* GET /environment/page: is it answered by 200? */
static void ask(const struct site *site, enum bascule_environment environment, const char *page,
                int64_t timeout_ms, struct bascule_check *out)
{
    char request[1024], answer[64] = "";
    snprintf(out->name, sizeof out->name, "%s", page);
    int length = snprintf(request, sizeof request,
                          "GET /%s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                          bascule_environment_name(environment), page, site->host);
    int fd = length < (int)sizeof request ? dial(site, timeout_ms) : -1;
    if (fd == -1) {
        snprintf(out->detail, sizeof out->detail, "can't connect to %s:%s", site->host, site->port);
        return;
    }
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) == length)
        (void)!recv(fd, answer, sizeof "HTTP/1.1 200" - 1, MSG_WAITALL);
    close(fd);
    out->passed = !strncmp(answer, "HTTP/1.", 7) && !strcmp(answer + 8, " 200");
    snprintf(out->detail, sizeof out->detail, "%s", *answer ? answer : "no answer in time");
}

static void check(void *context, enum bascule_environment environment, int64_t timeout_ms,
                  struct bascule_check_result *out)
{
    const struct site *site = context;
    int64_t until = now_ms(NULL) + timeout_ms;
    for (unsigned i = 0; i < site->page_count; i++) {
        int64_t left = until - now_ms(NULL);
        ask(site, environment, site->pages[i], left > 0 ? left : 0, &out->checks[i]);
        out->passed += out->checks[i].passed;
        out->failed += !out->checks[i].passed;
    }
}

static void print_status(struct bascule_deployer *deployer)
{
    for (unsigned i = 0; i < 2; i++) {
        enum bascule_environment environment = (enum bascule_environment)i;
        struct bascule_deployment info;
        bool deployed = bascule_deployment_info(deployer, environment, &info);
        printf("%-5s %-9s %s\n", bascule_environment_name(environment),
               bascule_environment_state_name(bascule_environment_state_of(deployer, environment)),
               deployed && *info.version ? info.version : "-");
    }
}

static void print_history(struct bascule_deployer *deployer)
{
    struct bascule_record record;
    for (size_t i = 0; i < bascule_history(deployer, i, &record, 1); i++)
        printf("%llu %-5s %-12s %s\n", (unsigned long long)record.id,
               bascule_environment_name(record.environment),
               bascule_record_status_name(record.status), record.version);
}

static enum bascule_result check_and_print(struct bascule_deployer *deployer,
                                           struct bascule_error *error)
{
    static struct bascule_check_result result; /* large; and there is one thread */
    result = (struct bascule_check_result){ 0 };
    enum bascule_result status = bascule_health_check(deployer, &result, error);
    for (unsigned i = 0; i < result.passed + result.failed; i++)
        printf("%s %s: %s\n", result.checks[i].passed ? "pass" : "FAIL", result.checks[i].name,
               result.checks[i].detail);
    return status;
}

/* False when it failed; `error` says why. */
static bool run(struct bascule_deployer *deployer, const char *word, const char *version,
                struct bascule_error *error)
{
    enum bascule_result result = BASCULE_OK;
    if (!strcmp(word, "deploy"))
        result = bascule_deploy(deployer, version, NULL, 1, NULL, error);
    else if (!strcmp(word, "check"))
        result = check_and_print(deployer, error);
    else if (!strcmp(word, "switch"))
        result = bascule_switch(deployer, error);
    else if (!strcmp(word, "release"))
        result = bascule_deploy_and_switch(deployer, version, NULL, 1, error);
    else if (!strcmp(word, "rollback"))
        result = bascule_rollback(deployer, error);
    else if (!strcmp(word, "cleanup"))
        result = bascule_cleanup_staging(deployer, error);
    else if (!strcmp(word, "status"))
        print_status(deployer);
    else if (!strcmp(word, "history"))
        print_history(deployer);
    else {
        *error = (struct bascule_error){ .result = result = BASCULE_INVALID_ARGUMENT };
        snprintf(error->text, sizeof error->text,
                 "'%s' is none of deploy, check, switch, release, rollback, cleanup, status, "
                 "history",
                 word);
    }
    return result == BASCULE_OK;
}

int main(int argc, char **argv)
{
    static char *front_page[] = { "/" };
    if (argc < 4 || argc - 4 > BASCULE_CHECKS_MAX) {
        fprintf(stderr, "usage: site-deploy ROOT HOST PORT [PAGE...] <commands\n");
        return 2;
    }
    struct site site = { .root = argv[1],
                         .host = argv[2],
                         .port = argv[3],
                         .pages = argc > 4 ? argv + 4 : front_page,
                         .page_count = argc > 4 ? (unsigned)argc - 4 : 1 };
    struct bascule_deployer_ports ports = { .context = &site,
                                            .start = start,
                                            .stop = stop,
                                            .check = check,
                                            .switch_to = switch_to,
                                            .now_ms = now_ms };
    struct bascule_deployer_options options = { .health_check_timeout_ms = 5000 };
    struct bascule_deployer *deployer = bascule_deployer_create(&ports, &options);
    char line[512], word[32], version[256];
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        struct bascule_error error;
        *version = '\0';
        if (sscanf(line, "%31s %255s", word, version) < 1)
            continue;
        if (run(deployer, word, version, &error)) {
            printf("%s: ok\n", word);
        } else {
            printf("%s: %s: %s\n", word, bascule_result_name(error.result), error.text);
            failed = 1;
        }
    }
    bascule_deployer_destroy(deployer);
    return failed;
}
