/* prefork WORKERS MS: a server that forks WORKERS workers, one each MS milliseconds, and serves until it is told to end. So do the
 * workers, also without their parent. Prints each worker's number, then "serving". */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int workers = argc == 3 ? atoi(argv[1]) : 0, ms = argc == 3 ? atoi(argv[2]) : 0;
    for (int i = 0; i < workers; i++) {
        usleep((useconds_t)ms * 1000);
        pid_t pid = fork();
        while (pid == 0)
            pause();
        printf("%d\n", (int)pid);
    }
    printf("serving\n");
    fflush(stdout);
    for (;;)
        pause();
}
