/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls_context.c - how a handshake is made: versions, ciphers, certificates by name, tickets.
 *
 * Mozilla's "intermediate" configuration, version 5.8: TLS 1.2 and 1.3, forward secrecy and AEAD
 * only, the client's preference (https://ssl-config.mozilla.org/guidelines/5.8.json). */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "proxy/tls_transport.h"

static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

enum { TICKET_NAME_BYTES = 16, TICKET_HMAC_BYTES = 32, SESSION_S = 12 * 3600 };

static enum bsc_status fail(struct bsc_error *error, const char *what)
{
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    return bsc_error_set(error, BSC_FAILED, "%s: %s", what, reason);
}

static bool set_profile(SSL_CTX *context, int minimum)
{
    /* Not const: the macro that takes them casts that away, which clang tells. */
    char groups[] = "X25519MLKEM768:X25519:prime256v1:secp384r1";
    char groups_before_3_5[] = "X25519:prime256v1:secp384r1"; /* of OpenSSL */
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1); /* else every record costs two reads */
    bool good = SSL_CTX_set_min_proto_version(context, minimum) == 1 &&
                SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
                SSL_CTX_set_ciphersuites(context, suites) == 1 &&
                (SSL_CTX_set1_groups_list(context, groups) == 1 ||
                 SSL_CTX_set1_groups_list(context, groups_before_3_5) == 1);
    if (good)
        ERR_clear_error();
    return good;
}

/* -- the server's side ----------------------------------------------------------------------- */

static int use(SSL *ssl, const struct bsc_tls_certificate *certificate)
{
    return SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1);
}

/* Certificates by the name that the client asks for. The first of each kind of key is offered, so
 * one of RSA and one of ECDSA may be given for the same name. */
static int choose_certificate(SSL *ssl, void *argument)
{
    const struct bsc_tls_side *side = argument;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    size_t first, count;
    if (!host || !bsc_tls_names_find(&side->names, host, &first, &count))
        return 1; /* the default is there already */
    SSL_certs_clear(ssl);
    for (size_t i = count; i-- > 0;)
        if (use(ssl, &side->certificates[side->names.items[first + i].certificate]) != 1)
            return 0;
    return 1;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned offered_size, void *argument)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1\x08http/1.0";
    const struct bsc_tls_side *side = argument;
    const unsigned char *ours = side->http2 ? both : both + 3;
    unsigned size = (unsigned)sizeof both - 1 - (side->http2 ? 0 : 3);
    unsigned char *chosen;
    (void)ssl;
    if (side->session->opaque)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&chosen, out_size, ours, size, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_ticket_mac(EVP_MAC_CTX *mac, const unsigned char *key)
{
    char sha256[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)(key + TICKET_NAME_BYTES),
                                          TICKET_HMAC_BYTES),
        OSSL_PARAM_construct_utf8_string("digest", sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* RFC 5077 section 4. The return values are OpenSSL's: 0 no such key, 1 good, 2 good but old. */
static int ticket_key(SSL *ssl, unsigned char name[static TICKET_NAME_BYTES],
                      unsigned char iv[static EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int encrypt)
{
    const struct bsc_tls_side *side = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    unsigned at = 0;
    if (encrypt && RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
        return -1;
    while (!encrypt && at < side->ticket_key_count &&
           memcmp(side->ticket_keys[at], name, TICKET_NAME_BYTES) != 0)
        at++;
    if (at >= side->ticket_key_count)
        return 0;
    const unsigned char *key = side->ticket_keys[at];
    const unsigned char *cipher_key = key + TICKET_NAME_BYTES + TICKET_HMAC_BYTES;
    memcpy(name, key, TICKET_NAME_BYTES);
    if (!set_ticket_mac(mac, key) ||
        EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, iv, encrypt) != 1)
        return -1;
    return at ? 2 : 1;
}

/* A session is resumed only under the same demands on clients' certificates. */
static bool set_session_scope(SSL_CTX *context, const json_t *object)
{
    const char *ca = json_string_value(json_object_get(object, "client_ca"));
    const char *verify = json_string_value(json_object_get(object, "client_verify"));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, verify ? verify : "", verify ? strlen(verify) : 0) == 1 &&
                EVP_DigestUpdate(md, ca ? ca : "", ca ? strlen(ca) : 0) == 1 &&
                EVP_DigestFinal_ex(md, digest, &size) == 1 &&
                SSL_CTX_set_session_id_context(context, digest, size) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

static void set_sessions(SSL_CTX *context, const struct bsc_tls_side *side)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, SESSION_S);
    if (side->ticket_key_count)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    else
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

/* The authorities of `pem` into the context; false when there is none. */
static bool add_authorities(SSL_CTX *context, const char *pem, bool announce)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    bool found = false;
    X509 *authority;
    while ((authority = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        found = true;
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
        if (announce)
            SSL_CTX_add_client_CA(context, authority);
        X509_free(authority);
    }
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

static enum bsc_status set_client_verify(struct bsc_tls_side *side, const json_t *object,
                                         struct bsc_error *error)
{
    const char *word = json_string_value(json_object_get(object, "client_verify"));
    const char *ca = json_string_value(json_object_get(object, "client_ca"));
    if (!word || !strcmp(word, "none"))
        return BSC_OK;
    bool require = !strcmp(word, "require");
    if (!require && strcmp(word, "optional") != 0)
        return bsc_error_set(error, BSC_INVALID, "'client_verify' is '%.40s'", word);
    side->verify = require ? BSC_TLS_VERIFY_REQUIRE : BSC_TLS_VERIFY_OPTIONAL;
    if (!ca || !add_authorities(side->server, ca, true))
        return bsc_error_set(error, BSC_INVALID, "'client_ca' has no certificate in PEM form");
    SSL_CTX_set_verify(side->server,
                       SSL_VERIFY_PEER | (require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    return BSC_OK;
}

enum bsc_status bsc_tls_server_context(struct bsc_tls_side *side, const json_t *object,
                                       struct bsc_error *error)
{
    const char *minimum = json_string_value(json_object_get(object, "minimum"));
    bool only_1_3 = minimum && !strcmp(minimum, "1.3");
    const struct bsc_tls_certificate *first = &side->certificates[0];
    SSL_CTX *context = side->server = SSL_CTX_new(TLS_server_method());
    if (!context || !set_profile(context, only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION))
        return fail(error, "make a server's context");
    if (SSL_CTX_use_cert_and_key(context, first->leaf, first->key, first->chain, 1) != 1)
        return fail(error, "use the first certificate");
    side->http2 = json_is_true(json_object_get(object, "http2"));
    SSL_CTX_set_app_data(context, side);
    SSL_CTX_set_cert_cb(context, choose_certificate, side);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, side);
    /* Many clients close the connection without saying so first; a request tells its own end. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    set_sessions(context, side);
    if (!set_session_scope(context, object))
        return fail(error, "set the sessions' scope");
    return set_client_verify(side, object, error);
}

/* -- the client's side ----------------------------------------------------------------------- */

static enum bsc_status set_server_verify(SSL_CTX *context, const json_t *object,
                                         struct bsc_error *error)
{
    const char *ca = json_string_value(json_object_get(object, "ca"));
    if (json_is_false(json_object_get(object, "verify")))
        return BSC_OK;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM *verifying = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(verifying, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* An intermediate authority may be the one that is trusted, as libcurl's probes have it. */
    X509_VERIFY_PARAM_set_flags(verifying, X509_V_FLAG_PARTIAL_CHAIN);
    if (!ca || !add_authorities(context, ca, false))
        return bsc_error_set(error, BSC_INVALID, "'ca' has no certificate in PEM form");
    return BSC_OK;
}

/* What is shown to who asks for it. */
static enum bsc_status set_own_certificate(SSL_CTX *context, const json_t *object,
                                           struct bsc_error *error)
{
    struct bsc_tls_certificate own = { 0 };
    if (!json_is_string(json_object_get(object, "key")))
        return BSC_OK;
    enum bsc_status status = bsc_tls_certificate_read(object, &own, error);
    if (status == BSC_OK && SSL_CTX_use_cert_and_key(context, own.leaf, own.key, own.chain, 1) != 1)
        status = fail(error, "use the certificate");
    bsc_tls_certificate_deinit(&own);
    return status;
}

enum bsc_status bsc_tls_client_context(const json_t *object, SSL_CTX **out, struct bsc_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || !set_profile(context, TLS1_2_VERSION)) {
        SSL_CTX_free(context);
        return fail(error, "make a client's context");
    }
    /* Sessions are kept with the instances (upstream_tls.c), and used more than once. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (set_server_verify(context, object, error) || set_own_certificate(context, object, error)) {
        SSL_CTX_free(context);
        return error->status;
    }
    *out = context;
    return BSC_OK;
}
