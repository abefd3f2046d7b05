/* SPDX-License-Identifier: Apache-2.0
 * Request heads: what is read from good ones, and the limits. */
#include "pieces.h"

#include "proxy/bytes.h"

static struct bsc_request request;
static struct bsc_fault fault;

static void accept(const char *bytes, size_t size)
{
    if (parse_all_ways(0, 0, bytes, size, &request, &fault) != BSC_PARSE_DONE)
        fail_msg("refused (%u %s): %s", fault.status, fault.text ? fault.text : "", bytes);
}

static void refuse(const char *bytes, size_t size, unsigned status)
{
    enum bsc_parse result = parse_all_ways(0, 0, bytes, size, &request, &fault);
    if (result != BSC_PARSE_REFUSED || fault.status != status)
        fail_msg("verdict %d %u %s, wanted %u: %s", result, fault.status,
                 fault.text ? fault.text : "", status, bytes);
    assert_non_null(fault.text);
}

static void assert_slice(const char *bytes, struct bsc_slice slice, const char *expected)
{
    assert_int_equal(slice.size, strlen(expected));
    assert_memory_equal(bytes + slice.at, expected, slice.size);
}

static void a_simple_request_is_read(void **unused)
{
    (void)unused;
    static const char bytes[] = "GET /a/b?c=d%20e HTTP/1.1\r\nHost: Shop.Example:8080\r\n"
                                "X-Empty:\r\nX-Blank: \t a b\t \r\n\r\nbody";
    accept(BYTES(bytes));
    assert_int_equal(request.head.start, 0);
    assert_int_equal(request.head.bytes, sizeof bytes - 1 - 4);
    assert_int_equal(request.method, BSC_METHOD_GET);
    assert_int_equal(request.head.minor, 1);
    assert_slice(bytes, request.method_name, "GET");
    assert_slice(bytes, request.target, "/a/b?c=d%20e");
    assert_slice(bytes, request.authority, "Shop.Example:8080");
    assert_slice(bytes, request.host, "Shop.Example");
    assert_int_equal(request.head.framing, BSC_FRAMING_NONE);
    assert_int_equal(request.head.field_count, 3);
    assert_slice(bytes, request.head.fields[1].name, "X-Empty");
    assert_slice(bytes, request.head.fields[1].value, "");
    assert_slice(bytes, request.head.fields[2].value, "a b");
    assert_true(request.head.keep_alive);
    assert_true(request.idempotent && request.replayable);
    assert_false(request.absolute || request.expect_continue || request.head.upgrade.size);
}

static void each_method_is_known_with_its_idempotence(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        enum bsc_method method;
        bool idempotent;
    } cases[] = {
        { "GET", BSC_METHOD_GET, true },         { "HEAD", BSC_METHOD_HEAD, true },
        { "PUT", BSC_METHOD_PUT, true },         { "DELETE", BSC_METHOD_DELETE, true },
        { "OPTIONS", BSC_METHOD_OPTIONS, true }, { "POST", BSC_METHOD_POST, false },
        { "PATCH", BSC_METHOD_PATCH, false },    { "get", BSC_METHOD_OTHER, false },
        { "PROPFIND", BSC_METHOD_OTHER, false }, { "X", BSC_METHOD_OTHER, false },
        { "GOT", BSC_METHOD_OTHER, false },      { "M-SEARCH", BSC_METHOD_OTHER, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[80];
        int size = snprintf(bytes, sizeof bytes, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].name);
        accept(bytes, (size_t)size);
        assert_int_equal(request.method, cases[i].method);
        assert_int_equal(request.idempotent, cases[i].idempotent);
        assert_slice(bytes, request.method_name, cases[i].name);
    }
}

static void a_request_with_a_body_is_not_replayable(void **unused)
{
    (void)unused;
    accept(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"));
    assert_true(request.idempotent && !request.replayable);
    accept(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    assert_true(request.idempotent && !request.replayable);
    accept(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
    assert_true(request.replayable);
}

static void connect_and_trace_are_not_done(void **unused)
{
    (void)unused;
    refuse(BYTES("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 501);
    refuse(BYTES("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    refuse(BYTES("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
}

static void one_empty_line_before_a_request_is_skipped(void **unused)
{
    (void)unused;
    static const char bytes[] = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    accept(BYTES(bytes));
    assert_int_equal(request.head.start, 2);
    assert_slice(bytes, request.method_name, "GET");
    refuse(BYTES("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static void something_else_is_refused_at_its_first_byte(void **unused)
{
    (void)unused;
    refuse(BYTES("\x16\x03\x01"), 400); /* TLS */
    refuse(BYTES("\0"), 400);
    refuse(BYTES(" GET"), 400);
    refuse(BYTES("\r\n\x80"), 400);
}

static void only_http_1_0_and_1_1_are_spoken(void **unused)
{
    (void)unused;
    static const struct {
        const char *version;
        unsigned status;
    } cases[] = {
        { "HTTP/2.0", 505 },   { "HTTP/1.2", 505 },  { "HTTP/0.9", 505 },  { "HTTP/3.1", 505 },
        { "HTTP/1.9", 505 },   { "HTTP/1.01", 400 }, { "HTTP/1", 400 },    { "HTTP/1.", 400 },
        { "http/1.1", 400 },   { "HTTP/11", 400 },   { "HTTP/1.1 ", 400 }, { " HTTP/1.1", 400 },
        { "HTTP/1,1", 400 },   { "HTTP/a.1", 400 },  { "HTTP 1.1", 400 },  { "HTTPS/1.1", 400 },
        { "HTTP/1.1\t", 400 }, { "", 400 },          { "XTTP/1.1", 400 },  { "HTTP/10.1", 400 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[80];
        int size = snprintf(bytes, sizeof bytes, "GET / %s\r\nHost: a\r\n\r\n", cases[i].version);
        refuse(bytes, (size_t)size, cases[i].status);
    }
    refuse(BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    refuse(BYTES("GET /\r\n\r\n"), 400);
    refuse(BYTES("GET\r\n\r\n"), 400);
    refuse(BYTES("GET / \r\n\r\n"), 400);
}

static void http_1_0_closes_unless_asked_otherwise(void **unused)
{
    (void)unused;
    accept(BYTES("GET / HTTP/1.0\r\n\r\n"));
    assert_int_equal(request.head.minor, 0);
    assert_false(request.head.keep_alive);
    assert_int_equal(request.host.size, 0);
    accept(BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a\r\n\r\n"));
    assert_true(request.head.keep_alive);
    accept(BYTES("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
    assert_false(request.head.keep_alive);
    accept(BYTES("GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n"));
    assert_false(request.head.keep_alive);
    accept(BYTES("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo\r\nConnection: , close ,\r\n\r\n"));
    assert_false(request.head.keep_alive);
    accept(BYTES("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n"));
    assert_true(request.head.keep_alive);
}

static void targets_come_in_origin_absolute_and_asterisk_form(void **unused)
{
    (void)unused;
    static const char absolute[] =
        "GET HTTP://A.example:80/x?y HTTP/1.1\r\nHost: a.Example\r\n\r\n";
    accept(BYTES(absolute));
    assert_true(request.absolute);
    assert_slice(absolute, request.authority, "A.example:80");
    assert_slice(absolute, request.host, "A.example");
    assert_slice(absolute, request.target, "/x?y");
    accept(BYTES("GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"));
    accept(BYTES("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(request.target.size, 0);
    static const char query[] = "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n";
    accept(BYTES(query));
    assert_slice(query, request.target, "?q");
    accept(BYTES("GET http://a/ HTTP/1.0\r\n\r\n"));
    assert_int_equal(request.host.size, 1);
    accept(BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
    accept(BYTES("GET //evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_false(request.absolute);
    accept(BYTES("GET /{x}|^`\"<>\\ HTTP/1.1\r\nHost: a\r\n\r\n")); /* as browsers send it */
}

static void other_targets_are_refused(void **unused)
{
    (void)unused;
    static const char *const targets[] = {
        "*",
        "a",
        "a:443",
        "ftp://a/",
        "http:/a",
        "http://",
        "http:///",
        "http://?q",
        "http://u@a/",
        "http://u:p@a/",
        "http://a:b/",
        "http://b/",
        "http://a:8080/",
        "http://a:/",
        "http://[::1/",
        "http://a b/",
        "/a#b",
        "#",
        "?q",
        "/\x7f",
        "/\x01",
        "/\xc3\xa9",
        "/a\tb",
        "http://a\\b/",
        "javascript:x",
        "http://a..b/",
        "http://.a/",
        "://a/",
        "http//a/",
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char bytes[120];
        int size = snprintf(bytes, sizeof bytes, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        refuse(bytes, (size_t)size, 400);
    }
    refuse(BYTES("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("GET: / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static void host_must_be_there_once_and_be_a_host(void **unused)
{
    (void)unused;
    static const struct {
        const char *value, *host; /* NULL: refused */
    } cases[] = {
        { "a", "a" },
        { "a.b-c_d~e.example", "a.b-c_d~e.example" },
        { "127.0.0.1:80", "127.0.0.1" },
        { "[::1]", "[::1]" },
        { "[2001:db8::1]:65535", "[2001:db8::1]" },
        { "a.:1", "a." },
        { "", NULL },
        { " ", NULL },
        { ":80", NULL },
        { "a:", NULL },
        { "a:65536", NULL },
        { "a:000001", NULL },
        { "a:-1", NULL },
        { "a:8 0", NULL },
        { "a b", NULL },
        { "a,b", NULL },
        { "a/b", NULL },
        { "a@b", NULL },
        { "a?b", NULL },
        { "a#b", NULL },
        { "a%20b", NULL },
        { "a\\b", NULL },
        { "\xc3\xa9", NULL },
        { "[::1", NULL },
        { "[::1]x", NULL },
        { "[]", NULL },
        { "[1.2.3.4]", NULL },
        { "[::1%25lo]", NULL },
        { "[zz]", NULL },
        { "::1", NULL },
        { ".", NULL },
        { ".a", NULL },
        { "a..b", NULL },
        { "http://a", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[120];
        int size =
            snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].value);
        if (cases[i].host) {
            accept(bytes, (size_t)size);
            assert_slice(bytes, request.host, cases[i].host);
            assert_slice(bytes, request.authority, cases[i].value);
        } else {
            refuse(bytes, (size_t)size, 400);
        }
    }
    refuse(BYTES("GET / HTTP/1.1\r\n\r\n"), 400);
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    refuse(BYTES("GET / HTTP/1.0\r\nHost: a\r\nhOST: a\r\n\r\n"), 400);
    refuse(BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
    refuse(BYTES("GET / HTTP/1.0\r\nHost:\r\n\r\n"), 400);
}

static void connection_names_fields_that_end_here(void **unused)
{
    (void)unused;
    accept(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nX-Stay: 2\r\n"
                 "Connection: close , x-hOP,host\r\nX-HOP: 3\r\n\r\n"));
    assert_false(request.head.fields[0].named); /* Host belongs to the whole way */
    assert_true(request.head.fields[1].named);
    assert_false(request.head.fields[2].named);
    assert_true(request.head.fields[4].named);
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n"), 400);
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nConnection: \"close\"\r\n\r\n"), 400);
    char bytes[400] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
    for (int i = 0; i < BSC_CONNECTION_OPTIONS; i++)
        strncat(bytes, "x,", 3);
    strncat(bytes, "\r\n\r\n", 5);
    accept(bytes, strlen(bytes));
    bytes[strlen(bytes) - 4] = '\0';
    strncat(bytes, "x\r\n\r\n", 6);
    refuse(bytes, strlen(bytes), 400);
}

static void an_upgrade_needs_connection_a_protocol_and_no_body(void **unused)
{
    (void)unused;
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n"
                                "Connection: keep-alive, Upgrade\r\n\r\n";
    accept(BYTES(bytes));
    assert_slice(bytes, request.head.upgrade, "WebSocket");
    assert_true(request.head.keep_alive);
    static const char *const without[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a;b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\n"
        "Content-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        accept(without[i], strlen(without[i]));
        assert_int_equal(request.head.upgrade.size, 0);
    }
}

static void expect_is_100_continue_or_417(void **unused)
{
    (void)unused;
    accept(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"));
    assert_true(request.expect_continue);
    accept(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"));
    assert_false(request.expect_continue); /* there is nothing to wait for */
    accept(BYTES("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    assert_false(request.expect_continue);
    refuse(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"), 417);
    refuse(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n"), 417);
}

static void names_are_recognised_in_any_case_and_in_disguise(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        enum bsc_field_id id;
        bool alias;
    } cases[] = {
        { "accept", BSC_FIELD_ACCEPT, false },
        { "CoNNecTion", BSC_FIELD_CONNECTION, false },
        { "Cookie", BSC_FIELD_COOKIE, false },
        { "Expires", BSC_FIELD_OTHER, false },
        { "Forwarded", BSC_FIELD_FORWARDED, false },
        { "Keep-Alive", BSC_FIELD_KEEP_ALIVE, false },
        { "Keep_Alive", BSC_FIELD_KEEP_ALIVE, true },
        { "Proxy-Authenticate", BSC_FIELD_PROXY_AUTHENTICATE, false },
        { "Proxy-Authentication-Info", BSC_FIELD_PROXY_AUTHENTICATION_INFO, false },
        { "Proxy-Authorization", BSC_FIELD_PROXY_AUTHORIZATION, false },
        { "Proxy-Connection", BSC_FIELD_PROXY_CONNECTION, false },
        { "TE", BSC_FIELD_TE, false },
        { "traceparent", BSC_FIELD_TRACEPARENT, false },
        { "Trailer", BSC_FIELD_TRAILER, false },
        { "Upgrade", BSC_FIELD_UPGRADE, false },
        { "X-Bascule-Reason", BSC_FIELD_X_BASCULE_REASON, false },
        { "X-Forwarded-For", BSC_FIELD_X_FORWARDED_FOR, false },
        { "x_forwarded_for", BSC_FIELD_X_FORWARDED_FOR, true },
        { "X-Forwarded-HOST", BSC_FIELD_X_FORWARDED_HOST, false },
        { "X-Forwarded-Proto", BSC_FIELD_X_FORWARDED_PROTO, false },
        { "X-Forwarded-Port", BSC_FIELD_X_FORWARDED, false },
        { "tracestate", BSC_FIELD_TRACESTATE, false },
        { "X-Forwarded-A-Name-That-Is-Long-Indeed", BSC_FIELD_X_FORWARDED, false },
        { "X-Real-IP", BSC_FIELD_X_FORWARDED, false },
        { "X_Real-IP", BSC_FIELD_X_FORWARDED, true },
        { "X-Request-ID", BSC_FIELD_X_REQUEST_ID, false },
        { "X_Request_Id", BSC_FIELD_X_REQUEST_ID, true },
        { "X-Forwarded", BSC_FIELD_OTHER, false },
        { "X_Foo-A-Name-That-Is-Longer-Than-All", BSC_FIELD_OTHER, false },
        { "Acceptt", BSC_FIELD_OTHER, false },
        { "X_", BSC_FIELD_OTHER, false },
        { "x", BSC_FIELD_OTHER, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[120];
        int size = snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\n%s: b\r\n\r\n",
                            cases[i].name);
        accept(bytes, (size_t)size);
        assert_int_equal(request.head.fields[1].id, cases[i].id);
        assert_int_equal(request.head.fields[1].alias, cases[i].alias);
        if (cases[i].id != BSC_FIELD_OTHER)
            assert_ptr_equal(bsc_head_find(&request.head, cases[i].id),
                             cases[i].alias ? NULL : &request.head.fields[1]);
    }
}

static char big[BSC_HEAD_BYTES + 4096];

/* A request whose target makes its first line `line` bytes long, with `fields` fields besides Host
 * of `field` bytes each. */
static size_t build(size_t line, size_t fields, size_t field)
{
    static const char before[] = "GET /", after[] = " HTTP/1.1\r\nHost: a\r\n";
    size_t at = sizeof before - 1, pad = line - (sizeof "GET / HTTP/1.1" - 1);
    memcpy(big, before, at);
    memset(big + at, 'a', pad);
    at += pad;
    memcpy(big + at, after, sizeof after - 1);
    at += sizeof after - 1;
    for (size_t i = 0; i < fields; i++) {
        memcpy(big + at, "b:", 2);
        memset(big + at + 2, 'c', field - 2);
        memcpy(big + at + field, "\r\n", 2);
        at += field + 2;
    }
    memcpy(big + at, "\r\n", 3);
    return at + 2;
}

static void lines_fields_and_heads_have_limits(void **unused)
{
    (void)unused;
    accept(big, build(BSC_LINE_BYTES, 0, 0));
    refuse(big, build(BSC_LINE_BYTES + 1, 0, 0), 414);
    accept(big, build(20, 1, BSC_LINE_BYTES));
    refuse(big, build(20, 1, BSC_LINE_BYTES + 1), 431);
    accept(big, build(20, BSC_HEAD_FIELDS - 1, 3));
    assert_int_equal(request.head.field_count, BSC_HEAD_FIELDS);
    refuse(big, build(20, BSC_HEAD_FIELDS, 3), 431);
    size_t size = build(20, 3, BSC_LINE_BYTES);
    size_t rest = BSC_HEAD_BYTES - size;
    assert_int_equal(build(20 + rest, 3, BSC_LINE_BYTES), BSC_HEAD_BYTES);
    accept(big, BSC_HEAD_BYTES);
    assert_int_equal(request.head.bytes, BSC_HEAD_BYTES);
    refuse(big, build(21 + rest, 3, BSC_LINE_BYTES), 431);
}

/* Small heads are read at once when they are whole, larger ones are searched for their end first.
 */
static void a_head_ends_where_it_ends_whatever_its_size_and_what_follows(void **unused)
{
    static const char body[] = "\r\n\r\nGET / HTTP/1.1\r\nb: c\r\n\r\n";
    (void)unused;
    for (size_t more = 0; more < 120; more++) {
        size_t size = build(20, 1, BSC_LINE_BYTES - 100 + more);
        bool fits = more <= 100;
        for (size_t after = 0; after < sizeof body; after += 7) {
            memcpy(big + size, body, after);
            struct bsc_head_scan scan = { 0 };
            enum bsc_parse found = parse_piece(0, 0, &scan, big, size + after, &request, &fault);
            assert_int_equal(found, fits ? BSC_PARSE_DONE : BSC_PARSE_REFUSED);
            if (fits)
                assert_int_equal(request.head.bytes, size);
        }
    }
}

static void the_classes_of_bytes_are_those_of_the_rfc(void **unused)
{
    (void)unused;
    for (int byte = 0; byte < 256; byte++) {
        bool alnum = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                     (byte >= 'A' && byte <= 'Z');
        bool visible = byte > ' ' && byte < 0x7f;
        char c = (char)byte;
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_TOKEN),
                         alnum || (byte && strchr("!#$%&'*+-.^_`|~", byte)));
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_TARGET), visible && byte != '#');
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_HOST), alnum || (byte && strchr("-._~", byte)));
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_DIGIT), byte >= '0' && byte <= '9');
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_HEX),
                         byte && strchr("0123456789abcdefABCDEF", byte) != NULL);
        assert_int_equal(bsc_byte_is(c, BSC_BYTE_VALUE),
                         visible || byte == ' ' || byte == '\t' || byte >= 0x80);
    }
}

static void the_end_of_a_value_is_found_at_each_place(void **unused)
{
    (void)unused;
    for (size_t size = 0; size < 40; size++)
        for (size_t bad = 0; bad <= size; bad++)
            for (int byte = 0; byte < 256; byte++) {
                char bytes[40];
                memset(bytes, bad % 2 ? 0xa0 : '\t', sizeof bytes);
                if (bad < size)
                    bytes[bad] = (char)byte;
                bool stops = bad < size && !bsc_byte_is((char)byte, BSC_BYTE_VALUE);
                assert_ptr_equal(bsc_bytes_value_end(bytes, bytes + size),
                                 bytes + (stops ? bad : size));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_simple_request_is_read),
        cmocka_unit_test(each_method_is_known_with_its_idempotence),
        cmocka_unit_test(a_request_with_a_body_is_not_replayable),
        cmocka_unit_test(connect_and_trace_are_not_done),
        cmocka_unit_test(one_empty_line_before_a_request_is_skipped),
        cmocka_unit_test(something_else_is_refused_at_its_first_byte),
        cmocka_unit_test(only_http_1_0_and_1_1_are_spoken),
        cmocka_unit_test(http_1_0_closes_unless_asked_otherwise),
        cmocka_unit_test(targets_come_in_origin_absolute_and_asterisk_form),
        cmocka_unit_test(other_targets_are_refused),
        cmocka_unit_test(host_must_be_there_once_and_be_a_host),
        cmocka_unit_test(connection_names_fields_that_end_here),
        cmocka_unit_test(an_upgrade_needs_connection_a_protocol_and_no_body),
        cmocka_unit_test(expect_is_100_continue_or_417),
        cmocka_unit_test(names_are_recognised_in_any_case_and_in_disguise),
        cmocka_unit_test(lines_fields_and_heads_have_limits),
        cmocka_unit_test(a_head_ends_where_it_ends_whatever_its_size_and_what_follows),
        cmocka_unit_test(the_classes_of_bytes_are_those_of_the_rfc),
        cmocka_unit_test(the_end_of_a_value_is_found_at_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
