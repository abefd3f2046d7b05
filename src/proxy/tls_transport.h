/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls_transport.h - a connection's bytes under TLS (struct bsc_transport in connection.h).
 *
 * What is sent is encrypted at once; what the socket does not take of it waits in a lent buffer,
 * and nothing more is taken before that is gone. An idle connection owns OpenSSL's object only.
 */
#ifndef BASCULE_PROXY_TLS_TRANSPORT_H
#define BASCULE_PROXY_TLS_TRANSPORT_H

#include "proxy/connection.h"
#include "proxy/tls.h"

struct bsc_tls_session {
    SSL *ssl;
    struct bsc_tls_side *side;
    struct bsc_buffer *out; /* encrypted, not sent; NULL when there is nothing */
    char *subject;          /* of the client's verified certificate; NULL: it showed none */
    unsigned long fault;    /* OpenSSL's code for why it failed; 0: none */
    bool established;
    bool heard;     /* something other than the handshake came */
    bool opaque;    /* no protocol of ours */
    bool cut;       /* the other side ended without TLS's own end */
    bool drained;   /* the last read emptied the socket */
    bool corked;    /* records are gathered in `out` */
    bool finishing; /* when `out` is gone, nothing more is sent */
    bool failed;    /* nothing can be said in TLS any more */
};

extern const struct bsc_transport bsc_tls_transport;

/* The connection speaks TLS from now on. False: no memory for that. */
bool bsc_tls_accept(struct bsc_worker *worker, struct bsc_connection *connection,
                    struct bsc_tls_side *side);

/* Whom it speaks TLS with when we are the client. */
struct bsc_tls_peer {
    SSL_CTX *context;
    const char *name;     /* or address, that the certificate is for; NULL: it has none */
    SSL_SESSION *session; /* to be resumed; NULL: none */
    bool http1, http2;    /* what is offered by ALPN */
};
/* The same as a client, without a byte sent. */
bool bsc_tls_connect(struct bsc_worker *worker, struct bsc_connection *connection,
                     struct bsc_tls_side *side, const struct bsc_tls_peer *peer);

/* What follows is of a protocol that only the two ends know: none is chosen by ALPN. */
void bsc_tls_agree_on_nothing(struct bsc_connection *connection);

enum bsc_tls_progress {
    BSC_TLS_DONE,
    BSC_TLS_WAIT,  /* for an edge */
    BSC_TLS_PLAIN, /* a client that does not speak TLS: the transport is gone again */
    BSC_TLS_FAILED
};
/* Goes on with a handshake. */
enum bsc_tls_progress bsc_tls_handshake(struct bsc_worker *worker,
                                        struct bsc_connection *connection);

/* Something of the handshake was sent or received. */
bool bsc_tls_begun(const struct bsc_connection *connection);
/* The other side ended without TLS's own end: what came last may be missing. */
bool bsc_tls_cut(const struct bsc_connection *connection);
/* The verified certificate's subject (RFC 4514), or NULL. */
const char *bsc_tls_subject(const struct bsc_connection *connection);
/* The protocol chosen by ALPN is HTTP/2. */
bool bsc_tls_chose_http2(const struct bsc_connection *connection);
/* False when clients must show certificates and this one asked for another host than `host` in its
 * handshake (RFC 9110 section 7.4). */
bool bsc_tls_host_fits(const struct bsc_connection *connection, const char *host, size_t size);

BIO *bsc_tls_bio_create(struct bsc_tls_side *side);

#endif
