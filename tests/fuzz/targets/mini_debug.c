/* MiniDebugInfo: what section .gnu_debugdata holds. */
#include "base/memory.h"
#include "fuzz.h"
#include "reader/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *copy = gs_fuzz_copy(bytes, length, 0);
    size_t unpacked_length = 0;
    char *unpacked = gs_reader_unpack_xz(copy, length, &unpacked_length);
    gs_must(!unpacked || unpacked_length <= (64 << 20) + (256 << 10));
    gs_free(unpacked);
    free(copy);
    return 0;
}
