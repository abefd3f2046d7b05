/* SPDX-License-Identifier: Apache-2.0
 * A header of the PROXY protocol: however it is cut, the answer is the same, and what is known of
 * it can be built and read again. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "proxy/proxy_protocol.h"

static void check_again(const struct bsc_proxy_header *header)
{
    char out[BSC_PROXY_SENT_BYTES];
    struct bsc_proxy_way way = { .known = true,
                                 .source = header->source,
                                 .target = header->source };
    for (unsigned version = 1; version <= 2; version++) {
        struct bsc_proxy_header again;
        size_t size = bsc_proxy_header_build(version, &way, out);
        MUST(size && size <= sizeof out);
        MUST(bsc_proxy_header_parse(out, size, &again) == BSC_PARSE_DONE);
        MUST(again.known && again.bytes == size);
        MUST(!memcmp(&again.source, &header->source, sizeof again.source));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bsc_proxy_header header;
    char *bytes = malloc(size + 1); /* of its exact size, so that a byte too many is seen */
    memcpy(bytes, data, size);
    enum bsc_parse whole = bsc_proxy_header_parse(bytes, size, &header);
    if (whole == BSC_PARSE_DONE) {
        MUST(header.bytes && header.bytes <= size);
        struct bsc_proxy_header exact;
        MUST(bsc_proxy_header_parse(bytes, header.bytes, &exact) == BSC_PARSE_DONE);
        MUST(exact.bytes == header.bytes);
        MUST(bsc_proxy_header_parse(bytes, header.bytes - 1u, &exact) != BSC_PARSE_DONE);
        if (header.known)
            check_again(&header);
    }
    if (whole == BSC_PARSE_MORE)
        MUST(size < BSC_PROXY_HEADER_BYTES);
    free(bytes);
    return 0;
}
