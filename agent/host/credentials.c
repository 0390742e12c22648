/* credentials.c - credentials.h in code.
 *
 *   hook: changed(tid) ──▶ number of changes ──▶ each thread of ours: /proc/self/task/TID/status ──▶ the same, by system calls
 *
 * Not by the C library's setuid and so on: those would have the host's threads do it again.
 * A capability that the program keeps over a change of user (PR_SET_KEEPCAPS) is kept here, too; what it has dropped from its
 * effective, permitted, inheritable or bounding set is dropped. Ambient capabilities are given up: they matter at an exec only.
 * Trap: a change of the effective user makes the whole process undumpable, as it should when the program does it. When ours
 * comes later, the program may have changed that again: it is put back. */
#include "host/credentials.h"
#include "base/memory.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { STATUS_MAX = 1 << 20 }; // of 65,536 groups, each of 10 digits

static _Atomic uint32_t changes;
static _Atomic int changed_by;
static _Thread_local uint32_t followed __attribute__((tls_model("initial-exec")));

void gs_credentials_changed(int tid)
{
    atomic_store(&changed_by, tid);
    atomic_fetch_add(&changes, 1);
}

uint32_t gs_credentials_changes(void)
{
    return atomic_load(&changes);
}

/* ---- what the program has ---------------------------------------------------------------------------------------------- */

/* The text behind "NAME:" in STATUS. */
static const char *field(const char *status, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}

/* Up to MAX numbers of base BASE; how many there were. */
static size_t numbers(const char *text, int base, uint64_t *out, size_t max)
{
    size_t count = 0;
    while (text && count < max && *text != '\n' && *text) {
        char *end;
        uint64_t number = strtoull(text, &end, base);
        if (end == text || strchr("\n", *text)) // nothing more on this line
            break;
        out[count++] = number;
        text = end + strspn(end, " \t");
    }
    return count;
}

static uint64_t mask(const char *status, const char *name)
{
    uint64_t bits = 0;
    (void)numbers(field(status, name), 16, &bits, 1);
    return bits;
}

static bool is_same_field(const char *a, const char *b, const char *name)
{
    const char *one = field(a, name), *other = field(b, name);
    size_t length = one ? strcspn(one, "\n") : 0;
    return one && other && strncmp(one, other, length + 1) == 0;
}

static bool is_same(const char *a, const char *b)
{
    static const char *const what[] = {"Uid",    "Gid",    "Groups", "CapInh",
                                       "CapPrm", "CapEff", "CapBnd", "NoNewPrivs"};
    bool same = true;
    for (size_t i = 0; i < sizeof what / sizeof *what; i++)
        same &= is_same_field(a, b, what[i]);
    return same;
}

/* ---- having the same --------------------------------------------------------------------------------------------------- */

static void drop_bounding(uint64_t keep)
{
    for (int capability = 0; capability < 64; capability++)
        if (!(keep >> capability & 1) && gs_prctl(PR_CAPBSET_READ, (unsigned long)capability, 0) == 1)
            gs_prctl(PR_CAPBSET_DROP, (unsigned long)capability, 0);
}

static int set_groups(const char *status)
{
    const char *list = field(status, "Groups");
    size_t room = list ? strcspn(list, "\n") : 0, count = 0;
    gid_t *group = gs_alloc((room / 2 + 1) * sizeof *group);
    if (!group)
        return -ENOMEM;
    for (uint64_t one; numbers(list, 10, &one, 1); list += strspn(list, " \t"), list += strcspn(list, " \n"))
        group[count++] = (gid_t)one;
    int error = syscall(SYS_setgroups, count, group) != 0 ? -errno : 0;
    gs_free(group);
    return error;
}

static int set_users(const char *status)
{
    uint64_t uid[3], gid[3]; // real, effective, saved
    if (numbers(field(status, "Uid"), 10, uid, 3) != 3 || numbers(field(status, "Gid"), 10, gid, 3) != 3)
        return -EIO;
    int groups = syscall(SYS_setresgid, (gid_t)gid[0], (gid_t)gid[1], (gid_t)gid[2]) != 0 ? -errno : 0,
        users = syscall(SYS_setresuid, (uid_t)uid[0], (uid_t)uid[1], (uid_t)uid[2]) != 0 ? -errno : 0;
    return groups ? groups : users;
}

static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int half = 0; half < 2; half++)
        data[half] = (struct __user_cap_data_struct){(uint32_t)(effective >> 32 * half),
                                                     (uint32_t)(permitted >> 32 * half),
                                                     (uint32_t)(inheritable >> 32 * half)};
    return syscall(SYS_capset, &header, data) != 0 ? -errno : 0;
}

/* Groups come before users, for who is no longer root may not set them. All that is permitted takes effect first: this thread may have
 * followed a program that had lowered its effective set for a moment, and raised it again since. */
static int adopt(const char *status, const char *ours)
{
    int dumpable = gs_prctl(PR_GET_DUMPABLE, 0, 0);
    drop_bounding(mask(status, "CapBnd"));
    gs_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
    gs_prctl(PR_SET_KEEPCAPS, 1, 0);
    (void)set_capabilities(mask(ours, "CapPrm"), mask(ours, "CapPrm"), mask(ours, "CapInh"));
    int groups = is_same_field(status, ours, "Groups") ? 0 : set_groups(status), users = set_users(status),
        capabilities =
            set_capabilities(mask(status, "CapEff"), mask(status, "CapPrm"), mask(status, "CapInh"));
    gs_prctl(PR_SET_KEEPCAPS, 0, 0);
    if (mask(status, "NoNewPrivs"))
        gs_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
    if (gs_prctl(PR_GET_DUMPABLE, 0, 0) != dumpable)
        gs_prctl(PR_SET_DUMPABLE, (unsigned long)dumpable, 0);
    return groups ? groups : users ? users : capabilities;
}

static char *read_status(int tid)
{
    char path[48], *text = NULL;
    size_t length;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    return gs_file_read(AT_FDCWD, path, STATUS_MAX, &text, &length) ? NULL : text;
}

/* The kernel takes users and capabilities one after the other: in the middle of a change the text may have the users of before and the
 * capabilities of after, and a thread that gave those up could not change its user any more. So it is read until it stays the same. */
static char *read_whole_status(int tid)
{
    enum { TRIES = 100 };
    char *text = read_status(tid);
    for (int i = 0; text && i < TRIES; i++) {
        char *again = read_status(tid);
        bool same = again && is_same(text, again);
        gs_free(text);
        text = again;
        if (same)
            break;
    }
    return text;
}

bool gs_credentials_follow(void)
{
    uint32_t now = atomic_load(&changes);
    if (followed == now)
        return false;
    char *theirs = read_whole_status(atomic_load(&changed_by)), *ours = read_status((int)syscall(SYS_gettid));
    if (!theirs) // that thread has ended
        theirs = read_whole_status((int)getpid());
    bool others = !theirs || !ours || !is_same(theirs, ours);
    int error = !theirs || !ours ? -ESRCH : others ? adopt(theirs, ours) : 0;
    if (error)
        gs_log(GS_LOG_WARNING,
               "the program has changed its credentials, and the agent's thread could not do the same: %s",
               strerrordesc_np(-error));
    gs_free(theirs);
    gs_free(ours);
    followed = now;
    return others;
}
