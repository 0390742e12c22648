/* incident.json, as gumshoe ls and show read it; its bytes are the folder's name as well. */
#include "base/memory.h"
#include "fuzz.h"
#include "rules/rules.h"
#include "store/inside.h"
#include "store/store.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char store[] = "/tmp/gumshoe-fuzz-XXXXXX";
static char folder[] = "20261124T054935.224Z-heap-high-17878";
static int store_fd = -1, folder_fd = -1;

static void remove_store(void)
{
    unlinkat(folder_fd, "incident.json", 0);
    unlinkat(store_fd, folder, AT_REMOVEDIR);
    rmdir(store);
}

static void make_store(void)
{
    gs_must(mkdtemp(store) != NULL);
    store_fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gs_must(store_fd >= 0 && mkdirat(store_fd, folder, 0700) == 0);
    folder_fd = openat(store_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gs_must(folder_fd >= 0);
    atexit(remove_store);
    gs_json_use_our_memory();
}

static void put(const uint8_t *bytes, size_t length)
{
    int fd = openat(folder_fd, "incident.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gs_must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_store_list list;
    struct gs_folder_name name;
    char why[160] = "", *text = gs_fuzz_copy(bytes, length, 1);
    int64_t time_ns;
    if (store_fd < 0)
        make_store();
    put(bytes, length);
    json_t *json = gs_store_read_incident(folder_fd, why, sizeof why);
    gs_must((json == NULL) == (why[0] != 0));
    gs_must(gs_store_list(store, &list) == 0);
    gs_must(list.count == (json != NULL) && list.count + list.unreadable == 1);
    gs_store_list_fini(&list);
    json_decref(json);
    if (gs_store_folder_name_read(text, &name)) // then it names no path
        gs_must(!strchr(text, '/') && strlen(name.rule) <= GS_RULE_NAME_MAX);
    (void)gs_store_time_read(text, &time_ns);
    (void)gs_store_is_incident_file(text);
    free(text);
    return 0;
}
