/* curl.h - libcurl, which is loaded when a request is to be sent: with it come twenty libraries and 2 MiB, which the other commands, and
 * the process that the agent starts after an incident, do not need.
 * Context: CLI. */
#pragma once
#include <curl/curl.h>

/* The functions of libcurl, by their names without "curl_". Valid once gs_ship_load (ship.h) has returned true. */
extern struct gs_ship_curl {
    __typeof__(curl_version_info) *version_info;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__((curl_easy_setopt)) *easy_setopt;
    __typeof__((curl_easy_getinfo)) *easy_getinfo;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} gs_ship_curl;
