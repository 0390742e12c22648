# main ends by pthread_exit, the last worker returns: the process ends, with status 0 and with its atexit handlers run.
# quick
# needs: gcc
. "$HOSTS_LIB"
cat > program.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void at_end(void) { puts("atexit"); }
static void *work(void *given)
{
    usleep(1200000);
    puts("worker ends");
    return given;
}
int main(void)
{
    pthread_t thread;
    atexit(at_end);
    pthread_create(&thread, NULL, work, NULL);
    pthread_exit(NULL);
}
C
gcc -O1 -pthread program.c -o varies/program
host timeout -s KILL 20 varies/program
echo "status $?"
timeout -s KILL 20 host varies/program
echo "status $?"
