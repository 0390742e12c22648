/* jansson_stdin.c - a `stdin` for the jansson inside the library.
 *
 * Debian's libjansson.a is built for programs, not for shared libraries: its only reference to a variable of the C library,
 * stdin in json_loadf, cannot be linked into libgumshoe.so. We never call json_loadf. This variable satisfies the linker; it
 * is hidden, so that no other code uses it. */
__attribute__((visibility("hidden"))) void *stdin;
