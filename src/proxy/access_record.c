/* SPDX-License-Identifier: Apache-2.0
 * proxy/access_record.c - see access_record.h. */
#include "proxy/access_record.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void bsc_access_add(struct bsc_access_record *record, size_t capacity, enum bsc_access_text kind,
                    const char *bytes, size_t size)
{
    size_t used = sizeof *record;
    for (unsigned i = 0; i < kind; i++)
        used += record->text_size[i];
    if (size > BSC_ACCESS_TEXT_BYTES)
        size = BSC_ACCESS_TEXT_BYTES;
    if (size > capacity - used)
        size = capacity - used;
    memcpy((char *)record + used, bytes, size);
    record->text_size[kind] = (uint16_t)size;
    record->size = (uint32_t)((used + size + 7) & ~(size_t)7);
}

static const char *text_of(const struct bsc_access_record *record, enum bsc_access_text kind)
{
    const char *at = record->text;
    for (unsigned i = 0; i < kind; i++)
        at += record->text_size[i];
    return at;
}

static void anonymise(char address[static INET6_ADDRSTRLEN])
{
    unsigned char bytes[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, address, bytes) == 1) {
        bytes[3] = 0;
        inet_ntop(AF_INET, bytes, address, INET6_ADDRSTRLEN);
    } else if (inet_pton(AF_INET6, address, bytes) == 1) {
        memset(bytes + 6, 0, 10);
        inet_ntop(AF_INET6, bytes, address, INET6_ADDRSTRLEN);
    }
}

static const char *client_of(const struct bsc_access_record *record,
                             const struct bsc_access_style *style,
                             char out[static INET6_ADDRSTRLEN])
{
    size_t size = record->text_size[BSC_ACCESS_CLIENT];
    if (size >= INET6_ADDRSTRLEN)
        size = INET6_ADDRSTRLEN - 1;
    memcpy(out, text_of(record, BSC_ACCESS_CLIENT), size);
    out[size] = '\0';
    if (style->anonymous)
        anonymise(out);
    return out;
}

/* Printable ASCII as it is, everything else and what the format reserves as an escape. Bytes that
 * are not ASCII are not judged as UTF-8: JSON's \u00NN stands for the byte. */
static void add_escaped(struct bsc_text *out, const char *bytes, size_t size, bool json)
{
    size_t plain = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\')
            continue;
        bsc_text_add(out, bytes + plain, i - plain);
        bsc_text_printf(out, json ? "\\u%04x" : "\\x%02x", byte);
        plain = i + 1;
    }
    bsc_text_add(out, bytes + plain, size - plain);
}

static void add_text(struct bsc_text *out, const struct bsc_access_record *record,
                     enum bsc_access_text kind, bool json)
{
    add_escaped(out, text_of(record, kind), record->text_size[kind], json);
}

/* Milliseconds with three decimals. */
static void add_ms(struct bsc_text *out, const char *key, int64_t us)
{
    bsc_text_printf(out, ",\"%s\":%" PRId64 ".%03" PRId64, key, us / 1000, us % 1000);
}

static const char *protocol_of(const struct bsc_access_record *record)
{
    switch (record->protocol) {
    case 0:
        return "TCP";
    case 10:
        return "HTTP/1.0";
    case 20:
        return "HTTP/2.0";
    default:
        return "HTTP/1.1";
    }
}

static void add_json(const struct bsc_access_record *record, const struct bsc_access_style *style,
                     int64_t wall_us, struct bsc_text *out)
{
    static const struct {
        const char *key;
        enum bsc_access_text kind;
    } texts[] = {
        { "method", BSC_ACCESS_METHOD },     { "host", BSC_ACCESS_HOST },
        { "target", BSC_ACCESS_TARGET },     { "service", BSC_ACCESS_SERVICE },
        { "instance", BSC_ACCESS_INSTANCE }, { "reason", BSC_ACCESS_REASON },
        { "request_id", BSC_ACCESS_ID },     { "referer", BSC_ACCESS_REFERER },
        { "user_agent", BSC_ACCESS_AGENT },  { "rescued", BSC_ACCESS_RESCUED },
    };
    char time_text[40], address[INET6_ADDRSTRLEN];
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &parts);
    bsc_text_printf(out, "{\"time\":\"%s.%06" PRId64 "Z\",\"client\":\"%s\"", time_text,
                    wall_us % 1000000, client_of(record, style, address));
    bsc_text_printf(out, ",\"protocol\":\"%s\",\"tls\":%s,\"status\":%u,\"whole\":%s",
                    protocol_of(record), record->tls ? "true" : "false", record->status,
                    record->whole ? "true" : "false");
    bsc_text_printf(out, ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64, record->bytes_in,
                    record->bytes_out);
    add_ms(out, "duration_ms", record->ended_us - record->started_us);
    if (record->answered_us)
        add_ms(out, "answer_ms", record->answered_us - record->started_us);
    if (record->slot < BSC_SLOT_COUNT)
        bsc_text_printf(out, ",\"slot\":\"%s\",\"tries\":%u",
                        bsc_slot_name((enum bsc_slot)record->slot), record->tries);
    if (record->preview)
        bsc_text_puts(out, ",\"preview\":true");
    if (record->error)
        bsc_text_puts(out, ",\"error\":true");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!record->text_size[texts[i].kind])
            continue;
        bsc_text_printf(out, ",\"%s\":\"", texts[i].key);
        add_text(out, record, texts[i].kind, true);
        bsc_text_puts(out, "\"");
    }
    bsc_text_puts(out, "}\n");
}

static void add_quoted(struct bsc_text *out, const struct bsc_access_record *record,
                       enum bsc_access_text kind)
{
    bsc_text_puts(out, " \"");
    if (record->text_size[kind])
        add_text(out, record, kind, false);
    else
        bsc_text_puts(out, "-");
    bsc_text_puts(out, "\"");
}

/* Apache's combined format. */
static void add_combined(const struct bsc_access_record *record,
                         const struct bsc_access_style *style, int64_t wall_us,
                         struct bsc_text *out)
{
    char time_text[40], address[INET6_ADDRSTRLEN];
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(time_text, sizeof time_text, "%d/%b/%Y:%H:%M:%S +0000", &parts);
    bsc_text_printf(out, "%s - - [%s] \"", client_of(record, style, address), time_text);
    if (record->text_size[BSC_ACCESS_METHOD]) {
        add_text(out, record, BSC_ACCESS_METHOD, false);
        bsc_text_puts(out, " ");
        add_text(out, record, BSC_ACCESS_TARGET, false);
        bsc_text_printf(out, " %s", protocol_of(record));
    } else {
        bsc_text_puts(out, "-");
    }
    bsc_text_printf(out, "\" %03u %" PRIu64, record->status, record->bytes_out);
    add_quoted(out, record, BSC_ACCESS_REFERER);
    add_quoted(out, record, BSC_ACCESS_AGENT);
    bsc_text_puts(out, "\n");
}

void bsc_access_format(const struct bsc_access_record *record, const struct bsc_access_style *style,
                       int64_t wall_us, struct bsc_text *out)
{
    int64_t at_us = wall_us + record->ended_us;
    if (style->format == BSC_ACCESS_COMBINED)
        add_combined(record, style, at_us, out);
    else
        add_json(record, style, at_us, out);
}
