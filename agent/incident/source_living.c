/* source_living.c - shared by the two sources of running processes. Context: watcher, CLI. */
#include "incident/source.h"
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

void gs_incident_describe_living(int pid, struct gs_incident_process *out)
{
    char exe[32];
    struct utsname machine;
    out->pid = pid;
    snprintf(exe, sizeof exe, "/proc/%d/exe", pid);
    ssize_t length = readlink(exe, out->exe, sizeof out->exe - 1);
    out->exe[length > 0 ? length : 0] = 0;
    if (uname(&machine) == 0)
        snprintf(out->host, sizeof out->host, "%s", machine.nodename);
    if (pid == (int)getpid())
        gs_identity_of_self(out->exe, &out->identity);
    else
        gs_identity_of_process(pid, out->exe, &out->identity);
}
