/* headers.c - headers for each request, which may be secrets ("Authorization: Bearer …", "X-Scope-OrgID: …"): from the environment
 * or from a file, never from arguments, which other users can read. */
#include "base/memory.h"
#include "ship/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 10 };

static size_t name_length(const char *line)
{
    return strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

/* Is LINE "Name: value"? Headers that this program or libcurl sets are refused: they decide how the request is read. */
static bool is_header(const struct gs_ship_destination *destination, const char *line, size_t length)
{
    static const char *const ours[] = {
        "content-length", "content-type", "content-encoding", "transfer-encoding",    "host",
        "expect",         "connection",   "x-amz-date",       "x-amz-content-sha256", "x-amz-security-token",
        "authorization", // last: only S3 makes its own
    };
    size_t name = name_length(line),
           count = sizeof ours / sizeof *ours - (destination->kind == GS_SHIP_S3 ? 0 : 1);
    if (name == 0 || name + 1 >= length || line[name] != ':')
        return false;
    for (size_t i = name; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            return false;
    for (size_t i = 0; i < count; i++)
        if (strlen(ours[i]) == name && strncasecmp(ours[i], line, name) == 0)
            return false;
    return true;
}

/* Would libcurl before 8.10 sign the headers in a wrong order? It sorts "name:value", not names: of two names, of which one begins
 * with the other, "x-amz-server-side-encryption:" stands behind "x-amz-server-side-encryption-aws-kms-key-id:". */
static bool would_be_signed_wrong(const struct gs_ship_destination *destination)
{
    for (size_t i = 0; i < destination->header_count; i++)
        for (size_t j = 0; j < destination->header_count; j++) {
            size_t a = name_length(destination->header[i]), b = name_length(destination->header[j]);
            if (i != j && a <= b && strncasecmp(destination->header[i], destination->header[j], a) == 0)
                return destination->kind == GS_SHIP_S3 &&
                       gs_ship_curl.version_info(CURLVERSION_NOW)->version_num < 0x080a00;
        }
    return false;
}

/* Add the headers of TEXT, which came from SOURCE. A message names the line by its number: it may be a secret. */
static bool add_headers(struct gs_ship_destination *destination, const char *source, const char *text,
                        char *why, size_t why_size)
{
    int number = 0;
    for (const char *line = text; *line; number++) {
        size_t whole = strcspn(line, "\n"), length = whole;
        if (length && line[length - 1] == '\r')
            length--;
        if (length && !is_header(destination, line, length)) {
            snprintf(why, why_size,
                     "%s, line %d: it is not \"Name: value\", or a header that gumshoe sets itself", source,
                     number + 1);
            return false;
        }
        if (length && destination->header_count == GS_SHIP_HEADERS_MAX) {
            snprintf(why, why_size, "%s: more than %d headers", source, GS_SHIP_HEADERS_MAX);
            return false;
        }
        char *copy = length ? gs_strndup(line, length) : NULL;
        if (length && !copy) {
            snprintf(why, why_size, "there is not enough memory");
            return false;
        }
        if (copy)
            destination->header[destination->header_count++] = copy;
        line += whole + (line[whole] ? 1 : 0);
    }
    return true;
}

static bool may_be_signed(const struct gs_ship_destination *destination, char *why, size_t why_size)
{
    if (!would_be_signed_wrong(destination))
        return true;
    snprintf(why, why_size,
             "the name of one header begins with the name of another: this libcurl (%s) would sign them in "
             "the wrong order; 8.10 would not",
             gs_ship_curl.version_info(CURLVERSION_NOW)->version);
    return false;
}

bool gs_ship_headers_read(struct gs_ship_destination *destination, const char *file, char *why,
                          size_t why_size)
{
    const char *environment = getenv("GUMSHOE_SHIP_HEADERS");
    char *text;
    size_t length;
    if (environment && !add_headers(destination, "$GUMSHOE_SHIP_HEADERS", environment, why, why_size))
        return false;
    if (!file)
        return may_be_signed(destination, why, why_size);
    int error = gs_file_read(AT_FDCWD, file, FILE_MAX, &text, &length);
    if (error) {
        snprintf(why, why_size, "%s: %s", file, strerrordesc_np(-error));
        return false;
    }
    bool read = strlen(text) == length;
    if (!read)
        snprintf(why, why_size, "%s: it has a NUL byte", file);
    read = read && add_headers(destination, file, text, why, why_size);
    gs_free(text);
    return read && may_be_signed(destination, why, why_size);
}
