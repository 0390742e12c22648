/* ship_run.c - finds the incidents that are to be sent, pass after pass.
 *
 *   operand ──▶ an incident, or the incidents of a directory, oldest first ──▶ gs_cli_ship_one
 *
 * Bounds: the names in one directory, and the journal, are in memory; incidents are read one at a time. */
#include "base/memory.h"
#include "base/sort.h"
#include "cli/ship.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PASS_EACH_S = 2 };

struct names {
    char **name;
    size_t count, capacity;
};

/* The part of KEY that begins with the time. */
static const char *folder_of(const char *key)
{
    struct gs_store_user user;
    const char *folder = gs_store_key_split(key, &user);
    return folder ? folder : key;
}

static int by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int order = strcmp(folder_of(x), folder_of(y));
    return order ? order : strcmp(x, y);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        gs_free(names->name[i]);
    gs_free(names->name);
}

/* Add the incident that WALK is at. 0 or -ENOMEM. */
static int add_name(const struct gs_store_walk *walk, struct names *out)
{
    char key[GS_FOLDER_NAME_MAX];
    gs_store_key_print(walk->user, walk->name, key);
    char *copy = gs_strdup(key);
    if (!copy || gs_grow(&out->name, &out->capacity, out->count + 1, sizeof *out->name)) {
        gs_free(copy);
        return -ENOMEM;
    }
    out->name[out->count++] = copy;
    return 0;
}

/* The keys of the incidents in DIR, by time. 0 or -errno. */
static int list_names(const char *dir, struct names *out)
{
    struct gs_store_walk walk;
    int fd = gs_file_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0), error = 0;
    if (fd < 0)
        return fd;
    gs_store_walk_begin(&walk, fd);
    while (!error && gs_store_walk_next(&walk))
        error = add_name(&walk, out);
    gs_store_walk_end(&walk);
    if (out->count)
        gs_sort(out->name, out->count, sizeof *out->name, by_name);
    close(fd);
    return error;
}

/* Send the incidents in DIR that have not gone. 0 or -errno. */
static int ship_directory(struct gs_cli_ship *ship, const char *dir)
{
    struct names names = {0};
    int error = list_names(dir, &names);
    for (size_t i = 0; !error && i < names.count && !ship->stopped; i++) {
        ship->waiting = names.count - i;
        gs_cli_ship_one(ship, dir, names.name[i]);
    }
    free_names(&names);
    return error;
}

/* If PATH is in the directory of a user, DIR/.users/33-33, set DIR and FOLDER, the incident's key: what is root's to
 * write (journal, lock) does not go into that directory. */
static void leave_users_directory(const char *path, char dir[PATH_MAX], char folder[PATH_MAX])
{
    struct gs_store_user user;
    char whole[PATH_MAX], key[GS_FOLDER_NAME_MAX];
    if (!realpath(path, whole) || !gs_store_user_of_path(whole, &user) ||
        strlen(gs_text_base_name(whole)) >= sizeof key - sizeof user.name)
        return;
    gs_store_key_print(&user, gs_text_base_name(whole), key);
    snprintf(folder, PATH_MAX, "%s", key);
    for (int parts = 0; parts < 3; parts++) // the folder, the user, .users
        *strrchr(whole, '/') = 0;
    snprintf(dir, PATH_MAX, "%s", *whole ? whole : "/");
}

/* Is PATH the folder of an incident? Then DIR and FOLDER, its key, are set. */
static bool split_incident(const char *path, char dir[PATH_MAX], char folder[PATH_MAX])
{
    char file[PATH_MAX + 16];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    snprintf(dir, PATH_MAX, "%.*s", (int)(length < PATH_MAX ? length : PATH_MAX - 1), path);
    snprintf(file, sizeof file, "%s/incident.json", dir);
    if (faccessat(AT_FDCWD, file, F_OK, 0) != 0)
        return false;
    snprintf(folder, PATH_MAX, "%s", gs_text_base_name(dir));
    size_t parent = strlen(dir) - strlen(folder);
    if (parent == 0)
        snprintf(dir, PATH_MAX, ".");
    else
        dir[parent > 1 ? parent - 1 : 1] = 0;
    leave_users_directory(path, dir, folder);
    return true;
}

/* One look at all operands. The exit status, of what could not be read at all. */
static int pass(struct gs_cli_ship *ship)
{
    int status = GS_EXIT_OK;
    for (size_t i = 0; i < ship->operand_count && !ship->stopped; i++) {
        char dir[PATH_MAX], folder[PATH_MAX];
        if (split_incident(ship->operand[i], dir, folder)) {
            ship->waiting = ship->operand_count - i;
            gs_cli_ship_one(ship, dir, folder);
            continue;
        }
        int error = ship_directory(ship, ship->operand[i]);
        if (error && !(ship->follow && error == -ENOENT)) // it may come
            status = gs_cli_complain(GS_EXIT_IO, "%s: %s", ship->operand[i], strerrordesc_np(-error));
    }
    return status;
}

static void tell_bytes(struct gs_ship_progress *telling, uint64_t sent_bytes, uint64_t total_bytes)
{
    struct gs_cli_ship *ship =
        (struct gs_cli_ship *)((char *)telling - offsetof(struct gs_cli_ship, telling));
    gs_cli_progress_tell(&ship->progress, "%zu sent, %zu left; this one: %.1f of %.1f MiB", ship->sent,
                         ship->waiting, (double)sent_bytes / (1 << 20), (double)total_bytes / (1 << 20));
}

int gs_cli_ship_run(struct gs_cli_ship *ship)
{
    int status;
    gs_cli_progress_begin(&ship->progress);
    ship->telling.tell = tell_bytes;
    do {
        status = pass(ship);
        if (ship->follow && status == GS_EXIT_OK) {
            const struct timespec pause = {.tv_sec = PASS_EACH_S};
            nanosleep(&pause, NULL);
        }
    } while (ship->follow && status == GS_EXIT_OK);
    gs_cli_progress_clear(&ship->progress);
    if (status == GS_EXIT_OK && (ship->stopped || ship->unfit))
        status = GS_EXIT_IO;
    else if (status == GS_EXIT_OK && !ship->sent)
        gs_cli_complain(GS_EXIT_OK, "%s: nothing to send", gs_ship_destination_name(ship->destination));
    gs_ship_journal_fini(&ship->session);
    return status;
}
