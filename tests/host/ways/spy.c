/* spy.c - preloaded behind the library: who calls malloc and mutexes? A thread of the agent's that does is told on standard error,
 * and the process ends: glibc does not know of these threads, and leaves its atomic instructions out where it knows of one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void ask(const char *call)
{
    char name[16] = "";
    syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0);
    if (strncmp(name, "gumshoe", 7) != 0)
        return;
    (void)!write(2, call, strlen(call));
    (void)!write(2, " by a thread of the agent's\n", 28);
    syscall(SYS_exit_group, 99);
}

void *malloc(size_t size) { ask("malloc"); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { ask("calloc"); return __libc_calloc(count, size); }
void *realloc(void *ptr, size_t size) { ask("realloc"); return __libc_realloc(ptr, size); }
void *memalign(size_t alignment, size_t size) { ask("memalign"); return __libc_memalign(alignment, size); }
void free(void *ptr) { if (ptr) ask("free"); __libc_free(ptr); }

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    ask("pthread_mutex_lock");
    if (!real)
        real = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return real(mutex);
}
