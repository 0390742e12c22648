/* fuzz.h - what every target is: one function that is given bytes of no known origin.
 *
 *   tests/fuzz/run.sh      libFuzzer (clang) calls it with inputs that it bends until they reach new code
 *   ctest -R fuzz          replay.c calls it with the corpus, and a few thousand seeded changes of it
 *
 * A target is a file in targets/ and a folder of the same name in corpus/, and nothing else. It ends the process where
 * something is not as it must be (gs_must), and leaks nothing. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* BYTES as the only contents of a file, for readers that want a path: borrowed, the same at each call. */
const char *gs_fuzz_file(const void *bytes, size_t length);
/* A copy whose end the sanitizer watches, NUL-terminated if END is 1; freed with free. */
char *gs_fuzz_copy(const void *bytes, size_t length, size_t end);

/* What must hold whatever the bytes say: assert(3), in every build. */
#define gs_must(holds) ((holds) ? (void)0 : gs_broken(#holds, __FILE__, __LINE__))
_Noreturn void gs_broken(const char *what, const char *file, int line);
