/* guest.c - a host that tells what it sees of itself, each WAY a story of its own. Nothing of it depends on being watched.
 *   exit MS      main leaves by pthread_exit; a worker ends MS milliseconds later; an atexit handler says so
 *   raw MS       main leaves by the bare system call, and nobody is left
 *   users        root becomes another user with keepcaps and capabilities; all threads of the process are told of
 *   often        1,000 times another effective user and back
 *   namespaces   a new user namespace, then the name that it has there
 *   handler      forks 500 times in a signal handler that interrupts malloc
 *   numbers      the numbers that new descriptors get
 *   wait         sleeps until its standard input ends */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int capset(struct __user_cap_header_struct *, const struct __user_cap_data_struct *);

static int milliseconds;

static void say_end(void)
{
    puts("atexit");
}

static void *work(void *unused)
{
    (void)unused;
    usleep((useconds_t)milliseconds * 1000);
    puts("worker ends");
    return NULL;
}

static void leave_main(void)
{
    pthread_t thread;
    atexit(say_end);
    pthread_create(&thread, NULL, work, NULL);
    pthread_exit(NULL);
}

static void leave_raw(void)
{
    usleep((useconds_t)milliseconds * 1000);
    syscall(SYS_exit, 7);
}

/* The lines of each thread's status that say who it is, each different set once: one set, as soon as all are the same. */
static void print_identities(void)
{
    fflush(stdout);
    (void)!system("sets() { for t in /proc/$PPID/task/*/status; do "
                  "who=$(grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd)|NoNewPrivs)' $t 2> /dev/null) && "
                  "echo \"$who\" | md5sum; done | sort -u | wc -l; }; " // a thread may end meanwhile
                  "for i in $(seq 600); do [ $(sets) = 1 ] && break; sleep 0.1; done; sets; "
                  "grep -E '^(Uid|Gid|CapPrm)' /proc/$PPID/status");
}

static void become_another(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = 1 << CAP_NET_BIND_SERVICE, .permitted = 1 << CAP_NET_BIND_SERVICE}};
    gid_t group = 65534;
    if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) || setresuid(65534, 65534, 65534))
        exit(1);
    data[0].effective |= 1 << CAP_SETGID; // what is kept serves: the groups come last
    data[0].permitted |= 1 << CAP_SETGID;
    if (capset(&header, data) || setgroups(1, &group) || setresgid(65534, 65534, 65534))
        exit(2);
    data[0].effective = data[0].permitted = 1 << CAP_NET_BIND_SERVICE;
    if (capset(&header, data) || prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L))
        exit(3);
    prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L); // so that it may be looked at from outside
    print_identities();
}

static void change_often(void)
{
    for (int i = 0; i < 1000; i++)
        if (seteuid(65534) || geteuid() != 65534 || seteuid(0) || geteuid() != 0)
            exit(1);
    usleep(300000);
    print_identities();
}

static void enter_namespace(void)
{
    printf("unshare %d, user %d\n", unshare(CLONE_NEWUSER), (int)geteuid());
    usleep(300000);
}

static volatile sig_atomic_t children;

/* Once, a while from now: a timer that runs on would fire again at the very place that the handler returns to. */
static void set_timer(void)
{
    struct itimerval once = {.it_value.tv_usec = 200 + children * 7 % 300};
    setitimer(ITIMER_REAL, &once, NULL);
}

static void fork_in_handler(int number)
{
    int status;
    pid_t child = fork();
    (void)number;
    if (child == 0)
        _exit(3);
    if (child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3)
        children++;
    if (children < 500)
        set_timer();
}

static void allocate_and_fork(void)
{
    static void *block[64];
    signal(SIGALRM, fork_in_handler);
    set_timer();
    for (unsigned i = 0; children < 500; i++) {
        free(block[i % 64]);
        block[i % 64] = malloc(2000 + i * 977 % 60000);
    }
    printf("%d children\n", (int)children);
}

static void print_numbers(void)
{
    for (int i = 0; i < 5; i++)
        printf("%d ", dup(0));
    printf("%d\n", open("/", O_RDONLY));
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    char end;
    milliseconds = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(way, "exit")) leave_main();
    else if (!strcmp(way, "raw")) leave_raw();
    else if (!strcmp(way, "users")) become_another();
    else if (!strcmp(way, "often")) change_often();
    else if (!strcmp(way, "namespaces")) enter_namespace();
    else if (!strcmp(way, "handler")) allocate_and_fork();
    else if (!strcmp(way, "numbers")) print_numbers();
    else if (!strcmp(way, "wait")) while (read(0, &end, 1) > 0) ;
    else return 64;
    return 0;
}
