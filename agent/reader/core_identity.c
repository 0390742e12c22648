/* core_identity.c - the names of the process that a core file is of.
 *
 *   PRPSINFO                the program's name
 *   stack, at its top       arguments │ environment │ the program's path ◀── AT_EXECFN      of the start, unless written over
 *   user.coredump.hostname  an attribute of the file, by systemd-coredump
 *
 * The environment is searched for the variables of sys/identity.h only. Bounds: ENVIRONMENT_MAX bytes below AT_EXECFN. */
#include "base/memory.h"
#include "reader/reader.h"
#include "sys/identity.h"
#include <string.h>
#include <sys/xattr.h>

enum { ENVIRONMENT_MAX = 128 << 10, ENVIRONMENT_MIN = 256 };

/* Read the most that is there below AT_EXECFN: the stack may be smaller. The block begins in the middle of some text. */
static void read_environment(const struct gs_core *core, struct gs_identity *out)
{
    char *block = gs_alloc(ENVIRONMENT_MAX);
    uint64_t length = ENVIRONMENT_MAX;
    while (block && length >= ENVIRONMENT_MIN &&
           (core->exec_name < length || !gs_reader_core_read(core, core->exec_name - length, block, length)))
        length /= 2;
    const char *start = block && length >= ENVIRONMENT_MIN ? memchr(block, 0, length) : NULL;
    if (start)
        gs_identity_read_environment(start + 1, (size_t)(block + length - start) - 1, out);
    gs_free(block);
}

void gs_reader_core_identity(const struct gs_core *core, const char *exe, struct gs_identity *out)
{
    char host[sizeof out->host] = "HOSTNAME=";
    const size_t room = sizeof host - sizeof "HOSTNAME=";
    *out = (struct gs_identity){0};
    gs_identity_choose_program(core->program, NULL, exe, out);
    ssize_t length = getxattr(core->path, "user.coredump.hostname", host + strlen(host), room);
    if (length > 0)
        gs_identity_read_environment(host, strlen(host) + 1, out);
    read_environment(core, out);
}
