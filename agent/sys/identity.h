/* identity.h - the names by which its owner knows a process: program, container, pod. Names only: no values of the environment
 * but those of the variables below, nothing of the command line but the program's name. */
#pragma once
#include <limits.h>
#include <stddef.h>

enum { GS_PROGRAM_NAME = 64 };
struct gs_identity {             // "": not known
    char program[GS_PROGRAM_NAME]; // "redis-server", whose file may be redis-check-rdb
    char container[65];          // 64 hex digits
    char pod[254], pod_namespace[64];
    char host[HOST_NAME_MAX + 1]; // of the environment (HOSTNAME); unused for processes that run
};

/* Remember the names of this process from its start: later it may write over its arguments and its environment. Context: host
 * thread, before main. */
void gs_identity_remember(char *const argv[], char *const envp[]);
/* The name of this process's program for log lines: without blanks, brackets and control characters. Context: any. */
void gs_identity_program(char out[GS_PROGRAM_NAME]);
/* The names of this process. EXE: the path of its file. Context: watcher. */
void gs_identity_of_self(const char *exe, struct gs_identity *out);
/* The names of process PID, which runs on this machine. Context: CLI. */
void gs_identity_of_process(int pid, const char *exe, struct gs_identity *out);

/* ---- the parts (pure) ----------------------------------------------------------------------------------------------- */

/* Choose the program's name. COMM: the kernel's name, which is cut after 15 characters; "": not known. ARGUMENT: argv[0]; NULL:
 * not known. */
void gs_identity_choose_program(const char *comm, const char *argument, const char *exe, struct gs_identity *out);
/* Take pod, namespace and host from BLOCK: LENGTH bytes of "NAME=value" texts, each with its NUL. */
void gs_identity_read_environment(const char *block, size_t length, struct gs_identity *out);
/* Take the container from CGROUP, the text of /proc/PID/cgroup. */
void gs_identity_read_cgroup(const char *cgroup, struct gs_identity *out);
/* Take the container from MOUNTS, the text of /proc/PID/mountinfo: of the files that its engine mounts into it. */
void gs_identity_read_mounts(const char *mounts, struct gs_identity *out);
