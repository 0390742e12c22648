/* destination.c - reads DEST: what kind of place it is, and the URL that the addresses of incidents begin with.
 *
 *   s3://BUCKET/PREFIX        ▶ s3.c: endpoint, region and keys from the environment
 *   https://HOST/PATH         ▶ as it is
 *   pyroscope+https://HOST/P  ▶ https://HOST/P/ingest
 *   otlp+https://HOST/P       ▶ https://HOST/P/v1development/profiles
 *
 * DEST is refused where it could hold a secret: it is in this process's arguments, which every user of the machine can read. */
#include "base/memory.h"
#include "ship/inside.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *scheme, *http, *tail; // HTTP: what replaces SCHEME
    enum gs_ship_kind kind;
} schemes[] = {
    {"s3://", "", "", GS_SHIP_S3},
    {"https://", "https://", "", GS_SHIP_HTTP},
    {"http://", "http://", "", GS_SHIP_HTTP},
    {"pyroscope+https://", "https://", "/ingest", GS_SHIP_PYROSCOPE},
    {"pyroscope+http://", "http://", "/ingest", GS_SHIP_PYROSCOPE},
    {"otlp+https://", "https://", "/v1development/profiles", GS_SHIP_OTLP},
    {"otlp+http://", "http://", "/v1development/profiles", GS_SHIP_OTLP},
};

static void add_encoded(struct gs_text *url, const char *text, const char *kept)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (isalnum(*at) || strchr(kept, *at))
            gs_text_add(url, "%c", *at);
        else
            gs_text_add(url, "%%%02X", *at);
}

void gs_ship_add_encoded(struct gs_text *url, const char *path)
{
    add_encoded(url, path, "-._~/");
}

void gs_ship_add_query_value(struct gs_text *url, const char *value)
{
    add_encoded(url, value, "-._~");
}

bool gs_ship_is_address(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t host = strspn(text, letters), more;
    while ((more = strspn(text + host, "-._")) > 0 && host > 0)
        host += more + strspn(text + host + more, letters);
    if (text[0] == '[') {
        host = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        host = text[host] == ']' && host > 2 ? host + 1 : 0;
    }
    const char *at = text + host;
    if (host == 0 || host > 255)
        return false;
    if (*at == ':') {
        size_t digits = strspn(at + 1, "0123456789");
        if (digits < 1 || digits > 5)
            return false;
        at += 1 + digits;
    }
    size_t rest = strlen(at);
    return (*at == 0 || *at == '/') && rest < 1024 &&
           strspn(at, "/-._~%+,:;=!$&'()*"
                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == rest;
}

/* Has TEXT a part "." or ".."? Servers and proxies resolve them. */
static bool has_dots(const char *text)
{
    for (const char *part = text; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
            return true;
    }
    return false;
}

/* Set the base of an HTTP destination, of row ROW, from REST. */
static bool read_http(struct gs_ship_destination *destination, size_t row, const char *rest, char *why,
                      size_t why_size)
{
    struct gs_text url = {0};
    if (!gs_ship_is_address(rest)) {
        snprintf(why, why_size, "--to: after \"%s\" comes HOST, perhaps :PORT, and a path",
                 schemes[row].scheme);
        return false;
    }
    gs_text_add(&url, "%s%s", schemes[row].http, rest);
    while (!url.failed && url.length && url.bytes[url.length - 1] == '/')
        url.bytes[--url.length] = 0;
    gs_text_add(&url, "%s", schemes[row].tail);
    destination->base = url.failed ? NULL : url.bytes;
    if (!destination->base) {
        gs_text_fini(&url);
        snprintf(why, why_size, "there is not enough memory");
    }
    return destination->base != NULL;
}

/* False: DEST may hold a secret, or has what no address has. */
static bool may_be_shown(const char *dest, const char *rest, char *why, size_t why_size)
{
    if (strchr(rest, '@'))
        snprintf(why, why_size,
                 "--to: no user and password there, every user of this machine could read them: "
                 "put keys into the environment (AWS_ACCESS_KEY_ID, …), other credentials into "
                 "$GUMSHOE_SHIP_HEADERS or --headers FILE");
    else if (strpbrk(rest, "?#"))
        snprintf(why, why_size,
                 "--to: no \"?\" and \"#\" there: a token belongs into $GUMSHOE_SHIP_HEADERS or "
                 "--headers FILE");
    else if (has_dots(rest))
        snprintf(why, why_size, "--to: no \".\" and \"..\" as parts of the path");
    else if (strlen(dest) > 800)
        snprintf(why, why_size, "--to: it is longer than 800 characters");
    else {
        for (const char *at = dest; *at; at++)
            if (iscntrl((unsigned char)*at)) {
                snprintf(why, why_size, "--to: it has control characters");
                return false;
            }
        return true;
    }
    return false;
}

static bool read(struct gs_ship_destination *destination, const char *dest, char *why, size_t why_size)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const char *rest = dest + strlen(schemes[i].scheme);
        if (strncmp(dest, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
            continue;
        destination->kind = schemes[i].kind;
        if (!may_be_shown(dest, rest, why, why_size))
            return false;
        return schemes[i].kind == GS_SHIP_S3 ? gs_ship_s3_read(destination, rest, why, why_size)
                                             : read_http(destination, i, rest, why, why_size);
    }
    snprintf(why, why_size,
             "--to: a destination begins with s3://, https://, pyroscope+https:// or otlp+https://");
    return false;
}

struct gs_ship_destination *gs_ship_destination_open(const char *dest, const struct gs_ship_options *options,
                                                     char *why, size_t why_size)
{
    const char *ca = options->ca;
    char hash[GS_SHIP_SHA256_HEX];
    struct gs_ship_destination *destination = gs_alloc(sizeof *destination);
    snprintf(why, why_size, "there is not enough memory");
    if (!destination)
        return NULL;
    destination->silence_s = options->silence_s;
    destination->name = gs_strdup(dest);
    destination->ca = ca ? gs_strdup(ca) : NULL;
    if (!destination->name || (ca && !destination->ca) || !read(destination, dest, why, why_size) ||
        !gs_ship_headers_read(destination, options->headers_file, why, why_size)) {
        gs_ship_destination_close(destination);
        return NULL;
    }
    gs_ship_sha256_text(destination->base, hash);
    hash[16] = 0;
    destination->id = strtoull(hash, NULL, 16);
    *why = 0;
    return destination;
}

void gs_ship_destination_close(struct gs_ship_destination *destination)
{
    if (!destination)
        return;
    if (destination->curl)
        gs_ship_curl.easy_cleanup(destination->curl);
    for (size_t i = 0; i < destination->header_count; i++)
        gs_free(destination->header[i]);
    gs_free(destination->secret);
    gs_free(destination->token);
    gs_free(destination->key_id);
    gs_free(destination->region);
    gs_free(destination->ca);
    gs_free(destination->base);
    gs_free(destination->name);
    gs_free(destination);
}

const char *gs_ship_destination_name(const struct gs_ship_destination *destination)
{
    return destination->name;
}

uint64_t gs_ship_destination_id(const struct gs_ship_destination *destination)
{
    return destination->id;
}

bool gs_ship_destination_replaces(const struct gs_ship_destination *destination)
{
    return destination->kind == GS_SHIP_S3 || destination->kind == GS_SHIP_HTTP;
}
