/* credentials.c - gives the agent's threads the credentials of the program.
 *
 *   hook: changed(tid) ──▶ number of changes ──▶ each agent thread: read /proc/self/task/TID/status ──▶ adopt, by system calls
 *
 * System calls, because setuid(3) of the C library would repeat the change on the host's threads.
 * Capabilities that the program keeps over a change of user (PR_SET_KEEPCAPS) are kept; those that it drops from its
 * effective, permitted, inheritable or bounding set are dropped. Ambient capabilities are always dropped: they matter only
 * at an exec.
 * Trap: a change of the effective user makes the whole process undumpable. That is right for the program's own change. Ours
 * comes later, when the program may have set PR_SET_DUMPABLE again, so the old value is restored. */
#include "host/credentials.h"
#include "base/hash.h"
#include "base/memory.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
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

enum { STATUS_MAX = 1 << 20 }; // enough for 65,536 groups of 10 digits each

static _Atomic uint32_t changes;
static _Atomic int changed_by;
static _Thread_local uint32_t followed_changes __attribute__((tls_model("initial-exec")));

void gs_credentials_changed(int tid)
{
    atomic_store(&changed_by, tid);
    atomic_fetch_add(&changes, 1);
}

uint32_t gs_credentials_changes(void)
{
    return atomic_load(&changes);
}

/* ---- reading the credentials ------------------------------------------------------------------------------------------ */

/* The text after "NAME:" in STATUS; NULL: no such line. */
static const char *find_field(const char *status, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}

/* Read up to MAX numbers of base BASE from the line at TEXT (may be NULL). Returns how many. */
static size_t read_numbers(const char *text, int base, uint64_t *out, size_t max)
{
    size_t count = 0;
    while (text && count < max && *text != '\n' && *text) {
        char *end;
        uint64_t number = strtoull(text, &end, base);
        if (end == text || strchr("\n", *text)) // end of the line
            break;
        out[count++] = number;
        text = end + strspn(end, " \t");
    }
    return count;
}

static uint64_t read_mask(const char *status, const char *name)
{
    uint64_t bits = 0;
    (void)read_numbers(find_field(status, name), 16, &bits, 1);
    return bits;
}

static bool is_same_field(const char *a, const char *b, const char *name)
{
    const char *number = find_field(a, name), *other = find_field(b, name);
    size_t length = number ? strcspn(number, "\n") : 0;
    return number && other && strncmp(number, other, length + 1) == 0;
}

static const char *const fields[] = {"Uid",    "Gid",    "Groups", "CapInh",
                                     "CapPrm", "CapEff", "CapBnd", "NoNewPrivs"};

static bool is_same(const char *a, const char *b)
{
    bool same = true;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        same &= is_same_field(a, b, fields[i]);
    return same;
}

static uint64_t hash_fields(const char *status)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *text = find_field(status, fields[i]);
        hash = gs_hash_mix(hash ^ (text ? gs_hash_bytes(text, strcspn(text, "\n")) : 0)) + i;
    }
    return hash;
}

/* ---- adopting the credentials ----------------------------------------------------------------------------------------- */

static void drop_bounding(uint64_t keep)
{
    for (int capability = 0; capability < 64; capability++)
        if (!(keep >> capability & 1) && gs_prctl(PR_CAPBSET_READ, (unsigned long)capability, 0) == 1)
            gs_prctl(PR_CAPBSET_DROP, (unsigned long)capability, 0);
}

static int set_groups(const char *status)
{
    const char *list = find_field(status, "Groups");
    size_t room = list ? strcspn(list, "\n") : 0, count = 0;
    gid_t *group = gs_alloc((room / 2 + 1) * sizeof *group);
    if (!group)
        return -ENOMEM;
    for (uint64_t number; read_numbers(list, 10, &number, 1);
         list += strspn(list, " \t"), list += strcspn(list, " \n"))
        group[count++] = (gid_t)number;
    int error = syscall(SYS_setgroups, count, group) != 0 ? -errno : 0;
    gs_free(group);
    return error;
}

/* BEFORE: as of gs_credentials_follow_and_tell; may be NULL. */
static int set_users(const char *status, void (*before)(uid_t uid, gid_t gid))
{
    uint64_t uid[3], gid[3]; // real, effective, saved
    if (read_numbers(find_field(status, "Uid"), 10, uid, 3) != 3 ||
        read_numbers(find_field(status, "Gid"), 10, gid, 3) != 3)
        return -EIO;
    int groups = syscall(SYS_setresgid, (gid_t)gid[0], (gid_t)gid[1], (gid_t)gid[2]) != 0 ? -errno : 0;
    if (before && !groups && uid[0] == uid[1] && uid[0] == uid[2] && uid[0] != geteuid())
        before((uid_t)uid[1], (gid_t)gid[1]);
    int users = syscall(SYS_setresuid, (uid_t)uid[0], (uid_t)uid[1], (uid_t)uid[2]) != 0 ? -errno : 0;
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

/* Take over the credentials of STATUS; OWN_STATUS: /proc status of this thread. 0 or -errno. Groups come before users, because
 * only root may set groups. First the whole permitted set is made effective: this thread may have adopted an effective set
 * that the program had lowered only for a moment. */
static int adopt(const char *status, const char *own_status, void (*before)(uid_t uid, gid_t gid))
{
    int dumpable = gs_prctl(PR_GET_DUMPABLE, 0, 0);
    drop_bounding(read_mask(status, "CapBnd"));
    gs_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
    gs_prctl(PR_SET_KEEPCAPS, 1, 0);
    (void)set_capabilities(read_mask(own_status, "CapPrm"), read_mask(own_status, "CapPrm"),
                           read_mask(own_status, "CapInh"));
    int groups = is_same_field(status, own_status, "Groups") ? 0 : set_groups(status),
        users = set_users(status, before),
        capabilities = set_capabilities(read_mask(status, "CapEff"), read_mask(status, "CapPrm"),
                                        read_mask(status, "CapInh"));
    gs_prctl(PR_SET_KEEPCAPS, 0, 0);
    if (read_mask(status, "NoNewPrivs"))
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

/* TEXT is a status of TID; replace it by newer ones until two agree. The kernel changes users and capabilities one after the
 * other; in between, the file shows the old users and the new capabilities. A thread that adopted those could not change its
 * user any more. Frees TEXT. NULL: TID has ended. */
static char *await_stable_status(char *text, int tid)
{
    enum { TRIES = 100 };
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

/* The status of the thread that made the last change; if that thread has ended, of the process. It is read once if it is the
 * same as OWN_STATUS, else until it is stable. NULL: it cannot be read. */
static char *read_program_status(const char *own_status)
{
    const int tid[] = {atomic_load(&changed_by), (int)getpid()};
    char *text = NULL;
    for (size_t i = 0; !text && i < sizeof tid / sizeof *tid; i++) {
        text = read_status(tid[i]);
        if (text && own_status && !is_same(text, own_status))
            text = await_stable_status(text, tid[i]);
    }
    return text;
}

/* Hash of the main thread's credentials; 0: they cannot be read. Its status stays open, and is read with one call. */
static uint64_t hash_of_main(void)
{
    static struct gs_owned_fd file = GS_OWNED_FD_NONE;
    char text[8192];
    int error = gs_owned_fd_is_open(&file, NULL)
                    ? 0
                    : gs_owned_fd_take(&file, gs_file_openat(AT_FDCWD, "/proc/self/status", O_RDONLY, 0));
    ssize_t length = error ? -1 : pread(file.fd, text, sizeof text, 0);
    if (length >= 0 && (size_t)length < sizeof text) {
        text[length] = 0;
        return hash_fields(text);
    }
    char *status = read_status((int)getpid()); // thousands of groups
    uint64_t hash = status ? hash_fields(status) : 0;
    gs_free(status);
    return hash;
}

void gs_credentials_look(void)
{
    enum { LOOKS = 12 };
    static uint64_t seen;
    static unsigned looks;
    uint64_t now = hash_of_main();
    if (now != seen || looks++ % LOOKS == 0)
        gs_credentials_changed((int)getpid());
    seen = now;
}

bool gs_credentials_follow_and_tell(void (*before_user)(uid_t uid, gid_t gid))
{
    uint32_t now = atomic_load(&changes);
    if (followed_changes == now)
        return false;
    char *own_status = read_status((int)syscall(SYS_gettid)),
         *program_status = read_program_status(own_status);
    bool differ = !program_status || !own_status || !is_same(program_status, own_status);
    int error = !program_status || !own_status ? -ESRCH
                : differ                       ? adopt(program_status, own_status, before_user)
                                               : 0;
    if (error)
        gs_log(GS_LOG_WARNING,
               "the program has changed its credentials, and the agent's thread could not follow: %s",
               strerrordesc_np(-error));
    gs_free(program_status);
    gs_free(own_status);
    followed_changes = now;
    return differ;
}

bool gs_credentials_follow(void)
{
    return gs_credentials_follow_and_tell(NULL);
}
