/* victims.h - what is stepped through. victims.c is compiled once for each way of compiling (WAY), shapes.S, exceptions.cc
 * and lazy.c once. */
#pragma once

struct victim {
    const char *name;
    void (*run)(void);
};
extern const struct victim victims[]; // a NULL name ends them

#ifdef __cplusplus
extern "C" {
#endif
void throw_and_catch(void);                  // exceptions.cc
void call_shapes(void);                      // shapes.S
void call_lazily(void);                      // lazy.c, a library bound at its first call
long through_shapes(long (*f)(long), long n); // of shapes.S: calls F(N) out of frames of every make
#ifdef __cplusplus
}
#endif
