/* s3.c - what an S3 destination needs from the environment, by the names that AWS's own tools use.
 *
 *   AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL   another service than AWS: ENDPOINT/BUCKET/PREFIX
 *   AWS_REGION, AWS_DEFAULT_REGION          us-east-1 if neither is set
 *   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *
 * Debian 12's libcurl (7.88) signs the path of the URL as it is: it has to be encoded as S3 wants it, here. */
#include "base/memory.h"
#include "ship/inside.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static bool is_word(const char *text, const char *also, size_t max)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(also, text[i]))
            return false;
    return length > 0 && length <= max;
}

/* Copy variable NAME, a secret, to *OUT. False, with a sentence in WHY: it is not set, or no header could carry it. */
static bool read_secret(const char *name, char **out, char *why, size_t why_size)
{
    const char *value = variable(name, "");
    for (const char *at = value; *at; at++)
        if (*at <= ' ' || *at > '~') {
            snprintf(why, why_size, "$%s has a space, a line end or another character that no key has", name);
            return false;
        }
    if (!*value)
        snprintf(why, why_size,
                 "$%s is not set: an S3 destination needs $AWS_ACCESS_KEY_ID and "
                 "$AWS_SECRET_ACCESS_KEY",
                 name);
    else if (!(*out = gs_strdup(value)))
        snprintf(why, why_size, "there is not enough memory");
    return *out != NULL;
}

/* Add the URL of BUCKET: at the endpoint that the environment names, else at AWS. A bucket's name with a dot is in the path:
 * as part of the host's name it would have no valid certificate. */
static bool add_bucket(struct gs_text *url, const char *bucket, const char *region, char *why,
                       size_t why_size)
{
    const char *endpoint = variable("AWS_ENDPOINT_URL_S3", variable("AWS_ENDPOINT_URL", NULL));
    const char *top = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    if (!endpoint && !strpbrk(bucket, "._") && strlen(bucket) >= 3)
        gs_text_add(url, "https://%s.s3.%s.%s", bucket, region, top);
    else if (!endpoint)
        gs_text_add(url, "https://s3.%s.%s/%s", region, top, bucket);
    else {
        size_t length = strlen(endpoint);
        const char *address = strncmp(endpoint, "https://", 8) == 0  ? endpoint + 8
                              : strncmp(endpoint, "http://", 7) == 0 ? endpoint + 7
                                                                     : "";
        if (!gs_ship_is_address(address)) {
            snprintf(why, why_size,
                     "$AWS_ENDPOINT_URL is not https://HOST or http://HOST, perhaps with :PORT and a path");
            return false;
        }
        while (endpoint[length - 1] == '/')
            length--;
        gs_text_add_bytes(url, endpoint, length);
        gs_text_add(url, "/%s", bucket);
    }
    return true;
}

static bool set_base(struct gs_ship_destination *destination, const char *bucket, const char *prefix,
                     char *why, size_t why_size)
{
    struct gs_text url = {0};
    if (!add_bucket(&url, bucket, destination->region, why, why_size)) {
        gs_text_fini(&url);
        return false;
    }
    size_t bare = url.length;
    if (*prefix) {
        gs_text_add(&url, "/");
        gs_ship_add_encoded(&url, prefix);
    }
    while (!url.failed && url.length > bare && url.bytes[url.length - 1] == '/')
        url.bytes[--url.length] = 0;
    destination->base = url.failed ? NULL : url.bytes;
    if (url.failed) {
        gs_text_fini(&url);
        snprintf(why, why_size, "there is not enough memory");
    }
    return destination->base != NULL;
}

bool gs_ship_s3_read(struct gs_ship_destination *destination, const char *rest, char *why, size_t why_size)
{
    char bucket[64];
    size_t length = strcspn(rest, "/");
    const char *region = variable("AWS_REGION", variable("AWS_DEFAULT_REGION", "us-east-1"));
    snprintf(bucket, sizeof bucket, "%.*s", (int)(length < sizeof bucket ? length : 0), rest);
    if (!is_word(bucket, "-._", 63)) {
        snprintf(why, why_size,
                 "--to: after \"s3://\" comes the name of a bucket: letters, digits, \"-\", \".\"");
        return false;
    }
    if (strstr(rest + length, "//")) {
        snprintf(why, why_size, "--to: \"//\" in the prefix");
        return false;
    }
    if (!is_word(region, "-", 64)) {
        snprintf(why, why_size, "$AWS_REGION is not the name of a region");
        return false;
    }
    destination->region = gs_strdup(region);
    if (!destination->region) {
        snprintf(why, why_size, "there is not enough memory");
        return false;
    }
    return read_secret("AWS_ACCESS_KEY_ID", &destination->key_id, why, why_size) &&
           read_secret("AWS_SECRET_ACCESS_KEY", &destination->secret, why, why_size) &&
           (!*variable("AWS_SESSION_TOKEN", "") ||
            read_secret("AWS_SESSION_TOKEN", &destination->token, why, why_size)) &&
           set_base(destination, bucket, rest[length] ? rest + length + 1 : "", why, why_size);
}
