/* The page of an incident that anybody may have written. The bytes are files of its folder: each is its name, a NUL, its length in
 * decimal, a NUL, and its contents. Whatever they say, the body has only elements that the page itself writes, and its data can be
 * read. */
#include "base/json.h"
#include "base/memory.h"
#include "fuzz.h"
#include "reader/reader.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/gumshoe-fuzz-XXXXXX";
static int folder_fd = -1;

static const char *const names[] = {"incident.json",   "metrics.json",  "memory.json", "rules.json",
                                    "fds.txt",         "threads.txt",   "summary.txt", "heap.pb.gz",
                                    "heap.base.pb.gz", "threads.pb.gz", "cpu.pb.gz",   "threadcreate.pb.gz",
                                    "later.pb.gz",     "server.c"};
enum { NAMES = sizeof names / sizeof *names };

static void remove_files(void)
{
    for (size_t i = 0; i < NAMES; i++)
        unlinkat(folder_fd, names[i], 0);
}

static void remove_folder(void)
{
    remove_files();
    rmdir(folder);
}

static void make_folder(void)
{
    gs_must(mkdtemp(folder) != NULL);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gs_must(folder_fd >= 0);
    atexit(remove_folder);
    gs_json_use_our_memory();
}

static void put(const char *name, const char *bytes, size_t length)
{
    for (size_t i = 0; i < NAMES; i++) {
        int fd = strcmp(name, names[i])
                     ? -1
                     : openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0) {
            gs_must(write(fd, bytes, length) == (ssize_t)length);
            close(fd);
        }
    }
}

/* Write the files that the bytes from AT to END say. */
static void put_all(const char *at, const char *end)
{
    while (at < end) {
        const char *name = at, *number = name + strnlen(name, (size_t)(end - name)) + 1;
        const char *bytes = number < end ? number + strnlen(number, (size_t)(end - number)) + 1 : end;
        if (bytes >= end)
            return;
        size_t length = strtoul(number, NULL, 10), left = (size_t)(end - bytes);
        length = length < left ? length : left;
        put(name, bytes, length);
        at = bytes + length;
    }
}

/* Every "<" of the body begins an element that the page writes, and none of them is a script, a style or an image. */
static void check_body(const char *body, const char *end)
{
    static const char *const elements[] = {"a",      "b",       "caption", "code",  "dd",  "details", "div",
                                           "dl",     "dt",      "h1",      "h2",    "h3",  "header",  "li",
                                           "main",   "mark",    "ol",      "p",     "pre", "section", "span",
                                           "strong", "summary", "table",   "tbody", "td",  "tfoot",   "th",
                                           "thead",  "tr",      "ul"};
    for (const char *at = body; (at = memchr(at, '<', (size_t)(end - at))) != NULL; at++) {
        const char *name = at + 1 + (at[1] == '/');
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz123456789");
        bool known = false;
        for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
            known = known || (strlen(elements[i]) == length && memcmp(elements[i], name, length) == 0);
        gs_must(known);
    }
}

static void check(const char *page)
{
    static const char begin[] = "<main id=\"main\">",
                      data[] = "<script type=\"application/json\" id=\"gumshoe-data\">";
    const char *body = strstr(page, begin), *end = strstr(page, "</main>\n<script type"),
               *json = strstr(page, data);
    gs_must(body && end && json && body < end && end < json);
    check_body(body, end);
    for (const unsigned char *at = (const unsigned char *)body; at < (const unsigned char *)end; at++)
        gs_must(*at >= 0x20 || *at == '\n');
    json += strlen(data);
    const char *json_end = strchr(json, '<');
    json_error_t error;
    json_t *read = gs_json_read(json, (size_t)(json_end - json), 0, &error);
    gs_must(strncmp(json_end, "</script>", 9) == 0);
    gs_must(json_is_array(json_object_get(read, "profiles")) &&
            json_is_object(json_object_get(read, "incident")));
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char why[200] = "", *copy = gs_fuzz_copy(bytes, length, 1);
    struct gs_text page = {0};
    if (folder_fd < 0)
        make_folder();
    remove_files();
    put_all(copy, copy + length);
    const struct gs_page_incident from = {.folder = folder_fd, .source_dir = folder};
    int error = gs_reader_page_incident(&from, &page, why, sizeof why);
    gs_must((error != 0) == (why[0] != 0));
    if (!error)
        check(page.bytes);
    gs_text_fini(&page);
    free(copy);
    return 0;
}
