/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls.h - certificates and what else a handshake needs, as the controller's "tls" line says.
 *
 * A bsc_tls is immutable and counted, like the objects of model.h. It has one side for each worker,
 * with objects of OpenSSL that no other worker uses, because what OpenSSL shares between threads it
 * locks and counts. A side lives until the last connection that was made with it is closed.
 *
 * Sessions are resumed by tickets that any worker and any generation can read: the controller makes
 * their keys, renews them, and hands them on. There is no early data.
 */
#ifndef BASCULE_PROXY_TLS_H
#define BASCULE_PROXY_TLS_H

#include <jansson.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/error.h"
#include "proxy/tls_names.h"

struct bsc_worker;
struct bsc_connection;
struct bsc_tls_session;

/* Once, before other threads and the sandbox: what OpenSSL reads from files and allocates. */
void bsc_tls_init(void);

enum {
    BSC_TLS_TICKET_KEYS_MAX = 4,
    BSC_TLS_TICKET_KEY_BYTES = 80, /* name 16, HMAC key 32, cipher key 32 */
    BSC_TLS_RECORD_BYTES = 16384
};

enum bsc_tls_verify { BSC_TLS_VERIFY_NONE, BSC_TLS_VERIFY_OPTIONAL, BSC_TLS_VERIFY_REQUIRE };

struct bsc_tls_certificate {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf */
    EVP_PKEY *key;
};

/* How to speak TLS to instances: whose certificates are accepted, and which one is shown. */
struct bsc_tls_upstream {
    char *name;
    SSL_CTX *context;
    unsigned char digest[32]; /* of what it was made of */
};

struct bsc_tls_side {
    _Atomic unsigned references;
    SSL_CTX *server; /* NULL: there is no certificate */
    unsigned certificate_count;
    struct bsc_tls_certificate *certificates; /* the first is for names that no other has */
    struct bsc_tls_names names;
    enum bsc_tls_verify verify;
    bool http2; /* offered to clients */
    unsigned ticket_key_count;
    unsigned char ticket_keys[BSC_TLS_TICKET_KEYS_MAX][BSC_TLS_TICKET_KEY_BYTES]; /* newest first */
    unsigned upstream_count;
    struct bsc_tls_upstream *upstreams;
    /* The one BIO of all connections, and whose turn it is (tls_transport.c). */
    BIO *bio;
    BIO_METHOD *method;
    struct bsc_worker *worker;
    struct bsc_connection *connection;
    struct bsc_tls_session *session;
};

struct bsc_tls {
    _Atomic unsigned references;
    unsigned side_count;
    struct bsc_tls_side *sides[];
};

/* Reads the value of a "tls" line (docs/protocol.md). An error names what is wrong and never shows
 * a key. */
enum bsc_status bsc_tls_create(const json_t *object, unsigned workers, struct bsc_tls **out,
                               struct bsc_error *error) BSC_MUST_CHECK;
struct bsc_tls *bsc_tls_acquire(struct bsc_tls *tls);
void bsc_tls_release(struct bsc_tls *tls); /* NULL is allowed, here and below */

struct bsc_tls_side *bsc_tls_side_acquire(struct bsc_tls_side *side);
void bsc_tls_side_release(struct bsc_tls_side *side);
/* NULL when there is none of that name; `side` may be NULL. */
const struct bsc_tls_upstream *bsc_tls_upstream_find(const struct bsc_tls_side *side,
                                                     const char *name);

/* "chain" and "key" of `object`. For bsc_tls_certificate_deinit, also after an error. */
enum bsc_status bsc_tls_certificate_read(const json_t *object, struct bsc_tls_certificate *out,
                                         struct bsc_error *error) BSC_MUST_CHECK;
void bsc_tls_certificate_deinit(struct bsc_tls_certificate *certificate);

/* The contexts of a side (tls_context.c). */
enum bsc_status bsc_tls_server_context(struct bsc_tls_side *side, const json_t *object,
                                       struct bsc_error *error) BSC_MUST_CHECK;
enum bsc_status bsc_tls_client_context(const json_t *object, SSL_CTX **out,
                                       struct bsc_error *error) BSC_MUST_CHECK;

#endif
