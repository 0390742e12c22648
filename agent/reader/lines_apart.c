/* lines_apart.c - reads debug information in a child process, because it may be hostile and libdw reads it.
 *
 *   parent ──fork──▶ child: limits ────────────▶ gs_reader_symbolize ──▶ result file (in memory): notes, profile
 *     │ waits for the end of the pipe, or for the time limit                    │
 *     ├──◀── the child's end ◀──────────────────────────────────────────────────┘
 *     └── read as untrusted; after a crash the file that was being read is left out, and a new child reads the rest
 *
 * Who: the CLI. Bounds: DATA_MAX bytes of memory over the parent's, GS_LEFT_OUT_MAX crashes, one time limit for all
 * (each child has half of what is left of it). */
#include "base/clock.h"
#include "base/memory.h"
#include "reader/lines.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DATA_MAX = 384 << 20, OUTPUT_MAX = 512 << 20, NOTES_MAX = 1 << 20, SECONDS = 120 };
static const rlim_t MAPPED_MAX =
    8ULL << 30; // of the files: debug information of several GB is read a part at a time

struct reading { // one call of gs_reader_symbolize_apart
    const struct gs_profile *profile;
    const struct gs_symbolize_options *options;
    struct gs_symbolize_progress *progress; // shared with the child
    struct gs_text *notes;
    int64_t deadline_ns;
    struct gs_profile *result;
};

/* ---- the child ------------------------------------------------------------------------------------------------------ */

static void limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit = {value, value};
    struct rlimit old;
    if (getrlimit(resource, &old) == 0 && old.rlim_max < value)
        limit.rlim_cur = limit.rlim_max = old.rlim_max;
    setrlimit(resource, &limit);
}

static void limit_memory(void)
{
    unsigned long long size = 0, data = 0;
    const unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm && fscanf(statm, "%llu %*u %*u %*u %*u %llu", &size, &data) != 2)
        size = data = 0;
    if (statm)
        fclose(statm);
    limit(RLIMIT_DATA, data * page + DATA_MAX);
    limit(RLIMIT_AS, size * page + MAPPED_MAX);
}

static void limit_child(const struct gs_symbolize_options *options)
{
    unsigned seconds = options->seconds ? options->seconds : SECONDS;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit_memory();
    limit(RLIMIT_CPU, seconds + 1);
    limit(RLIMIT_FSIZE, OUTPUT_MAX);
    limit(RLIMIT_CORE, 0);
}

/* Write the notes' length, the notes and the profile to FD. Ends the process: 0: all of it was written. */
static _Noreturn void read_and_write(const struct reading *reading, int fd)
{
    struct gs_text notes = {0};
    struct gs_profile *result =
        gs_reader_symbolize_files(reading->profile, reading->options, reading->progress, &notes);
    uint64_t length = notes.length;
    if (!result || gs_file_write_all(fd, &length, sizeof length) ||
        gs_file_write_all(fd, notes.bytes, length) ||
        (reading->progress->filled && gs_profile_write(result, fd)))
        _exit(1);
    _exit(0);
}

/* ---- the parent ----------------------------------------------------------------------------------------------------- */

/* Wait until the child closes its end of the pipe FD. False: the time limit came first. */
static bool wait_for_end(int fd, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ms = (deadline_ns - gs_clock_monotonic_ns()) / 1000000;
        struct pollfd end = {.fd = fd};
        int ready = poll(&end, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready > 0)
            return true;
        if (left_ms <= 0 || (ready < 0 && errno != EINTR))
            return false;
    }
}

/* Read what the child wrote: the notes and, if it filled anything in, the profile. Returns false if it is damaged. */
static bool take_result(struct reading *reading, int fd)
{
    char *bytes = NULL, why[160];
    size_t length = 0;
    uint64_t notes = UINT64_MAX;
    if (lseek(fd, 0, SEEK_SET) != 0 || gs_file_read_all(fd, OUTPUT_MAX, &bytes, &length))
        return false;
    if (length >= sizeof notes)
        memcpy(&notes, bytes, sizeof notes);
    bool whole = notes <= NOTES_MAX && notes <= length - sizeof notes;
    size_t before = sizeof notes + (whole ? notes : 0);
    if (whole)
        gs_text_add_bytes(reading->notes, bytes + sizeof notes, notes);
    if (whole && length > before)
        reading->result = gs_reader_profile(bytes + before, length - before, why, sizeof why);
    gs_free(bytes);
    return whole && (length == before || reading->result);
}

/* Say why the child ended without a result, and leave out the file that it read. Returns true if another try may succeed. */
static bool leave_out(struct reading *reading, const char *how)
{
    struct gs_symbolize_progress *progress = reading->progress;
    uint32_t file = progress->file;
    bool again = file < reading->profile->mapping_count && progress->left_out_count < GS_LEFT_OUT_MAX;
    if (file < reading->profile->mapping_count)
        gs_text_add_printable(reading->notes, reading->profile->mapping[file].path);
    gs_text_add(reading->notes, "%sreading its debug information %s: there are no lines from it\n",
                file < reading->profile->mapping_count ? ": " : "", how);
    if (again)
        progress->left_out[progress->left_out_count++] = file;
    return again;
}

/* When to give up on a child: another one may follow, which reads the other files. */
static int64_t half_of_the_rest(const struct reading *reading)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    return now_ns + (reading->deadline_ns - now_ns) / 2;
}

/* One child. Returns true if another one is to be started. */
static bool run_child(struct reading *reading, int output)
{
    int end[2], status = 0;
    char how[80] = "took too long";
    if (pipe2(end, O_CLOEXEC) != 0)
        return false;
    reading->progress->file = UINT32_MAX;
    pid_t child = fork();
    if (child == 0) {
        close(end[0]);
        limit_child(reading->options);
        read_and_write(reading, output);
    }
    close(end[1]);
    bool ended = child > 0 && wait_for_end(end[0], half_of_the_rest(reading));
    close(end[0]);
    if (child < 0)
        return false;
    if (!ended)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0 && take_result(reading, output))
        return false;
    if (ended && WIFSIGNALED(status))
        snprintf(how, sizeof how, "ended with signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (ended)
        snprintf(how, sizeof how, "needed too much memory");
    return leave_out(reading, how);
}

struct gs_profile *gs_reader_symbolize_apart(const struct gs_profile *profile,
                                             const struct gs_symbolize_options *options,
                                             struct gs_text *notes)
{
    struct gs_symbolize_progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return NULL;
    struct reading reading = {.profile = profile,
                              .options = options,
                              .progress = progress,
                              .notes = notes,
                              .deadline_ns = gs_clock_monotonic_ns() +
                                             (options->seconds ? options->seconds : SECONDS) * GS_NS_PER_S};
    for (bool again = true; again;) {
        int output = memfd_create("gumshoe-lines", MFD_CLOEXEC);
        again = output >= 0 && run_child(&reading, output);
        if (output >= 0)
            close(output);
    }
    munmap(progress, sizeof *progress);
    return reading.result;
}
