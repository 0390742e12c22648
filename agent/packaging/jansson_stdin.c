/* jansson_stdin.c - a `stdin` for the jansson inside the library.
 *
 * Debian's libjansson.a is built for programs, not for shared libraries: its one reference to a variable of the C
 * library, stdin in json_loadf, cannot be linked into libgumshoe.so. We never call json_loadf; this hidden variable
 * satisfies the reference, and nobody outside sees it. */
__attribute__((visibility("hidden"))) void *stdin;
