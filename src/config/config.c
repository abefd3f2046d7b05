/* SPDX-License-Identifier: Apache-2.0
 * config/config.c - see config.h. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/keys.h"

enum { WORKERS_MAX = 64 }; /* shards of the proxy's counters */

static unsigned cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == -1)
        return 1;
    unsigned count = (unsigned)CPU_COUNT(&set);
    return count > WORKERS_MAX ? WORKERS_MAX : count;
}

/* The absolute directory of `file`. */
static const char *directory_of(struct bsc_arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (slash == file)
        return "/";
    const char *directory = slash ? bsc_arena_copy_bytes(arena, file, (size_t)(slash - file)) : "";
    char here[PATH_MAX];
    if (directory[0] == '/')
        return directory;
    while (!strncmp(directory, "./", 2))
        directory += 2;
    if (!strcmp(directory, "."))
        directory = "";
    if (!getcwd(here, sizeof here))
        return bsc_arena_copy(arena, directory);
    return bsc_arena_printf(arena, "%s%s%s", here, *directory && strcmp(here, "/") != 0 ? "/" : "",
                            directory);
}

static int by_route(const void *a, const void *b)
{
    const struct bsc_route_claim *const *left = a, *const *right = b;
    const char *left_host = (*left)->host ? (*left)->host : "";
    const char *right_host = (*right)->host ? (*right)->host : "";
    int order = strcmp(left_host, right_host);
    if (!order)
        order = strcmp((*left)->path, (*right)->path);
    return order ? order : ((*left)->line > (*right)->line) - ((*left)->line < (*right)->line);
}

static void find_double_routes(struct bsc_reader *reader)
{
    size_t count = 0;
    for (const struct bsc_route_claim *claim = reader->claims; claim; claim = claim->next)
        if (claim->path) /* a bad one was told already */
            count++;
    const struct bsc_route_claim **claims =
        bsc_arena_alloc(reader->scratch, count * sizeof(const struct bsc_route_claim *));
    count = 0;
    for (const struct bsc_route_claim *claim = reader->claims; claim; claim = claim->next)
        if (claim->path)
            claims[count++] = claim;
    qsort(claims, count, sizeof(const struct bsc_route_claim *), by_route);
    for (size_t i = 1; i < count; i++) {
        const struct bsc_route_claim *claim = claims[i], *other = claims[i - 1];
        const char *host = claim->host ? claim->host : "",
                   *other_host = other->host ? other->host : "";
        if (strcmp(host, other_host) != 0 || strcmp(claim->path, other->path) != 0)
            continue;
        const char *key =
            bsc_arena_printf(reader->scratch, "services.%s.%s", claim->service, claim->key);
        bsc_reader_problem(reader, claim->line, key,
                           "%s%s is the route of service '%s' (line %u) and of service '%s'",
                           claim->host ? host : "any host, path ", claim->path, other->service,
                           other->line, claim->service);
    }
}

/* The part `key` of a map; NULL: it has none. */
static const struct bsc_node *part_of(const struct bsc_node *map, const char *key)
{
    const struct bsc_node *node = map && map->kind == BSC_NODE_MAP ? map->first : NULL;
    while (node && strcmp(node->key, key) != 0)
        node = node->next;
    return node;
}

static bool takes_ports(const struct bsc_spec *spec)
{
    return spec->runtime == BSC_RUNTIME_PROCESS ||
           (spec->runtime == BSC_RUNTIME_DOCKER && spec->container.network != BSC_NETWORK_BRIDGE);
}

/* Both environments of every service may run at once. */
static void check_port_count(struct bsc_reader *reader, const struct bsc_config *config,
                             const struct bsc_node *root)
{
    unsigned long instances = 0, ports = config->port_high - config->port_low + 1;
    const struct bsc_node *given = part_of(root, "ports");
    for (unsigned i = 0; i < config->service_count; i++)
        if (takes_ports(config->services[i]))
            instances += config->services[i]->replicas;
    if (instances * 2 > ports)
        bsc_reader_problem(reader, given ? given->line : 0, "ports",
                           "%u-%u are %lu ports, too few for %lu instances in two environments",
                           config->port_low, config->port_high, ports, instances);
}

/* Who listens where, to find two that want the same address. */
struct listen_claim {
    const char *address, *key;
    unsigned line;
};

static int by_address(const void *a, const void *b)
{
    const struct listen_claim *left = a, *right = b;
    int order = strcmp(left->address, right->address);
    return order ? order : (left->line > right->line) - (left->line < right->line);
}

static void claim_listens(struct listen_claim *claims, unsigned *count,
                          const struct bsc_strings *addresses, const char *key,
                          const struct bsc_node *node)
{
    for (unsigned i = 0; i < addresses->count; i++)
        claims[(*count)++] =
            (struct listen_claim){ addresses->items[i], key, node ? node->line : 0 };
}

static void find_unknown_introduced(struct bsc_reader *reader, const struct bsc_strings *introduced,
                                    const struct bsc_node *node, const struct listen_claim *claims,
                                    unsigned count)
{
    for (unsigned i = 0; i < introduced->count; i++) {
        const struct listen_claim *claim = claims;
        while (claim < claims + count && strcmp(claim->address, introduced->items[i]) != 0)
            claim++;
        if (claim == claims + count)
            bsc_reader_problem(reader, node ? node->line : 0, "listen.proxy_protocol",
                               "%s is not listened at: give an address of listen.http or of a "
                               "service's listen",
                               introduced->items[i]);
    }
}

static void check_listens(struct bsc_reader *reader, const struct bsc_config *config,
                          const struct bsc_node *root)
{
    enum { ADDRESSES_MAX = 64 }; /* of the supervisor */
    unsigned count = config->listen_http.count + config->listen_https.count, used = 0;
    for (unsigned i = 0; i < config->service_count; i++)
        count += config->services[i]->listen.count + config->services[i]->listen_tls.count;
    if (count > ADDRESSES_MAX)
        bsc_reader_problem(reader, 0, "listen",
                           "there are %u addresses with those of the services; %d are accepted",
                           count, ADDRESSES_MAX);
    struct listen_claim *claims = bsc_arena_alloc(reader->scratch, count * sizeof *claims);
    const struct bsc_node *services = part_of(root, "services");
    claim_listens(claims, &used, &config->listen_http, "listen.http",
                  part_of(part_of(root, "listen"), "http"));
    claim_listens(claims, &used, &config->listen_https, "listen.https",
                  part_of(part_of(root, "listen"), "https"));
    for (unsigned i = 0; i < config->service_count; i++) {
        const struct bsc_spec *spec = config->services[i];
        const struct bsc_node *own = part_of(services, spec->name);
        if (spec->listen.count)
            claim_listens(claims, &used, &spec->listen,
                          bsc_arena_printf(reader->scratch, "services.%s.listen", spec->name),
                          part_of(own, "listen"));
        if (spec->listen_tls.count)
            claim_listens(claims, &used, &spec->listen_tls,
                          bsc_arena_printf(reader->scratch, "services.%s.listen_tls", spec->name),
                          part_of(own, "listen_tls"));
    }
    qsort(claims, count, sizeof *claims, by_address);
    for (unsigned i = 1; i < count; i++)
        if (!strcmp(claims[i].address, claims[i - 1].address))
            bsc_reader_problem(reader, claims[i].line, claims[i].key,
                               "%s is already listened at by %s%s", claims[i].address,
                               claims[i - 1].key, claims[i - 1].line ? "" : " (its default)");
    find_unknown_introduced(reader, &config->listen_introduced,
                            part_of(part_of(root, "listen"), "proxy_protocol"), claims, count);
}

static void check_tls(struct bsc_reader *reader, const struct bsc_config *config,
                      const struct bsc_node *root)
{
    const struct bsc_node *https = part_of(part_of(root, "listen"), "https");
    const struct bsc_node *tls = part_of(root, "tls");
    const struct bsc_node *verify = part_of(tls, "client_verify");
    if (https && !part_of(tls, "certificates"))
        bsc_reader_problem(reader, https->line, "listen.https", "needs tls.certificates");
    const struct bsc_node *services = part_of(root, "services");
    for (unsigned i = 0; i < config->service_count && !part_of(tls, "certificates"); i++) {
        const char *name = config->services[i]->name;
        const struct bsc_node *own = part_of(part_of(services, name), "listen_tls");
        if (own)
            bsc_reader_problem(reader, own->line,
                               bsc_arena_printf(reader->scratch, "services.%s.listen_tls", name),
                               "needs tls.certificates");
    }
    if (config->tls.client_verify != BSC_CLIENT_VERIFY_NONE && !part_of(tls, "client_ca"))
        bsc_reader_problem(reader, verify ? verify->line : 0, "tls.client_verify",
                           "needs tls.client_ca, the authorities that sign clients' certificates");
}

static void read_root(struct bsc_reader *reader, const struct bsc_node *root,
                      struct bsc_config *config)
{
    bsc_table_read(reader, &bsc_config_keys, root, config, NULL);
    if (root->kind != BSC_NODE_MAP)
        return;
    if (!part_of(root, "services"))
        bsc_reader_problem(reader, 0, "services",
                           "is missing: a map of services by name (services: {} for none)");
    if (!config->proxy.workers)
        config->proxy.workers = cores();
    find_double_routes(reader);
    bsc_stacks_check(reader, config, part_of(root, "services"));
    check_listens(reader, config, root);
    check_tls(reader, config, root);
    check_port_count(reader, config, root);
}

struct bsc_config *bsc_config_parse(const char *file, const char *text, size_t size,
                                    struct bsc_config_problems *problems)
{
    size_t before = problems->count;
    struct bsc_config *config = bsc_alloc(sizeof *config);
    struct bsc_arena scratch;
    bsc_arena_init(&scratch);
    bsc_arena_init(&config->arena);
    struct bsc_reader reader = {
        .arena = &config->arena,
        .scratch = &scratch,
        .problems = problems,
        .file = file,
        .directory = directory_of(&scratch, file),
    };
    const struct bsc_node *root = bsc_node_from_yaml(&scratch, file, text, size, problems);
    if (root)
        read_root(&reader, root, config);
    else if (problems->count == before)
        bsc_problem_add(problems, file, 0, "", "is empty; it must name at least \"services:\"");
    bsc_arena_deinit(&scratch);
    bsc_problems_sort(problems);
    if (problems->count == before)
        return config;
    bsc_config_destroy(config);
    return NULL;
}

/* The whole of `fd`, at most one byte more than a configuration may have. */
static enum bsc_status read_all(int fd, struct bsc_text *out)
{
    char buffer[16384];
    while (out->size <= BSC_FILE_BYTES_MAX) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? BSC_FAILED : BSC_OK;
        bsc_text_add(out, buffer, (size_t)got);
    }
    return BSC_OK;
}

struct bsc_config *bsc_config_read(const char *file, struct bsc_config_problems *problems)
{
    struct bsc_config *config = NULL;
    struct bsc_text text = { 0 };
    struct stat found;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd == -1 && errno == ENOENT) {
        bsc_problem_add(
            problems, file, 0, "",
            "there is no such file; name yours with --config FILE or BASCULE_CONFIG, or "
            "start from examples/hello/bascule.yaml and try it with `bascule config "
            "check`");
        return NULL;
    }
    if (fd == -1) {
        bsc_problem_add(problems, file, 0, "", "can't be opened: %s", strerror(errno));
        return NULL;
    }
    if (fstat(fd, &found) == -1 || !S_ISREG(found.st_mode))
        bsc_problem_add(problems, file, 0, "", "is not a file");
    else if (read_all(fd, &text))
        bsc_problem_add(problems, file, 0, "", "can't be read: %s", strerror(errno));
    else
        config = bsc_config_parse(file, bsc_text_get(&text), text.size, problems);
    bsc_text_deinit(&text);
    close(fd);
    return config;
}

void bsc_config_destroy(struct bsc_config *config)
{
    if (!config)
        return;
    for (unsigned i = 0; i < config->service_count; i++)
        bsc_spec_release(config->services[i]);
    bsc_arena_deinit(&config->arena);
    free(config);
}
