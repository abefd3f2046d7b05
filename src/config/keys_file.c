/* SPDX-License-Identifier: Apache-2.0
 * config/keys_file.c - the keys at the top of the file, with those of its proxy; see keys.h. */
#include "config/keys.h"

#include <assert.h>

#include "config/types.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define CONFIG(field) offsetof(struct bsc_config, field)
#define TLS(field) offsetof(struct bsc_config, tls.field)
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

static const struct bsc_choice tls_versions[] = {
    { "1.2", BSC_TLS_1_2, false },
    { "1.3", BSC_TLS_1_3, false },
    { NULL, 0, false },
};

static const struct bsc_choice client_verifies[] = {
    { "none", BSC_CLIENT_VERIFY_NONE, false },
    { "optional", BSC_CLIENT_VERIFY_OPTIONAL, false },
    { "require", BSC_CLIENT_VERIFY_REQUIRE, false },
    { NULL, 0, false },
};

static const struct bsc_key certificate_keys[] = {
    { .path = "certificate",
      .type = &bsc_type_file,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_certificate_files, chain),
      .absent = "required",
      .text = "The certificate in PEM form, with those between it and its authority behind it.",
      .example = "shop.pem" },
    { .path = "key",
      .type = &bsc_type_file,
      .effect = BSC_EFFECT_NOW,
      .offset = offsetof(struct bsc_certificate_files, key),
      .absent = "required",
      .text = "Its private key in PEM form, without a password.",
      .example = "shop.key" },
};

static const struct bsc_section certificate_sections[] = { { NULL, NULL } };

const struct bsc_key_table bsc_certificate_keys = { COUNT_OF(certificate_keys), certificate_keys,
                                                    certificate_sections };

static const struct bsc_key config_keys[] = {
    { .path = "listen.http",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = CONFIG(listen_http),
      .otherwise = "8080",
      .text = "Where users' requests arrive; a bare port means all addresses, IPv4 and IPv6.",
      .example = "[127.0.0.1:8080, \"[::1]:8080\"]" },
    { .path = "listen.https",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = CONFIG(listen_https),
      .absent = "nowhere",
      .text = "Where they arrive over TLS (HTTP/2 and HTTP/1.1); needs `tls.certificates`.",
      .example = "8443" },
    { .path = "listen.proxy_protocol",
      .type = &bsc_type_listen,
      .effect = BSC_EFFECT_NOW,
      .offset = CONFIG(listen_introduced),
      .absent = "none",
      .text = "At which of the addresses above, or of services of TCP, a load balancer says with "
              "the PROXY protocol (v1 or v2) whose connection it is; one that begins without that "
              "is reset. With `proxy.trusted`, so is one from anybody else; without it, whoever "
              "reaches such an address can claim to be any client.",
      .example = "8080" },
    { .path = "tls.certificates",
      .type = &bsc_type_certificates,
      .effect = BSC_EFFECT_NOW,
      .absent = "none",
      .text = "Certificates with their keys, chosen by the name that a client asks for: exactly, "
              "then by `*.`; the first is for all other names. The files are watched: new ones "
              "are used as soon as they are there and fit.",
      .example = "[{ certificate: shop.pem, key: shop.key }]" },
    { .path = "tls.minimum_version",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = TLS(minimum),
      .choices = tls_versions,
      .otherwise = "1.2",
      .text = "The oldest version of TLS that clients may speak; ciphers and curves are those of "
              "Mozilla's intermediate configuration." },
    { .path = "tls.redirect",
      .type = &bsc_type_flag,
      .effect = BSC_EFFECT_NOW,
      .offset = TLS(redirect),
      .otherwise = "true",
      .text = "Where there is `listen.https`, requests over plain HTTP are answered with 308 and "
              "the same host and path in HTTPS; `false` serves them." },
    { .path = "tls.client_ca",
      .type = &bsc_type_file,
      .effect = BSC_EFFECT_NOW,
      .offset = TLS(client_ca),
      .absent = "none",
      .text = "The authorities that sign clients' certificates.",
      .example = "clients.pem" },
    { .path = "tls.client_verify",
      .type = &bsc_type_choice,
      .effect = BSC_EFFECT_NOW,
      .offset = TLS(client_verify),
      .choices = client_verifies,
      .otherwise = "none",
      .text = "Whether clients are asked for a certificate; who shows one that does not verify is "
              "refused. Instances get its subject in X-Forwarded-Client-Cert.",
      .example = "require" },
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
    { .path = "proxy.timeouts.request",
      .type = &bsc_type_duration,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(request_ms),
      .low = 0,
      .high = DAY,
      .otherwise = "0s",
      .text = "From the end of a head to the end of the body; then 408. 0: any time, as long as "
              "something comes.",
      .example = "5m" },
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
      .otherwise = "1024",
      .text = "How many of them are kept, to each instance, by each worker." },
    { .path = "proxy.limits.connections",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(connections_max),
      .low = 0,
      .high = 1000000,
      .otherwise = "0",
      .text = "Connections of clients at once; more wait in the listen queue. 0: as many as there "
              "are file descriptors for.",
      .example = "20000" },
    { .path = "proxy.limits.connections_per_address",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(address_connections_max),
      .low = 0,
      .high = 1000000,
      .otherwise = "0",
      .text = "Connections of one client address at once (of IPv6: of one /64); more are reset. "
              "Trusted proxies are not limited. 0: no limit.",
      .example = "100" },
    { .path = "proxy.limits.requests_per_connection",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(requests_max),
      .low = 0,
      .high = 1000000000,
      .otherwise = "0",
      .text = "A connection is closed after so many requests. 0: no limit.",
      .example = "1000" },
    { .path = "proxy.limits.streams",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(streams_max),
      .low = 1,
      .high = 1000,
      .otherwise = "100",
      .text = "Requests at once of a connection that speaks HTTP/2; more are refused. Connections "
              "that begin from now on." },
    { .path = "proxy.limits.head",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(head_bytes),
      .low = 1 << 10,
      .high = 32 << 10,
      .otherwise = "32KiB",
      .text = "A request's head; a larger one is answered with 431." },
    { .path = "proxy.limits.line",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(line_bytes),
      .low = 256,
      .high = 8 << 10,
      .otherwise = "8KiB",
      .text = "A line of it: 414 for the first, 431 for others." },
    { .path = "proxy.limits.fields",
      .type = &bsc_type_count,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(fields_max),
      .low = 1,
      .high = 100,
      .otherwise = "100",
      .text = "Header fields of a request; more are answered with 431." },
    { .path = "proxy.limits.body",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(body_bytes),
      .low = 0,
      .high = (int64_t)1 << 40,
      .otherwise = "0",
      .text = "A request's body; a larger one is answered with 413. 0: no limit. A service can "
              "have its own.",
      .example = "10MiB" },
    { .path = "proxy.limits.body_rate",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(body_rate),
      .low = 0,
      .high = 1 << 30,
      .otherwise = "100B",
      .text = "Bytes a second that a request's body must come with, after the first 30 s and until "
              "the answer begins; else 408. gRPC is not measured. 0: any." },
    { .path = "proxy.limits.buffers",
      .type = &bsc_type_size,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(buffer_bytes),
      .low = 1 << 20,
      .high = (int64_t)1 << 40,
      .otherwise = "256MiB",
      .text = "Memory for what is under way, in all workers; beyond it new requests are answered "
              "with 503." },
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
    { .path = "proxy.error_pages",
      .type = &bsc_type_pages,
      .effect = BSC_EFFECT_NOW,
      .offset = PROXY(error_pages),
      .absent = "bascule's own",
      .text = "Pages for the proxy's own answers (see proxy-answers.md), by reason word, status or "
              "class of statuses, the narrowest first. HTML or, by the request's Accept, JSON. "
              "{status}, {reason} and {request_id} are replaced. At most 48 KiB each; read when "
              "the configuration is applied.",
      .example = "{ 503: sorry.html, 5xx: [oops.html, oops.json] }" },
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
    { "tls", "What is spoken at `listen.https`." },
    { "proxy", "What holds for the whole proxy, whatever the service." },
    { NULL, NULL },
};

const struct bsc_key_table bsc_config_keys = { COUNT_OF(config_keys), config_keys,
                                               config_sections };

static_assert(COUNT_OF(config_keys) <= BSC_KEYS_MAX, "BSC_KEYS_MAX is too small");
