/* serve_profiles.c - /debug/pprof/ of one agent, as Go's net/http/pprof answers.
 *
 *   heap, threads, …               the agent's bytes as they are
 *   heap?seconds=N                 two of them, N seconds apart: their difference
 *   allocs                         heap with another default sample type
 *   …?debug=1                      as text; goroutine?debug=1|2: threads.txt
 *
 * A profile that has to be read (all but the first row) may unpack to much memory: one request reads at a time. */
#include "base/clock.h"
#include "base/kinds.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/serve.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SECONDS_MAX = 600, CPU_SECONDS = 30, CMDLINE_MAX = 1 << 20 };
static const double PATIENCE_S = 10; // beside the seconds that are asked for

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

// clang-format off
static const struct endpoint {
    const char *name, *kind;    // kind: of base/kinds.h
    const char *what;
} endpoints[] = {
    {"allocs",       "heap",         "all allocations since the start, also of memory that was freed"},
    {"block",        "block",        "where threads wait for locks"},
    {"fds",          "fds",          "open descriptors, by the stacks that opened them; ?debug=1: as text"},
    {"goroutine",    "threads",      "stacks of all threads, under Go's name"},
    {"heap",         "heap",         "live heap; ?seconds=N: what changed within N seconds"},
    {"lifetimes",    "lifetimes",    "how long blocks live; ?seconds=N: of those freed within N seconds"},
    {"mutex",        "mutex",        "who holds locks that others wait for"},
    {"pages",        "pages",        "the heap: in memory, swapped out, never touched"},
    {"peak",         "peak",         "the heap as it was at its highest"},
    {"profile",      "cpu",          "CPU time; ?seconds=N (30)"},
    {"threadcreate", "threadcreate", "the stacks that created threads"},
    {"threads",      "threads",      "stacks of all threads; ?debug=1: as text"},
    {"waste",        "waste",        "the heap's free memory, by whose blocks pin it"},
};
// clang-format on

static const struct gs_kind_entry *find_kind(const char *name)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

/* ---- getting profiles ----------------------------------------------------------------------------------------------------- */

struct fetch {
    const struct gs_web_request *request;
    const struct gs_agent *agent;
    struct gs_web_answer *answer; // of a failure
    const char *kind;
    bool as_text;
};

static void refuse_fetch(const struct fetch *fetch, int error, const char *why)
{
    gs_cli_web_refuse(fetch->answer,
                      error == -ETIMEDOUT      ? 504
                      : error == -ECONNREFUSED ? 503
                                               : 502,
                      "%s", why);
}

/* Get a profile; SECONDS: how long CPU time is sampled. False: the answer says why not. */
static bool fetch_bytes(const struct fetch *fetch, double seconds, struct gs_text *out)
{
    char why[200];
    json_t *request = json_pack("{s:i, s:s, s:s, s:f, s:b}", "version", 1, "command", "profile", "kind",
                                fetch->kind, "seconds", seconds, "text", (int)fetch->as_text);
    int error = request
                    ? gs_cli_agent_ask_bytes(fetch->request->served, fetch->agent, request,
                                             fetch->request->fd, seconds + PATIENCE_S, out, why, sizeof why)
                    : -ENOMEM;
    if (error)
        refuse_fetch(fetch, error, request ? why : "there is not enough memory");
    return error == 0;
}

/* Wait until the client has gone, or SECONDS are over. False: it has gone. */
static bool wait_with_client(int fd, double seconds)
{
    int64_t until_ns = gs_clock_monotonic_ns() + (int64_t)(seconds * 1e9);
    for (int64_t left_ns; (left_ns = until_ns - gs_clock_monotonic_ns()) > 0;) {
        struct pollfd client = {.fd = fd, .events = POLLRDHUP};
        if (poll(&client, 1, (int)(left_ns / GS_NS_PER_MS) + 1) > 0)
            return false;
    }
    return true;
}

/* ---- profiles that are changed -------------------------------------------------------------------------------------------- */

static struct gs_profile *read_profile(const struct fetch *fetch, const struct gs_text *bytes)
{
    char why[160];
    struct gs_profile *profile = gs_reader_profile(bytes->bytes, bytes->length, why, sizeof why);
    if (!profile)
        gs_cli_web_refuse(fetch->answer, 502, "the agent's answer is no profile: %s", why);
    return profile;
}

/* Write PROFILE as the body of the answer. */
static void write_profile(const struct fetch *fetch, const struct gs_profile *profile)
{
    char *bytes = NULL;
    size_t length = 0;
    int fd = memfd_create("gumshoe", MFD_CLOEXEC), error = fd < 0 ? -errno : gs_profile_write(profile, fd);
    if (!error)
        error =
            lseek(fd, 0, SEEK_SET) < 0 ? -errno : gs_file_read_all(fd, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (fd >= 0)
        close(fd);
    if (error)
        gs_cli_web_refuse(fetch->answer, 500, "the profile could not be written: %s",
                          strerrordesc_np(-error));
    else
        gs_text_add_bytes(&fetch->answer->body, bytes, length);
    gs_free(bytes);
}

/* The difference of two profiles, SECONDS apart. */
static void write_difference(const struct fetch *fetch, const struct gs_text *before,
                             const struct gs_text *after, long long seconds)
{
    struct gs_profile *base = read_profile(fetch, before),
                      *profile = base ? read_profile(fetch, after) : NULL;
    if (base) {
        gs_profile_clear_type(base, "alive_objects"); // of lifetimes: they are as of now
        gs_profile_clear_type(base, "alive_space");
        base->comment_count = 0; // the later one has them, too
    }
    int error = profile ? gs_profile_subtract(profile, base) : 0;
    if (profile && !error) {
        profile->duration_ns = seconds * GS_NS_PER_S;
        gs_profile_add_comment(profile, "difference over %lld s", seconds);
        write_profile(fetch, profile);
    } else if (profile)
        gs_cli_web_refuse(fetch->answer, 502, "the two profiles have different sample types");
    gs_profile_free(base);
    gs_profile_free(profile);
}

static void serve_difference(const struct fetch *fetch, long long seconds)
{
    struct gs_text before = {0}, after = {0};
    if (fetch_bytes(fetch, 0, &before)) {
        if (!wait_with_client(fetch->request->fd, (double)seconds))
            gs_cli_web_refuse(fetch->answer, 502, "the client has closed the connection");
        else if (fetch_bytes(fetch, 0, &after)) {
            pthread_mutex_lock(&reading);
            write_difference(fetch, &before, &after, seconds);
            pthread_mutex_unlock(&reading);
        }
    }
    gs_text_fini(&before);
    gs_text_fini(&after);
}

/* allocs is heap, but pprof shows another sample type first. */
static void show_allocations(const struct fetch *fetch, struct gs_text *bytes)
{
    pthread_mutex_lock(&reading);
    struct gs_profile *profile = read_profile(fetch, bytes);
    int type = profile ? gs_profile_sample_type(profile, "alloc_space") : -1;
    if (profile && type >= 0)
        profile->default_sample_type = (unsigned)type;
    if (profile)
        write_profile(fetch, profile);
    gs_profile_free(profile);
    pthread_mutex_unlock(&reading);
}

static void show_as_text(const struct fetch *fetch, const char *name, const struct gs_text *bytes)
{
    char why[160];
    pthread_mutex_lock(&reading);
    if (!gs_cli_profile_text(name, bytes, &fetch->answer->body, why, sizeof why))
        gs_cli_web_refuse(fetch->answer, 502, "the agent's answer is no profile: %s", why);
    pthread_mutex_unlock(&reading);
}

/* ---- endpoints --------------------------------------------------------------------------------------------------------------- */

/* Read ?seconds=. Go takes the default for a CPU profile's that it cannot read, and refuses the others'. 0: none; -1: refused. */
static long long read_seconds(const struct gs_web_request *request, bool is_cpu, struct gs_web_answer *answer)
{
    const char *text = gs_cli_web_argument(request, "seconds");
    long long seconds = 0;
    bool fine = text && gs_cli_read_number(text, 1, SECONDS_MAX, &seconds);
    if (is_cpu && (!text || (!fine && strspn(text, "0123456789") != strlen(text))))
        return CPU_SECONDS;
    if (fine || !text)
        return seconds;
    if (is_cpu && strcmp(text, "0") == 0)
        return CPU_SECONDS;
    gs_cli_web_refuse(answer, 400, "invalid value for \"seconds\": a whole number from 1 to %d is wanted",
                      SECONDS_MAX);
    return -1;
}

static bool wants_text(const struct gs_web_request *request)
{
    const char *debug = gs_cli_web_argument(request, "debug");
    return debug && *debug && strcmp(debug, "0") != 0;
}

static void serve_kind(struct fetch *fetch, const char *name)
{
    struct gs_web_answer *answer = fetch->answer;
    bool is_cpu = strcmp(fetch->kind, "cpu") == 0, debug = wants_text(fetch->request);
    long long seconds = read_seconds(fetch->request, is_cpu, answer);
    struct gs_text bytes = {0};
    if (seconds < 0)
        return;
    fetch->as_text = debug && seconds == 0 && find_kind(fetch->kind)->text_file;
    if (!debug || is_cpu) {
        answer->type = "application/octet-stream";
        answer->file_name = name;
    }
    if (fetch->request->head)
        return;
    if (seconds && !is_cpu)
        serve_difference(fetch, seconds);
    else if (!fetch_bytes(fetch, is_cpu ? (double)seconds : 0, &bytes))
        ;
    else if (strcmp(name, "allocs") == 0 && !debug)
        show_allocations(fetch, &bytes);
    else if (debug && !is_cpu && !fetch->as_text)
        show_as_text(fetch, name, &bytes);
    else {
        answer->body = bytes;
        return;
    }
    gs_text_fini(&bytes);
}

static void serve_cmdline(const struct gs_web_request *request, const struct gs_agent *agent,
                          struct gs_web_answer *answer)
{
    char path[32], *text = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "/proc/%d/cmdline", agent->id.pid);
    if (!request->served->allow_cmdline)
        gs_cli_web_refuse(answer, 403,
                          "command lines may hold secrets: gumshoe serve --allow-cmdline serves them");
    else if (!gs_store_live_is_running(&agent->id) ||
             gs_file_read(AT_FDCWD, path, CMDLINE_MAX, &text, &length))
        gs_cli_web_refuse(answer, 404,
                          "the process runs elsewhere: its command line cannot be read from here");
    else
        gs_text_add_bytes(&answer->body, text,
                          length ? length - 1 : 0); // arguments end with NUL; as Go: separated by it
    gs_free(text);
}

static void serve_index(const struct gs_agent *agent, const char *root, struct gs_web_answer *answer)
{
    gs_cli_html_begin(answer, "Profiles", root);
    gs_text_add(&answer->body, "<h1>Profiles of process ");
    gs_reader_page_escape(&answer->body, agent->key);
    gs_text_add(
        &answer->body,
        "</h1>\n<p>For <code>go tool pprof</code> and other readers of pprof: give it the address of a "
        "profile.</p>\n<table><thead><tr><th>Profile<th>What it holds<th>As text</thead><tbody>\n");
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (find_kind(endpoints[i].kind)) {
            gs_text_add(&answer->body, "<tr><td><a href=\"%s%s\">%s</a><td>%s<td>", endpoints[i].name,
                        strcmp(endpoints[i].kind, "cpu") == 0 ? "?seconds=10" : "", endpoints[i].name,
                        endpoints[i].what);
            if (strcmp(endpoints[i].kind, "cpu") != 0)
                gs_text_add(&answer->body, "<a href=\"%s?debug=1\">text</a>", endpoints[i].name);
            gs_text_add(&answer->body, "\n");
        }
    gs_text_add(&answer->body, "</tbody></table>\n");
    gs_cli_html_end(answer);
}

static void refuse_name(const char *name, struct gs_web_answer *answer)
{
    if (strcmp(name, "symbol") == 0 || strcmp(name, "trace") == 0)
        gs_cli_web_refuse(answer, 404,
                          "%s is not served: profiles carry their names, and there are no Go traces", name);
    else
        gs_cli_web_refuse(answer, 404, "Unknown profile: %.60s", name);
}

void gs_cli_serve_profile(const struct gs_web_request *request, const struct gs_agent *agent,
                          const char *name, struct gs_web_answer *answer)
{
    struct fetch fetch = {.request = request, .agent = agent, .answer = answer};
    const struct gs_kind_entry *same = find_kind(name);
    if (*name == 0) {
        serve_index(agent, strncmp(request->path, "/pid/", 5) == 0 ? "../../../../" : "../../", answer);
        return;
    }
    if (strcmp(name, "cmdline") == 0) {
        serve_cmdline(request, agent, answer);
        return;
    }
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints && !fetch.kind; i++)
        if (strcmp(endpoints[i].name, name) == 0)
            fetch.kind = endpoints[i].kind;
    if (!fetch.kind && same) // a kind that Go does not have
        fetch.kind = same->name;
    if (!fetch.kind)
        refuse_name(name, answer);
    else if (!find_kind(fetch.kind))
        gs_cli_web_refuse(answer, 404, "%s: this version of gumshoe does not record that", name);
    else
        serve_kind(&fetch, same ? same->name : name);
}
