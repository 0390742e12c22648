/* memory_fails.c - a host whose agent runs out of memory: it is linked with ways/failing_memory.c, by which allocations of the
 * agent's fail. It does one thing again and again; the first time the agent's FROMth allocation in it fails, then the one STRIDE
 * behind that, until one turn meets none. MANY: how many fail in a row. A line for each turn: which one failed, what came of it,
 * and of the same thing done again.
 *   memory_fails captures FROM STRIDE MANY   a capture of all kinds but CPU time
 *   memory_fails deadlocks FROM STRIDE MANY  the same, of threads that wait for each other
 *   memory_fails cpu FROM STRIDE MANY        CPU time and threads
 *   memory_fails fires FROM STRIDE MANY      a rule fires: the ledger, the capture, on_incident
 *   memory_fails starts FROM STRIDE MANY     start, first tick, first write of the black box; then a capture, and a stop
 *   memory_fails asks FROM STRIDE MANY       a question at the control socket; the answers too
 *   memory_fails profiles FROM STRIDE MANY   gumshoe_write_profile, into the file "profile"
 *   memory_fails reloads FROM STRIDE MANY    the rules file changes: a label in it is the turn's number
 *   memory_fails counts 1 1 1                how many allocations a start takes
 *   memory_fails dies FROM 1 MANY            starts, and kills itself once it has had the time to write its black box
 *   memory_fails heirs FROM 1 MANY           starts where one has died, and stops when it has looked for what that one left
 * Rules and directory: GUMSHOE_RULES and GUMSHOE_DIR. */
#include "ways/failing_memory.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <gumshoe/gumshoe.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };
static unsigned kinds = GUMSHOE_HEAP | GUMSHOE_THREADS | GUMSHOE_THREADCREATE;

/* ---- something to tell of ---------------------------------------------------------------------------------------------- */

static void *volatile kept;

__attribute__((noinline)) static void hold_a_cache(int blocks)
{
    for (int i = 0; i < blocks; i++) {
        void **block = calloc(1, 8000);
        *block = kept;
        kept = block;
    }
}

static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER, second_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

/* Two of these wait for each other. */
__attribute__((noinline)) static void *wait_for_ever(void *second)
{
    pthread_mutex_lock(second ? &second_lock : &first_lock);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(second ? &first_lock : &second_lock);
    return NULL;
}

static void let_threads_wait(void)
{
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 3);
    pthread_create(&thread, NULL, wait_for_ever, NULL);
    pthread_create(&thread, NULL, wait_for_ever, "second");
    pthread_barrier_wait(&both);
}

static void *work(void *unused)
{
    for (volatile unsigned i = 0;; i++)
        if (i % 1000000 == 0)
            usleep(1000);
    return unused;
}

static void set_the_scene(void)
{
    gumshoe_label_set("tenant", "a name that is not short");
    hold_a_cache(1000);
    memset(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 1 << 20);
}


/* ---- waiting ------------------------------------------------------------------------------------------------------------ */

static _Atomic int incidents;
static char newest[PATH_MAX];

static void count_incident(const char *dir, void *unused)
{
    (void)unused;
    snprintf(newest, sizeof newest, "%s", dir);
    atomic_fetch_add(&incidents, 1);
}

/* Until WHAT holds; else this ends the host. */
static void wait_until(bool what(void))
{
    for (int ms = 0; !what(); ms++) {
        if (ms == PATIENCE_MS) {
            puts("waited in vain");
            exit(3);
        }
        usleep(1000);
    }
}

static const char *name_of(int result)
{
    return result ? strerrorname_np(-result) : "ok";
}

static const char *capture(const char *reason)
{
    return name_of(gumshoe_capture(reason, kinds));
}

static int start(void)
{
    gumshoe_on_incident(count_incident, NULL);
    return gumshoe_start(NULL);
}

/* ---- ways --------------------------------------------------------------------------------------------------------------- */

struct turns { long at, stride, many; };

/* A line about a turn; false: it met no failure, so that it was the last. */
static bool is_told(struct turns *turns, bool failed, const char *came, const char *next)
{
    printf("%ld %s %s\n", failed ? turns->at : 0, came, next);
    turns->at += turns->stride;
    return failed;
}

/* Incidents have one from now on. */
static bool has_baseline(void)
{
    char base[PATH_MAX + 32];
    if (gumshoe_capture("settle", kinds))
        exit(4);
    snprintf(base, sizeof base, "%s/heap.base.pb.gz", newest);
    usleep(100000);
    return access(base, F_OK) == 0;
}

/* A store of a few incidents is quickly looked through: more turns are another run's. */
static void captures(struct turns turns)
{
    enum { TURNS_MAX = 100 };
    char reason[24];
    const char *came;
    bool failed;
    int count = 0;
    start();
    if (kinds & GUMSHOE_HEAP)
        wait_until(has_baseline);
    hold_a_cache(1000);
    capture("reference");
    do {
        hold_a_cache(4); // it grows
        snprintf(reason, sizeof reason, "at-%06ld", turns.at);
        failing_memory_arm(turns.at, turns.many);
        came = capture(reason);
        failed = failing_memory_disarm();
    } while (is_told(&turns, failed, came, capture("next")) && ++count < TURNS_MAX);
}

static void deadlocks(struct turns turns)
{
    let_threads_wait();
    captures(turns);
}

static void cpu(struct turns turns)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    kinds = GUMSHOE_CPU | GUMSHOE_THREADS;
    captures(turns);
}

static int seen;

static bool another_incident(void)
{
    return atomic_load(&incidents) > seen;
}

/* Let one begin and end from here on. */
static void wait_for_incident(void)
{
    seen = atomic_load(&incidents) + 1; // one may be under way
    wait_until(another_incident);
}

static bool something_happened(void)
{
    return failing_memory_has_failed() || another_incident();
}

static void fires(struct turns turns)
{
    start();
    wait_for_incident();
    failing_memory_arm(LONG_MAX, 0);
    wait_for_incident();
    for (long count = failing_memory_count(); turns.at <= count; turns.at += turns.stride) {
        seen = atomic_load(&incidents) + 1;
        failing_memory_arm(turns.at, turns.many);
        wait_until(something_happened);
        failing_memory_disarm();
        wait_for_incident();
        printf("%ld - ok\n", turns.at);
    }
}

static bool has_box(void)
{
    glob_t found;
    char pattern[PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s/.live/%d-*.box", getenv("GUMSHOE_DIR"), (int)getpid());
    bool has = glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return has;
}

/* How many allocations a start takes, up to the end of the first tick. */
static long count_start(void)
{
    failing_memory_arm(LONG_MAX, 0);
    start();
    wait_until(has_box);
    long count = failing_memory_count();
    gumshoe_stop();
    return count;
}

static void counts(struct turns turns)
{
    (void)turns;
    printf("%ld\n", count_start());
}

static void starts(struct turns turns)
{
    for (long count = count_start(); turns.at <= count; turns.at += turns.stride) {
        failing_memory_arm(turns.at, turns.many);
        int result = start();
        capture("first");
        failing_memory_disarm();
        if (result && start())
            exit(5);
        printf("%ld %s %s\n", turns.at, name_of(result), capture("next"));
        gumshoe_stop();
    }
}

/* What the agent answers: "lost" when nothing comes, or no whole line. */
static const char *ask(const char *question, char *answer, size_t size)
{
    glob_t found;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char pattern[PATH_MAX];
    size_t length = 0;
    snprintf(pattern, sizeof pattern, "%s/.live/%d-*.sock", getenv("GUMSHOE_DIR"), (int)getpid());
    if (glob(pattern, 0, NULL, &found) || found.gl_pathc != 1)
        return "lost";
    snprintf(address.sun_path, sizeof address.sun_path, "%s", found.gl_pathv[0]);
    globfree(&found);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && write(fd, question, strlen(question)) > 0)
        for (ssize_t got; length + 1 < size && (got = read(fd, answer + length, size - length - 1)) > 0;)
            length += (size_t)got;
    close(fd);
    answer[length] = 0;
    return length && answer[length - 1] == '\n' ? answer : "lost";
}

static void asks(struct turns turns)
{
    static char first[1 << 16], next[1 << 16];
    static const char question[] = "{\"version\":1, \"command\":\"status\"}\n";
    start();
    capture("settle");
    for (bool failed = true; failed; turns.at += turns.stride) {
        failing_memory_arm(turns.at, turns.many);
        const char *came = ask(question, first, sizeof first);
        failed = failing_memory_disarm();
        printf("%ld\n%s\n%s\n", failed ? turns.at : 0, came, ask(question, next, sizeof next));
    }
}

static const char *write_profiles(void)
{
    static const enum gumshoe_kind each[] = {GUMSHOE_HEAP, GUMSHOE_THREADS, GUMSHOE_THREADCREATE};
    int result = 0;
    for (size_t i = 0; i < sizeof each / sizeof *each && !result; i++) {
        int fd = open("profile", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        result = gumshoe_write_profile(each[i], fd);
        close(fd);
        if (!result && system("gunzip -t < profile"))
            exit(6);
    }
    return name_of(result);
}

static void profiles(struct turns turns)
{
    const char *came;
    bool failed;
    do {
        failing_memory_arm(turns.at, turns.many);
        came = write_profiles();
        failed = failing_memory_disarm();
    } while (is_told(&turns, failed, came, write_profiles()));
}

static void write_rules(long turn)
{
    FILE *file = fopen("fresh", "w");
    fprintf(file, "{ \"version\": 1, \"labels\": { \"turn\": \"%ld\" }, \"rules\": [\n"
                  "  { \"name\": \"rss-high\", \"metric\": \"rss\", \"above\": \"80%%\", \"for\": \"10s\", \"why\": \"memory\" },\n"
                  "  { \"name\": \"jump\", \"metric\": \"heap_in_use\", \"jitter\": { \"rise\": \"50%%\", \"over\": 100 } } ] }\n", turn);
    fclose(file);
    rename("fresh", getenv("GUMSHOE_RULES"));
}

static long reload_count, refusals;

/* What the agent says of its rules file. False: it did not answer. */
static bool read_reloads(void)
{
    static char answer[1 << 16];
    const char *at = strstr(ask("{\"version\":1, \"command\":\"status\"}\n", answer, sizeof answer), "\"reloads\":");
    if (!at)
        return false;
    reload_count = strtol(at + strlen("\"reloads\":"), NULL, 10);
    refusals = strstr(at, "\"refused\":null") == NULL;
    return true;
}

static long reloads_before;

static bool is_decided(void)
{
    return read_reloads() && (reload_count > reloads_before || refusals);
}

static bool is_taken(void)
{
    return read_reloads() && reload_count > reloads_before && !refusals;
}

static void reloads(struct turns turns)
{
    enum { LONGER_THAN_A_RELOAD_MS = 3000 };
    bool failed;
    write_rules(0);
    start();
    do {
        wait_until(read_reloads);
        reloads_before = reload_count;
        write_rules(turns.at);
        failing_memory_arm(turns.at, turns.many);
        for (int ms = 0; ms < LONGER_THAN_A_RELOAD_MS && !failing_memory_has_failed(); ms++)
            usleep(1000);
        failed = failing_memory_disarm();
        wait_until(is_decided);
        const char *came = refusals ? "refused" : "taken";
        reloads_before = reload_count;
        write_rules(-turns.at);
        wait_until(is_taken);
        failed = is_told(&turns, failed, came, "ok");
    } while (failed);
}

static void dies(struct turns turns)
{
    failing_memory_arm(turns.at, turns.many);
    int result = start();
    puts(name_of(result));
    if (result == 0) {
        gumshoe_capture("first", GUMSHOE_THREADCREATE); // the first tick is over
        bool failed = failing_memory_disarm();
        gumshoe_capture("next", GUMSHOE_THREADCREATE);
        if (failed)
            sleep(2); // a write of the black box that failed is tried again after a second
    }
    kill(getpid(), SIGKILL);
}

static void heirs(struct turns turns)
{
    failing_memory_arm(turns.at, turns.many);
    if (start() == 0) {
        gumshoe_capture("first", GUMSHOE_THREADCREATE);
        gumshoe_capture("next", GUMSHOE_THREADCREATE); // behind the look for what the dead have left
    }
    printf("%ld\n", failing_memory_disarm() ? turns.at : 0);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*way)(struct turns turns); } ways[] = {
        {"captures", captures}, {"deadlocks", deadlocks}, {"cpu", cpu}, {"fires", fires}, {"starts", starts},
        {"asks", asks}, {"profiles", profiles}, {"reloads", reloads}, {"dies", dies}, {"heirs", heirs},
        {"counts", counts},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    set_the_scene();
    for (size_t i = 0; argc == 5 && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(argv[1], ways[i].name) == 0) {
            ways[i].way((struct turns){atol(argv[2]), atol(argv[3]), atol(argv[4])});
            gumshoe_stop();
            puts("done");
            _exit(kept ? 0 : 3); // threads of its wait for each other
        }
    return 2;
}
