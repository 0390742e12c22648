/* A perf map, and addresses all over. Half of them are not in generated code: these never get a name. */
#include "base/memory.h"
#include "fuzz.h"
#include "symbol/inside.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESSES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_symbol_wanted wanted[ADDRESSES] = {{0}};
    int fd = open(gs_fuzz_file(bytes, length), O_RDONLY | O_CLOEXEC);
    gs_must(fd >= 0);
    for (size_t i = 0; i < ADDRESSES; i++) {
        wanted[i].address = (uint64_t)1 << i;
        wanted[i].symbol.generated = i % 2;
    }
    gs_symbol_perf_map_read(fd, wanted, ADDRESSES);
    close(fd);
    for (size_t i = 0; i < ADDRESSES; i++) {
        const struct gs_symbol *symbol = &wanted[i].symbol;
        gs_must(!symbol->name == !symbol->system_name);
        gs_must(!symbol->name || (symbol->generated && symbol->start <= wanted[i].address));
        for (const char *at = symbol->name ? symbol->name : ""; *at; at++)
            gs_must((unsigned char)*at >= ' ' && *at != 127);
        gs_free((char *)symbol->name);
        gs_free((char *)symbol->system_name);
    }
    return 0;
}
