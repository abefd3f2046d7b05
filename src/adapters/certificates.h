/* SPDX-License-Identifier: Apache-2.0
 * adapters/certificates.h - certificates, keys and authorities in their files: read, checked, and
 * looked at again.
 *
 * Contents are checked as a proxy would, so that what is handed to proxies is taken by them. No
 * error and no note shows a part of a key.
 */
#ifndef BASCULE_ADAPTERS_CERTIFICATES_H
#define BASCULE_ADAPTERS_CERTIFICATES_H

#include <jansson.h>

#include "adapters/file_stamp.h"
#include "base/arena.h"
#include "base/text.h"
#include "core/configuration.h"

/* The files that a configuration names, and how they were when they were last looked at. */
struct bsc_certificates {
    struct bsc_arena arena;
    struct bsc_tls_spec tls;
    struct bsc_file_stamp *stamps;
    unsigned stamp_count;
};

struct bsc_certificates *bsc_certificates_create(const struct bsc_config *config);
void bsc_certificates_destroy(struct bsc_certificates *certificates); /* NULL is allowed */
/* Looks at the files; true when one is not as it was. */
bool bsc_certificates_changed(struct bsc_certificates *certificates);
/* Reads all of them: the members of a "tls" line (docs/protocol.md) that come from files. `notes`
 * gets a line for each certificate: its names and how long it is valid; `*warns` is set when one is
 * not valid now. */
enum bsc_status bsc_certificates_read(const struct bsc_certificates *certificates, json_t **out,
                                      struct bsc_text *notes, bool *warns,
                                      struct bsc_error *error) BSC_MUST_CHECK;

/* The file with the authorities that this system trusts, or SSL_CERT_FILE; NULL: none was found. */
const char *bsc_certificates_system(void);
/* Reads what `tls` names: the members of an item of "upstreams" that come from files. `notes` and
 * `*warns` as above, of what is shown to instances; `*warns` is never cleared. */
enum bsc_status bsc_certificates_upstream(const struct bsc_upstream_tls_spec *tls, json_t **out,
                                          struct bsc_text *notes, bool *warns,
                                          struct bsc_error *error) BSC_MUST_CHECK;

#endif
