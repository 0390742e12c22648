/* A bundle: a .tar.gz of anybody's. It is one, or it is refused with a reason; a member is read as a whole or not at all. */
#include "base/memory.h"
#include "fuzz.h"
#include "reader/reader.h"
#include <errno.h>
#include <string.h>

enum { MEMBER_MAX = 1 << 20 };

static int read_member(const char *path, const char *name, size_t max)
{
    char why[160] = "", *bytes = NULL;
    size_t length = 0;
    int error = gs_reader_bundle_file(path, name, max, &bytes, &length, why, sizeof why);
    gs_must((error == 0) == (bytes != NULL));
    gs_must(error || (length <= max && bytes[length] == 0));
    gs_must(error != -EBADMSG || why[0]);
    gs_free(bytes);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *path = gs_fuzz_file(bytes, length);
    (void)gs_reader_is_bundle(path);
    (void)read_member(path, "heap.pb.gz", MEMBER_MAX);
    (void)read_member(path, "incident.json", 16);
    return 0;
}
