/* identity.c - the names by which its owner knows a process.
 *
 *   program     comm, and argv[0]     a link (redis-server ▶ redis-check-rdb), a script (its interpreter is the file), exec -a
 *   pod         POD_NAME, POD_NAMESPACE and their like; not HOSTNAME: with the host's network it names the node
 *   container   /proc/self/cgroup     docker-<id>.scope, cri-containerd-<id>.scope, libpod-<id>.scope, kubepods/…/<id>
 *               mountinfo             in a cgroup namespace the path is "/": docker and podman mount files of <id> into it
 *
 * In a pod, the mounted files are those of its sandbox, not of the container: then only the cgroup counts. */
#include "sys/identity.h"
#include "base/memory.h"
#include "base/text.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CONTAINER_ID = 64, COMM = 15, TEXT_MAX = 1 << 20 };

static struct gs_identity at_start; // of this process; never changes after its start

/* ---- the program ---------------------------------------------------------------------------------------------------- */

/* Is NAME the name of FILE, but for a version at its end (python3 for python3.11)? */
static bool is_name_of(const char *name, const char *file)
{
    size_t length = strlen(name);
    return length && strncmp(file, name, length) == 0 &&
           file[length + strspn(file + length, "0123456789.-")] == 0;
}

/* The kernel's name says how the program was called: by a link's name, or a script's. argv[0] completes it where it was cut,
 * and counts where the kernel's name is the file's own, because then the caller gave another one (exec -a). An argv[0] with a
 * space or a colon is a title that the program has written there. */
void gs_identity_choose_program(const char *comm, const char *argument, const char *exe,
                                struct gs_identity *out)
{
    const char *file = gs_text_base_name(exe), *given = argument ? gs_text_base_name(argument) : "",
               *name = comm;
    size_t length = strlen(comm);
    if (*given == '-') // a login shell
        given++;
    if (given[strcspn(given, " :")])
        given = "";
    if (!length || is_name_of(comm, file) || (length == COMM && strncmp(file, comm, length) == 0))
        name = *given && !is_name_of(given, file) ? given : file;
    else if (length == COMM && strncmp(given, comm, length) == 0)
        name = given;
    snprintf(out->program, sizeof out->program, "%s", name);
}

/* ---- the environment ------------------------------------------------------------------------------------------------ */

/* Copy VALUE to OUT if it can be a name: letters, digits, '.', '-' and '_'. Else OUT stays as it is. */
static void take_name(const char *value, char *out, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t length = strspn(value, allowed);
    if (length && value[length] == 0 && length < size && !*out)
        memcpy(out, value, length + 1);
}

static void take_variable(const char *entry, struct gs_identity *out)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } known[] = {
        {"POD_NAME=", out->pod, sizeof out->pod},
        {"KUBERNETES_POD_NAME=", out->pod, sizeof out->pod},
        {"MY_POD_NAME=", out->pod, sizeof out->pod},
        {"POD_NAMESPACE=", out->pod_namespace, sizeof out->pod_namespace},
        {"KUBERNETES_NAMESPACE=", out->pod_namespace, sizeof out->pod_namespace},
        {"MY_POD_NAMESPACE=", out->pod_namespace, sizeof out->pod_namespace},
        {"HOSTNAME=", out->host, sizeof out->host},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(entry, known[i].name, strlen(known[i].name)) == 0)
            take_name(entry + strlen(known[i].name), known[i].to, known[i].size);
}

void gs_identity_read_environment(const char *block, size_t length, struct gs_identity *out)
{
    for (const char *at = block, *end; at < block + length; at = end + 1) {
        end = memchr(at, 0, (size_t)(block + length - at));
        if (!end)
            return; // cut off
        take_variable(at, out);
    }
}

void gs_identity_remember(char *const argv[], char *const envp[])
{
    char comm[COMM + 1] = "", exe[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = 0;
    (void)prctl(PR_GET_NAME, comm);
    gs_identity_choose_program(comm, argv ? argv[0] : NULL, exe, &at_start);
    for (; !getauxval(AT_SECURE) && envp && *envp; envp++)
        take_variable(*envp, &at_start);
}

void gs_identity_program(char out[GS_PROGRAM_NAME])
{
    memcpy(out, at_start.program, GS_PROGRAM_NAME);
    if (!*out)
        snprintf(out, GS_PROGRAM_NAME, "%s", program_invocation_short_name);
    for (unsigned char *at = (unsigned char *)out; *at; at++)
        if (*at <= ' ' || *at == 0x7f || *at == '[' || *at == ']')
            *at = '_';
}

/* ---- the container -------------------------------------------------------------------------------------------------- */

/* The last run of exactly 64 hex digits in LENGTH bytes of TEXT, between characters that belong to no word. NULL: none. */
static const char *find_id(const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef", word[] = "0123456789abcdefghijklmnopqrstuvwxyz_";
    const char *found = NULL;
    for (size_t at = 0, run; at < length; at += run + 1) {
        for (run = 0; at + run < length && strchr(hex, text[at + run]) && text[at + run];)
            run++;
        bool begins = at == 0 || !strchr(word, text[at - 1]),
             ends = at + run == length || !strchr(word, text[at + run]);
        if (run == CONTAINER_ID && begins && ends)
            found = text + at;
    }
    return found;
}

static void take_id(const char *line, size_t length, struct gs_identity *out)
{
    const char *id = find_id(line, length);
    if (id && !*out->container)
        snprintf(out->container, sizeof out->container, "%.*s", CONTAINER_ID, id);
}

void gs_identity_read_cgroup(const char *cgroup, struct gs_identity *out)
{
    for (const char *line = cgroup; *line; line += strcspn(line, "\n"), line += *line == '\n')
        take_id(line, strcspn(line, "\n"), out);
}

void gs_identity_read_mounts(const char *mounts, struct gs_identity *out)
{
    for (const char *line = mounts; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        const char *point = memmem(line, length, " /etc/hostname ", 15);
        if (point && memmem(line, (size_t)(point - line), "containers/", 11))
            take_id(line, (size_t)(point - line), out);
    }
}

static void read_file(int pid, const char *name, void read(const char *text, struct gs_identity *out),
                      struct gs_identity *out)
{
    char path[48], *text;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    if (gs_file_read(AT_FDCWD, path, TEXT_MAX, &text, &length) != 0)
        return;
    read(text, out);
    gs_free(text);
}

static void find_container(int pid, struct gs_identity *out)
{
    read_file(pid, "cgroup", gs_identity_read_cgroup, out);
    if (!*out->container && !*out->pod && !*out->pod_namespace)
        read_file(pid, "mountinfo", gs_identity_read_mounts, out);
}

/* ---- processes ------------------------------------------------------------------------------------------------------ */

void gs_identity_of_self(const char *exe, struct gs_identity *out)
{
    *out = at_start;
    if (!*out->program)
        gs_identity_choose_program("", NULL, exe, out);
    find_container((int)getpid(), out);
}

void gs_identity_of_process(int pid, const char *exe, struct gs_identity *out)
{
    char path[48], *comm = NULL, *line = NULL, *block = NULL;
    size_t length;
    *out = (struct gs_identity){0};
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    if (gs_file_read(AT_FDCWD, path, TEXT_MAX, &comm, &length) == 0)
        comm[strcspn(comm, "\n")] = 0;
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    if (gs_file_read(AT_FDCWD, path, TEXT_MAX, &line, &length) != 0)
        line = NULL;
    gs_identity_choose_program(comm ? comm : "", line, exe, out);
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    if (gs_file_read(AT_FDCWD, path, TEXT_MAX, &block, &length) == 0)
        gs_identity_read_environment(block, length, out);
    find_container(pid, out);
    gs_free(comm);
    gs_free(line);
    gs_free(block);
}
