/* deadlock.c - a server that locks itself up: two threads that take two mutexes the other way round. With "rwlock", one of the
 * locks is a rwlock. With "join", a third thread's end is waited for by the one whose mutex it wants. With "fine", nobody
 * waits for each other, though many wait. Then it sleeps, as such servers do, until its input ends. */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define END      __asm__ volatile("" ::: "memory")

static pthread_mutex_t accounts = PTHREAD_MUTEX_INITIALIZER, journal = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static sem_t taken; // by who is to hold it

static NOINLINE void transfer_money(void)
{
    pthread_mutex_lock(&accounts);
    sem_post(&taken);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&journal);
    END;
}

static NOINLINE void write_audit(void)
{
    pthread_mutex_lock(&journal);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&accounts);
    END;
}

static pthread_rwlock_t catalogue = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE void change_catalogue(void)
{
    pthread_rwlock_wrlock(&catalogue);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&accounts);
    END;
}

static NOINLINE void charge_account(void)
{
    pthread_mutex_lock(&accounts);
    sem_post(&taken);
    pthread_barrier_wait(&both);
    pthread_rwlock_rdlock(&catalogue);
    END;
}

static NOINLINE void wait_in_line(void)
{
    pthread_mutex_lock(&accounts);
    END;
}

static void *run(void *work)
{
    ((void (*)(void))work)();
    END;
    return NULL;
}

static NOINLINE void close_shop(void)
{
    pthread_t worker;
    pthread_mutex_lock(&accounts);
    sem_post(&taken);
    pthread_create(&worker, NULL, run, (void *)wait_in_line);
    pthread_join(worker, NULL);
    END;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    const char *mode = argc > 1 ? argv[1] : "mutexes";
    char byte;
    pthread_barrier_init(&both, NULL, 2);
    sem_init(&taken, 0, 0);
    if (strcmp(mode, "mutexes") == 0) {
        pthread_create(&thread, NULL, run, (void *)transfer_money);
        pthread_create(&thread, NULL, run, (void *)write_audit);
    } else if (strcmp(mode, "rwlock") == 0) {
        pthread_create(&thread, NULL, run, (void *)change_catalogue);
        pthread_create(&thread, NULL, run, (void *)charge_account);
    } else if (strcmp(mode, "join") == 0) {
        pthread_create(&thread, NULL, run, (void *)close_shop);
    } else {
        pthread_mutex_lock(&accounts);
        sem_post(&taken);
    }
    sem_wait(&taken);
    for (int i = 0; i < 5; i++)
        pthread_create(&thread, NULL, run, (void *)wait_in_line);
    printf("ready\n");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    _exit(0);
}
