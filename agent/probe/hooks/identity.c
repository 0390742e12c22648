/* identity.c - calls that change what a thread is, taken over so that the agent's threads do not make them fail.
 *
 *   setuid, capset, related, some of prctl  ──▶ the real call ──▶ after: the agent's threads follow
 *   unshare, setns                          ──▶ before: the agent's threads end ──▶ the real call ──▶ after: they come back
 *   prctl with a filter of system calls     ──▶ before: threads/sandbox.c
 *
 * The kernel refuses a new user namespace to a process of two threads; users and capabilities belong to single threads. A
 * program that makes these system calls directly is not seen.
 * In libgumshoe.so alone: in a static program nothing else has most of these names.
 * Who: host threads, in signal handlers too: setuid(3) may be called there. Bounds: up to the listener. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static void call_listener(_Atomic(void (*)(enum gs_change)) *slot, enum gs_change change)
{
    void (*listener)(enum gs_change) = atomic_load(slot);
    int saved_errno = errno;
    if (listener && !gs_is_sandboxed()) // the watcher looks for changes now and then, too
        listener(change);
    errno = saved_errno;
}

/* The real function NAME into SLOT, found once. */
static void *find(_Atomic(void *) *slot, const char *name)
{
    void *found = atomic_load_explicit(slot, memory_order_acquire);
    if (!found) {
        found = gs_hooks_next_object_has(name);
        atomic_store_explicit(slot, found, memory_order_release);
    }
    return found;
}

/* Call the real function of the hook that uses this macro, with its arguments, and the listeners before and after. (A macro,
 * because it takes the type and the name of that function.) */
#define AROUND(change, name, ...)                   \
    static _Atomic(void *) slot;                    \
    __typeof__(&name) real;                         \
    void *found = find(&slot, #name);               \
    memcpy(&real, &found, sizeof real);             \
    if (!real) {                                    \
        errno = ENOSYS;                             \
        return -1;                                  \
    }                                               \
    call_listener(&gs_hooks_before_change, change); \
    int result = real(__VA_ARGS__);                 \
    call_listener(&gs_hooks_after_change, change);  \
    return result

HOOK int setuid(uid_t user)
{
    AROUND(GS_CHANGE_CREDENTIALS, setuid, user);
}

HOOK int seteuid(uid_t user)
{
    AROUND(GS_CHANGE_CREDENTIALS, seteuid, user);
}

HOOK int setreuid(uid_t real_user, uid_t effective)
{
    AROUND(GS_CHANGE_CREDENTIALS, setreuid, real_user, effective);
}

HOOK int setresuid(uid_t real_user, uid_t effective, uid_t saved)
{
    AROUND(GS_CHANGE_CREDENTIALS, setresuid, real_user, effective, saved);
}

HOOK int setgid(gid_t group)
{
    AROUND(GS_CHANGE_CREDENTIALS, setgid, group);
}

HOOK int setegid(gid_t group)
{
    AROUND(GS_CHANGE_CREDENTIALS, setegid, group);
}

HOOK int setregid(gid_t real_group, gid_t effective)
{
    AROUND(GS_CHANGE_CREDENTIALS, setregid, real_group, effective);
}

HOOK int setresgid(gid_t real_group, gid_t effective, gid_t saved)
{
    AROUND(GS_CHANGE_CREDENTIALS, setresgid, real_group, effective, saved);
}

HOOK int setgroups(size_t count, const gid_t *groups)
{
    AROUND(GS_CHANGE_CREDENTIALS, setgroups, count, groups);
}

HOOK int initgroups(const char *user, gid_t group)
{
    AROUND(GS_CHANGE_CREDENTIALS, initgroups, user, group);
}

HOOK int unshare(int what)
{
    AROUND(GS_CHANGE_NAMESPACES, unshare, what);
}

HOOK int setns(int fd, int kind)
{
    AROUND(GS_CHANGE_NAMESPACES, setns, fd, kind);
}

HOOK int chroot(const char *path)
{
    AROUND(GS_CHANGE_ROOT, chroot, path);
}

/* Declared by libcap's header, and in no header of the C library. */
int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
HOOK int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data)
{
    AROUND(GS_CHANGE_CREDENTIALS, capset, header, data);
}

static bool changes_credentials(int option)
{
    return option == PR_SET_KEEPCAPS || option == PR_SET_SECUREBITS || option == PR_CAPBSET_DROP ||
           option == PR_SET_NO_NEW_PRIVS;
}

/* As the C library has it: four more words, whatever was passed. */
static int real_prctl(int option, const unsigned long *word)
{
    static _Atomic(void *) slot;
    int (*real)(int, ...);
    void *found = find(&slot, "prctl");
    memcpy(&real, &found, sizeof real);
    if (real)
        return real(option, word[0], word[1], word[2], word[3]);
    errno = ENOSYS;
    return -1;
}

/* Does prctl(OPTION, …) put the thread into a sandbox (threads/sandbox.c)? A filter at NULL is a question whether the kernel has
 * filters. */
static bool enters_sandbox(int option, const unsigned long *word)
{
    return (option == PR_SET_SECCOMP && (word[0] == SECCOMP_MODE_STRICT || word[1])) ||
           (option == PR_SET_TSC && word[0] == PR_TSC_SIGSEGV);
}

HOOK int prctl(int option, ...)
{
    unsigned long word[4];
    va_list args;
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        word[i] = va_arg(args, unsigned long);
    va_end(args);
    bool change = changes_credentials(option);
    if (change)
        call_listener(&gs_hooks_before_change, GS_CHANGE_CREDENTIALS);
    bool entered = enters_sandbox(option, word) && gs_hooks_enter_sandbox(false);
    int result = real_prctl(option, word);
    if (entered && result != 0)
        gs_threads_sandbox_leave();
    if (change)
        call_listener(&gs_hooks_after_change, GS_CHANGE_CREDENTIALS);
    return result;
}
