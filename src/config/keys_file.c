/* SPDX-License-Identifier: Apache-2.0
 * config/keys_file.c - the keys at the top of the file, with those of its proxy; see keys.h. */
#include "config/keys.h"

#include <assert.h>

#include "config/types.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define CONFIG(field) offsetof(struct bsc_config, field)
#define PROXY(field) offsetof(struct bsc_config, proxy.field)

enum { MS = 1, SECOND = 1000 * MS, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct bsc_choice sandboxes[] = {
    { "required", BSC_SANDBOX_REQUIRED, false },
    { "preferred", BSC_SANDBOX_PREFERRED, false },
    { "off", BSC_SANDBOX_OFF, false },
    { NULL, 0, false },
};

static const struct bsc_choice traces[] = {
    { "sampled", BSC_TRACE_SAMPLED, false },
    { "unsampled", BSC_TRACE_UNSAMPLED, false },
    { "pass", BSC_TRACE_PASS, false },
    { NULL, 0, false },
};

static const struct bsc_choice access_formats[] = {
    { "json", BSC_ACCESS_LOG_JSON, false },
    { "combined", BSC_ACCESS_LOG_COMBINED, false },
    { NULL, 0, false },
};

static const struct bsc_choice access_addresses[] = {
    { "full", 0, false },
    { "anonymous", 1, false },
    { NULL, 0, false },
};

static const struct bsc_key config_keys[] = {
    { .path = "listen.http",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = CONFIG(listen_http),
      .otherwise = "8080",
      .text = "Where users' requests arrive; a bare port means all addresses, IPv4 and IPv6.",
      .example = "[127.0.0.1:8080, \"[::1]:8080\"]" },
    { .path = "proxy.workers",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_UPGRADE,
      .offset = PROXY(workers),
      .low = 1,
      .high = 64,
      .absent = "the number of cores",
      .text = "Threads of the proxy.",
      .example = "2" },
    { .path = "proxy.sandbox",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_UPGRADE,
      .offset = PROXY(sandbox),
      .choices = sandboxes,
      .otherwise = "required",
      .text = "The proxy gives up what it does not need before it accepts: root, capabilities, "
              "files, programs, most system calls. Where a kernel or a container forbids that, a "
              "proxy that is `required` to does not start; `preferred` says so and goes on." },
    { .path = "proxy.user",
      .type = &bsc_type_user,
      .effect = BSC_EFFECT_UPGRADE,
      .offset = PROXY(user),
      .absent = "`bascule` when there is such a user, else `nobody`",
      .text = "Whom the proxy becomes when root starts the daemon. Sockets of `unix:` targets must "
              "be open to that user.",
      .example = "www-data" },
    { .path = "proxy.access_log.path",
      .type = &bsc_type_output,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(access_log),
      .absent = "no access log",
      .text = "A line for each request, appended to this file. It is opened again by every `apply` "
              "and SIGHUP, so that it can be rotated.",
      .example = "/var/log/bascule/access.log" },
    { .path = "proxy.access_log.format",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(access_format),
      .choices = access_formats,
      .otherwise = "json",
      .text = "A JSON object a line, or the combined format of other web servers." },
    { .path = "proxy.access_log.addresses",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(access_anonymous),
      .choices = access_addresses,
      .otherwise = "full",
      .text = "`anonymous` leaves out the last byte of clients' IPv4 addresses and the last ten of "
              "their IPv6 addresses." },
    { .path = "proxy.drain",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(drain_ms),
      .low = 0,
      .high = DAY,
      .otherwise = "30s",
      .text = "How long a proxy that is replaced by `bascule upgrade`, or stopped, may go on with "
              "what it serves." },
    { .path = "proxy.timeouts.head",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(head_ms),
      .low = 100 * MS,
      .high = HOUR,
      .otherwise = "10s",
      .text = "From a request's first byte to the end of its head; then 408." },
    { .path = "proxy.timeouts.keep_alive",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(keep_alive_ms),
      .low = 100 * MS,
      .high = DAY,
      .otherwise = "1m",
      .text = "A client's connection that is between two requests is closed after so long." },
    { .path = "proxy.timeouts.tunnel",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(tunnel_ms),
      .low = 100 * MS,
      .high = 30 * (int64_t)DAY,
      .otherwise = "1h",
      .text = "Nothing moves in a tunnel (WebSocket and other upgrades)." },
    { .path = "proxy.timeouts.linger",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(linger_ms),
      .low = 10 * MS,
      .high = 5 * MINUTE,
      .otherwise = "2s",
      .text = "After an answer that ends a connection, what the client still sends is read so "
              "long, lest the answer is lost with it." },
    { .path = "proxy.pool.idle",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(pooled_ms),
      .low = 100 * MS,
      .high = DAY,
      .otherwise = "30s",
      .text = "A connection to an instance is kept so long for the next request." },
    { .path = "proxy.pool.max",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(pooled_max),
      .low = 0,
      .high = 100000,
      .otherwise = "256",
      .text = "How many of them are kept, to each instance, by each worker." },
    { .path = "proxy.trusted",
      .type = &bsc_type_networks,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(trusted),
      .absent = "none",
      .text = "Proxies in front of bascule. What they say about a request's way (X-Forwarded-For, "
              "-Proto, -Host, Forwarded) is kept and added to, and the client is the right-most "
              "address of X-Forwarded-For that is not among them. From all others these fields "
              "are overwritten.",
      .example = "[10.0.0.0/8, \"2001:db8::/32\"]" },
    { .path = "proxy.traceparent",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(trace),
      .choices = traces,
      .otherwise = "sampled",
      .text = "A request without a valid W3C traceparent gets a new one that says that it is "
              "recorded (`sampled`), or that it is not, or none at all (`pass`); a valid one "
              "always goes on." },
    { .path = "ports",
      .type = &bsc_type_ports,
      .effect = BSC_EFFECT_NOW,
      .offset = CONFIG(port_low),
      .low = 1024,
      .high = 65535,
      .otherwise = "21000-31999",
      .text = "Ports that instances get; the default lies below Linux's range for outgoing "
              "connections (32768-60999), so that none of these takes an instance's port.",
      .example = "21000-21999" },
    { .path = "services",
      .type = &bsc_type_services,
      .effect = BSC_EFFECT_NOW,
      .text = "The services by name; a name is a letter a-z, then up to 62 of a-z, 0-9 and '-'.",
      .absent = "required" },
};

static const struct bsc_section config_sections[] = {
    { "proxy", "What holds for the whole proxy, whatever the service." },
    { NULL, NULL },
};

const struct bsc_key_table bsc_config_keys = { COUNT_OF(config_keys), config_keys,
                                               config_sections };

static_assert(COUNT_OF(config_keys) <= BSC_KEYS_MAX, "BSC_KEYS_MAX is too small");
