/* peek.c - reads memory that may not be there: another thread's stack, code, a lock. Context: any; one system call. */
#include "probe/probe.h"
#include <sys/uio.h>

bool gs_probe_peek(pid_t pid, uintptr_t at, void *out, size_t length)
{
    struct iovec to = {out, length}, from = {(void *)at, length};
    return process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)length;
}
