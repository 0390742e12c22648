/* ways.c - the table of victims: every shape in every way, and those that exist once. */
#include "ways.h"
#include "victims.h"
#include <stddef.h>

#define DECLARE(way)                                                                                             \
    void way##_shapes(void);                                                                                     \
    void way##_library(void);                                                                                    \
    void way##_signals(void);                                                                                    \
    void way##_contexts(void);
WAYS(DECLARE)

#define ROWS(way)                                                                                                \
    {#way " shapes", way##_shapes}, {#way " signals", way##_signals}, {#way " contexts", way##_contexts},

const struct victim victims[] = {
    WAYS(ROWS)
    {"the C library", o2_library},
    {"assembler", call_shapes},
    {"C++ exceptions", throw_and_catch},
    {"lazy binding", call_lazily},
    {NULL, NULL},
};
