/* linked_fds.c - a host that opens seven descriptors in one function and writes the profile of all into its output. No watcher
 * runs. */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <unistd.h>

static __attribute__((noinline)) void open_seven(void)
{
    for (int i = 0; i < 7; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            _exit(2);
}

int main(void)
{
    open_seven();
    return gumshoe_write_profile(GUMSHOE_FDS, 1) ? 1 : 0;
}
