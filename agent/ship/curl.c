/* curl.c - loads libcurl when it is needed.
 * Who: the command; not thread-safe. */
#include "ship/inside.h"
#include <dlfcn.h>
#include <stdio.h>

struct gs_ship_curl gs_ship_curl;

static const struct {
    const char *name;
    size_t at; // in gs_ship_curl
} functions[] = {
    {"curl_version_info", offsetof(struct gs_ship_curl, version_info)},
    {"curl_easy_init", offsetof(struct gs_ship_curl, easy_init)},
    {"curl_easy_reset", offsetof(struct gs_ship_curl, easy_reset)},
    {"curl_easy_setopt", offsetof(struct gs_ship_curl, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct gs_ship_curl, easy_getinfo)},
    {"curl_easy_perform", offsetof(struct gs_ship_curl, easy_perform)},
    {"curl_easy_strerror", offsetof(struct gs_ship_curl, easy_strerror)},
    {"curl_easy_cleanup", offsetof(struct gs_ship_curl, easy_cleanup)},
    {"curl_slist_append", offsetof(struct gs_ship_curl, slist_append)},
    {"curl_slist_free_all", offsetof(struct gs_ship_curl, slist_free_all)},
};

bool gs_ship_load(char *why, size_t size)
{
    if (gs_ship_curl.easy_init)
        return true;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    struct gs_ship_curl found;
    if (!library) {
        snprintf(why, size, "libcurl is needed (apt-get install libcurl4): %s", dlerror());
        return false;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function) {
            snprintf(why, size, "this libcurl cannot be used: %s", dlerror());
            return false;
        }
        *(void **)((char *)&found + functions[i].at) = function;
    }
    gs_ship_curl = found;
    return true;
}
