/* http.c - one request by libcurl, and what its outcome means: sent, later, refused, unfit.
 *
 * Certificates are always checked. Redirects are not followed: headers that are secrets would follow. Only what this file makes of
 * an answer is shown: a server could repeat secrets in its own words. */
#include "base/memory.h"
#include "gumshoe/gumshoe.h"
#include "ship/inside.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_S = 15, WHOLE_S = 1800, ANSWER_TOTAL_MAX = 4 << 20, WAIT_MAX_S = 600 };

struct http_request {
    struct gs_ship_destination *destination;
    const struct gs_ship_body *body;
    struct gs_ship_progress *progress;
    struct gs_ship_answer answer;
    uint64_t answered, sent; // bytes
    struct curl_slist *headers;
    bool no_memory;
};

void gs_ship_fail(struct gs_ship_result *out, enum gs_ship_end end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->what, sizeof out->what, format, arguments);
    va_end(arguments);
    out->end = end;
}

/* ---- libcurl's callbacks ---------------------------------------------------------------------------------------------- */

static size_t read_body(char *out, size_t size, size_t count, void *of)
{
    struct http_request *request = of;
    uint64_t left = request->body->length - request->sent;
    size_t part = size * count < left ? size * count : (size_t)left;
    if (request->body->bytes)
        memcpy(out, (const char *)request->body->bytes + request->sent, part);
    else if (part) {
        ssize_t got = pread(request->body->fd, out, part, (off_t)request->sent);
        if (got <= 0)
            return CURL_READFUNC_ABORT;
        part = (size_t)got;
    }
    request->sent += part;
    return part;
}

static int seek_body(void *of, curl_off_t offset, int origin)
{
    struct http_request *request = of;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > request->body->length)
        return CURL_SEEKFUNC_FAIL;
    request->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t keep_answer(char *bytes, size_t size, size_t count, void *of)
{
    struct http_request *request = of;
    struct gs_ship_answer *answer = &request->answer;
    size_t length = size * count, room = GS_SHIP_ANSWER_MAX - answer->length,
           part = length < room ? length : room;
    request->answered += length;
    if (!answer->bytes)
        answer->bytes = gs_alloc(GS_SHIP_ANSWER_MAX + 1); // zeroed
    if (!answer->bytes || request->answered > ANSWER_TOTAL_MAX)
        return 0;
    memcpy(answer->bytes + answer->length, bytes, part);
    answer->length += part;
    return length;
}

static int tell_progress(void *of, curl_off_t to_get, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
    struct http_request *request = of;
    (void)to_get;
    (void)got;
    (void)to_send;
    if (request->progress)
        request->progress->tell(request->progress, (uint64_t)sent, request->body->length);
    return 0;
}

/* ---- a request ---------------------------------------------------------------------------------------------------------- */

static void add_line(struct http_request *request, const char *line)
{
    struct curl_slist *longer = line ? gs_ship_curl.slist_append(request->headers, line) : NULL;
    if (longer)
        request->headers = longer;
    else
        request->no_memory = true;
}

static void add_header(struct http_request *request, const char *name, const char *value)
{
    struct gs_text line = {0};
    gs_text_add(&line, "%s: %s", name, value);
    add_line(request, line.failed ? NULL : line.bytes);
    gs_text_fini(&line);
}

/* The hash of BODY, in hex. False: it cannot be read. */
static bool hash_body(const struct gs_ship_body *body, char hex[GS_SHIP_SHA256_HEX])
{
    struct gs_ship_sha256 hash;
    char block[16 << 10];
    gs_ship_sha256_begin(&hash);
    if (body->bytes)
        gs_ship_sha256_add(&hash, body->bytes, body->length);
    for (uint64_t at = 0; !body->bytes && at < body->length;) {
        ssize_t got = pread(body->fd, block, sizeof block, (off_t)at);
        if (got <= 0)
            return false;
        gs_ship_sha256_add(&hash, block, (size_t)got);
        at += (uint64_t)got;
    }
    gs_ship_sha256_end(&hash, hex);
    return true;
}

/* Have libcurl sign the request (SigV4). libcurl 7.88 signs each header that is added here, in the order of their lines, and
 * takes the body's hash from x-amz-content-sha256, which S3 wants. No "Expect:" or "Accept:" may be added, to switch these off: it
 * would sign them, too. */
static bool sign(struct http_request *request)
{
    struct gs_ship_destination *destination = request->destination;
    char provider[96], hash[GS_SHIP_SHA256_HEX];
    if (!hash_body(request->body, hash))
        return false;
    snprintf(provider, sizeof provider, "aws:amz:%s:s3", destination->region);
    add_header(request, "x-amz-content-sha256", hash);
    if (destination->token)
        add_header(request, "x-amz-security-token", destination->token);
    return gs_ship_curl.easy_setopt(destination->curl, CURLOPT_AWS_SIGV4, provider) == CURLE_OK &&
           gs_ship_curl.easy_setopt(destination->curl, CURLOPT_USERNAME, destination->key_id) == CURLE_OK &&
           gs_ship_curl.easy_setopt(destination->curl, CURLOPT_PASSWORD, destination->secret) == CURLE_OK;
}

static bool set_headers(struct http_request *request)
{
    add_header(request, "Content-Type", request->body->type);
    if (request->body->gzip)
        add_header(request, "Content-Encoding", "gzip");
    for (size_t i = 0; i < request->destination->header_count; i++)
        add_line(request, request->destination->header[i]);
    if (request->destination->kind == GS_SHIP_S3 && !sign(request))
        return false;
    return !request->no_memory && gs_ship_curl.easy_setopt(request->destination->curl, CURLOPT_HTTPHEADER,
                                                           request->headers) == CURLE_OK;
}

/* Limits that hold for every request: who answers, and for how long. */
static void set_limits(const struct gs_ship_destination *destination)
{
    CURL *curl = destination->curl;
    gs_ship_curl.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    gs_ship_curl.easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    gs_ship_curl.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    gs_ship_curl.easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    gs_ship_curl.easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (destination->ca)
        gs_ship_curl.easy_setopt(curl, CURLOPT_CAINFO, destination->ca);
    gs_ship_curl.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    gs_ship_curl.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    gs_ship_curl.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    gs_ship_curl.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)destination->silence_s);
    gs_ship_curl.easy_setopt(curl, CURLOPT_TIMEOUT, (long)WHOLE_S);
    gs_ship_curl.easy_setopt(curl, CURLOPT_USERAGENT, "gumshoe/" GUMSHOE_VERSION);
}

static bool set_request(struct http_request *request, const char *url, bool post)
{
    CURL *curl = request->destination->curl;
    gs_ship_curl.easy_reset(curl); // keeps the connection
    set_limits(request->destination);
    gs_ship_curl.easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    gs_ship_curl.easy_setopt(curl, post ? CURLOPT_POST : CURLOPT_UPLOAD, 1L);
    gs_ship_curl.easy_setopt(curl, post ? CURLOPT_POSTFIELDSIZE_LARGE : CURLOPT_INFILESIZE_LARGE,
                             (curl_off_t)request->body->length);
    gs_ship_curl.easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    gs_ship_curl.easy_setopt(curl, CURLOPT_READDATA, request);
    gs_ship_curl.easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body);
    gs_ship_curl.easy_setopt(curl, CURLOPT_SEEKDATA, request);
    gs_ship_curl.easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
    gs_ship_curl.easy_setopt(curl, CURLOPT_WRITEDATA, request);
    gs_ship_curl.easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, tell_progress);
    gs_ship_curl.easy_setopt(curl, CURLOPT_XFERINFODATA, request);
    gs_ship_curl.easy_setopt(curl, CURLOPT_NOPROGRESS, request->progress ? 0L : 1L);
    return gs_ship_curl.easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK && set_headers(request);
}

/* ---- what came of it ------------------------------------------------------------------------------------------------------ */

/* The name of the error in an answer of S3, <Code>NoSuchBucket</Code>, or "". Only a word of letters is taken. */
static void read_error_name(const struct gs_ship_answer *answer, char out[48])
{
    const char *code = answer->bytes ? strstr(answer->bytes, "<Code>") : NULL;
    size_t length = 0;
    while (code && length < 47 && isalpha((unsigned char)code[6 + length]))
        length++;
    snprintf(out, 48, "%.*s", code && code[6 + length] == '<' ? (int)length : 0, code ? code + 6 : "");
}

static enum gs_ship_end end_of_status(long status, const char *name)
{
    if (status >= 200 && status < 300)
        return GS_SHIP_SENT;
    if (status == 408 || status == 409 || status == 425 || status == 429 ||
        strcmp(name, "RequestTimeout") == 0 || strcmp(name, "SlowDown") == 0)
        return GS_SHIP_LATER;
    if (status >= 500)
        return status == 501 || status == 505 ? GS_SHIP_REFUSED : GS_SHIP_LATER;
    if (status == 413 || status == 422 || (status == 400 && !*name))
        return GS_SHIP_UNFIT;
    return GS_SHIP_REFUSED;
}

static const char *hint_for(long status, const char *name)
{
    if (strcmp(name, "RequestTimeTooSkewed") == 0)
        return ": this machine's clock is wrong";
    if (strcmp(name, "ExpiredToken") == 0)
        return ": $AWS_SESSION_TOKEN has expired";
    if (strcmp(name, "SignatureDoesNotMatch") == 0)
        return ": $AWS_SECRET_ACCESS_KEY or $AWS_REGION is another one's";
    if (status >= 300 && status < 400)
        return ": redirects are not followed; is the bucket in another region ($AWS_REGION)?";
    if (status == 401 || status == 403)
        return ": it does not accept these keys or headers";
    if (status == 413)
        return ": too large for it";
    if (status == 507)
        return ": it is full";
    return "";
}

static void judge_status(const struct http_request *request, struct gs_ship_result *out)
{
    long status = 0;
    curl_off_t wait_s = 0;
    char name[48];
    CURL *curl = request->destination->curl;
    gs_ship_curl.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    gs_ship_curl.easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s);
    read_error_name(&request->answer, name);
    out->wait_s = wait_s < 0 ? 0 : wait_s > WAIT_MAX_S ? WAIT_MAX_S : (int64_t)wait_s;
    enum gs_ship_end end = end_of_status(status, name);
    gs_ship_fail(out, end, "the answer is %ld%s%s%s", status, *name ? " " : "", name, hint_for(status, name));
    if (end == GS_SHIP_SENT)
        out->what[0] = 0;
}

static void judge_failure(CURLcode code, struct gs_ship_result *out)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        gs_ship_fail(out, GS_SHIP_REFUSED, "%s", gs_ship_curl.easy_strerror(code));
        break;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_READ_ERROR:
        gs_ship_fail(out, GS_SHIP_UNFIT, "a file could not be read while it was sent");
        break;
    default: gs_ship_fail(out, GS_SHIP_LATER, "%s", gs_ship_curl.easy_strerror(code));
    }
}

static void perform(struct gs_ship_destination *destination, const char *url, const struct gs_ship_body *body,
                    bool post, struct gs_ship_progress *progress, struct gs_ship_answer *answer,
                    struct gs_ship_result *out)
{
    struct http_request request = {.destination = destination, .body = body, .progress = progress};
    if (!destination->curl)
        destination->curl = gs_ship_curl.easy_init();
    if (!destination->curl || !set_request(&request, url, post))
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory, or a file could not be read");
    else {
        CURLcode code = gs_ship_curl.easy_perform(destination->curl);
        if (code == CURLE_OK)
            judge_status(&request, out);
        else
            judge_failure(code, out);
    }
    gs_ship_curl.slist_free_all(request.headers);
    if (answer)
        *answer = request.answer;
    else
        gs_free(request.answer.bytes);
}

void gs_ship_put(struct gs_ship_destination *destination, const char *url, const struct gs_ship_body *body,
                 struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    perform(destination, url, body, false, progress, NULL, out);
}

void gs_ship_post(struct gs_ship_destination *destination, const char *url, const struct gs_ship_body *body,
                  struct gs_ship_progress *progress, struct gs_ship_answer *answer,
                  struct gs_ship_result *out)
{
    perform(destination, url, body, true, progress, answer, out);
}
