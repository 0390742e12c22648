/* control.c - the control socket in DIR/.live.
 *
 *   connect ──▶ same user, or root? ──▶ one line of JSON ──▶ requests.c ──▶ the watcher ──▶ the answer ──▶ close
 *
 *   {"version":1, "command":"status"}                                         {"version":1, "metrics":[…], "rules":[…]}
 *   {"version":1, "command":"capture", "kinds":["cpu"], "seconds":5}          {"version":1, "incident":"/var/…"}
 *   {"version":1, "command":"profile", "kind":"heap"}                         {"version":1, "bytes":N}, and N bytes of pprof
 *                                                                             {"version":1, "error":"…"}
 *
 * A profile is made without the watcher (profile_jobs.c).
 *
 * Who:    one of the agent's threads, with all signals blocked; it sleeps in poll(2) while there is no client.
 * Bounds: at most CLIENTS connections; a request of at most REQUEST_MAX bytes within PATIENCE_NS; an answer that the client
 *         does not read within that time (a profile: PROFILE_PATIENCE_NS) is dropped. The watcher never waits for a client. */
#include "watch/control.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/kinds.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "sys/log.h"
#include "watch/inside.h"
#include "watch/profile_jobs.h"
#include "watch/requests.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS = 8,
    LISTENER = CLIENTS,
    WOKEN,
    REQUEST_MAX = 4096,
    STACK_BYTES = 256 << 10,
    SECONDS_MAX = 3600
};
#define PATIENCE_NS         (2 * GS_NS_PER_S)
#define PROFILE_PATIENCE_NS (30 * GS_NS_PER_S)
#define POLL_MS             50 /* how often to check for answers while a client is connected */

struct client {
    int fd; // -1: free
    int64_t until_ns;
    struct gs_request *posted; // posted, not answered yet; NULL: reading the request, or writing the answer
    struct gs_profile_slot *profile; // that is being made for it; NULL: none
    char request[REQUEST_MAX];
    size_t length;
    struct gs_text answer;
    size_t written;
};

static struct {
    struct gs_own_thread thread;
    struct gs_store *store;
    char name[GS_LIVE_NAME];
    int listener; // -1: none
    int woken;    // eventfd that wakes the thread
    _Atomic bool stopping;
    _Atomic uint64_t cpu_ns; // of the thread, after its last turn
} control = {.listener = -1};
static struct client clients[CLIENTS]; // apart, so that it is in .bss

/* ---- clients --------------------------------------------------------------------------------------------------------- */

static void drop(struct client *client)
{
    if (client->profile)
        gs_watch_profile_jobs_cancel(client->profile);
    close(client->fd);
    gs_text_fini(&client->answer);
    client->fd = -1;
}

static void reply(struct client *client, json_t *json)
{
    gs_json_print(json, JSON_COMPACT, &client->answer);
    if (client->answer.failed) // send no answer rather than a part of one
        gs_text_fini(&client->answer);
    json_decref(json);
    client->until_ns = gs_clock_monotonic_ns() + PATIENCE_NS;
}

static void refuse(struct client *client, const char *format, ...) GS_PRINTF(2, 3);

static void refuse(struct client *client, const char *format, ...)
{
    char why[200];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    reply(client, json_pack("{s:i, s:s}", "version", 1, "error", why));
}

static bool is_allowed_user(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void take_client(void)
{
    int fd = accept4(control.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (struct client *client = clients; is_allowed_user(fd) && client < clients + CLIENTS; client++)
        if (client->fd < 0) {
            *client = (struct client){.fd = fd, .until_ns = gs_clock_monotonic_ns() + PATIENCE_NS};
            return;
        }
    close(fd);
}

/* ---- requests --------------------------------------------------------------------------------------------------------- */

/* The kinds named in LIST, the default kinds if LIST is NULL; 0 if one is unknown. */
static unsigned kinds_of(const json_t *list)
{
    unsigned kinds = list ? 0 : GS_HEAP | GS_THREADS;
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const struct gs_kind_entry *kind = gs_kinds;
        while (kind->name && strcmp(kind->name, json_is_string(item) ? json_string_value(item) : "") != 0)
            kind++;
        if (!kind->name)
            return 0;
        kinds |= kind->kind;
    }
    return kinds;
}

static bool read_capture(struct client *client, const json_t *request, struct gs_request *wanted)
{
    double seconds = json_number_value(json_object_get(request, "seconds"));
    bool in_range = seconds >= 0 && seconds <= SECONDS_MAX; // larger ones may not fit into cpu_ns
    wanted->kind = GS_REQUEST_CAPTURE;
    wanted->kinds = kinds_of(json_object_get(request, "kinds"));
    wanted->cpu_ns = in_range ? (int64_t)(seconds * 1e9) : 0;
    snprintf(wanted->reason, sizeof wanted->reason, "asked");
    snprintf(wanted->asker, sizeof wanted->asker, "on demand, by gumshoe capture");
    if (!wanted->kinds)
        refuse(client, "\"kinds\" names what this agent cannot capture");
    else if (!in_range)
        refuse(client, "\"seconds\" may be 0 to %d", SECONDS_MAX);
    else
        return true;
    return false;
}

/* "heap" of {"kind": "heap"}; 0: no kind of this agent. */
static unsigned kind_of(const json_t *request)
{
    json_t *list = json_pack("[O]", json_object_get(request, "kind"));
    unsigned kind = list ? kinds_of(list) : 0;
    json_decref(list);
    return kind;
}

/* Begin the profile that REQUEST asks for, or refuse. */
static void begin_profile(struct client *client, const json_t *request)
{
    double seconds = json_number_value(json_object_get(request, "seconds"));
    bool in_range = seconds >= 0 && seconds <= SECONDS_MAX;
    struct gs_profile_request wanted = {
        .kind = (enum gumshoe_kind)kind_of(request),
        .cpu_ns =
            in_range && seconds > 0 ? (int64_t)(seconds * 1e9) : atomic_load(&gs_watcher.cpu_duration_ns),
        .start_ns = gs_watcher.settings.start_ns,
        .reason = "on demand, by gumshoe serve",
        .text = json_is_true(json_object_get(request, "text")),
    };
    if (!wanted.kind)
        refuse(client, "\"kind\" names what this agent cannot capture");
    else if (!in_range)
        refuse(client, "\"seconds\" may be 0 to %d", SECONDS_MAX);
    else if (!(client->profile = gs_watch_profile_jobs_begin(&wanted)))
        refuse(client,
               errno == EBUSY ? "too many profiles are being made" : "the profile could not be begun");
}

static void take_request(struct client *client)
{
    json_error_t error;
    json_t *request = gs_json_read(client->request, client->length, JSON_REJECT_DUPLICATES, &error);
    const char *command = json_string_value(json_object_get(request, "command"));
    struct gs_request wanted = {.kind = GS_REQUEST_STATUS};
    bool is_version_1 = json_integer_value(json_object_get(request, "version")) == 1 && command;
    if (!is_version_1)
        refuse(client, "not a request of version 1");
    else if (strcmp(command, "profile") == 0)
        begin_profile(client, request);
    else if (strcmp(command, "status") != 0 && strcmp(command, "capture") != 0)
        refuse(client, "unknown command");
    else if (strcmp(command, "status") == 0 || read_capture(client, request, &wanted)) {
        client->posted = gs_watch_request_post(&wanted);
        if (!client->posted)
            refuse(client, "too many requests are waiting");
    }
    json_decref(request);
}

static void read_request(struct client *client)
{
    ssize_t received =
        recv(client->fd, client->request + client->length, sizeof client->request - client->length, 0);
    if (received <= 0) {
        if (received == 0 || (errno != EAGAIN && errno != EINTR))
            drop(client);
        return;
    }
    client->length += (size_t)received;
    if (memchr(client->request, '\n', client->length))
        take_request(client);
    else if (client->length == sizeof client->request)
        refuse(client, "the request is longer than %d bytes", REQUEST_MAX);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void take_answer(struct client *client)
{
    struct gs_request *posted = client->posted;
    if (posted->result)
        refuse(client, "%s", strerrordesc_np(-posted->result));
    else if (posted->kind == GS_REQUEST_STATUS) {
        client->answer = posted->text;
        posted->text = (struct gs_text){0};
        client->until_ns = gs_clock_monotonic_ns() + PATIENCE_NS;
    } else
        reply(client, json_pack("{s:i, s:s}", "version", 1, "incident", posted->path));
    client->posted = NULL;
    gs_watch_request_forget(posted);
}

/* Answer with the profile, after a line that says how long it is. */
static void take_profile(struct client *client)
{
    struct gs_text profile = {0};
    int error = gs_watch_profile_jobs_take(client->profile, &profile);
    client->profile = NULL;
    if (error)
        refuse(client, "%s", error == -ENODATA ? "nothing was recorded" : strerrordesc_np(-error));
    else
        reply(client, json_pack("{s:i, s:I}", "version", 1, "bytes", (json_int_t)profile.length));
    if (!error && client->answer.length) {
        gs_text_add_bytes(&client->answer, profile.bytes, profile.length);
        if (client->answer.failed) // the line alone would announce bytes that do not come
            gs_text_fini(&client->answer);
        client->until_ns = gs_clock_monotonic_ns() + PROFILE_PATIENCE_NS;
    }
    gs_text_fini(&profile);
}

static void write_answer(struct client *client)
{
    ssize_t sent = send(client->fd, client->answer.bytes + client->written,
                        client->answer.length - client->written, MSG_NOSIGNAL);
    if (sent > 0)
        client->written += (size_t)sent;
    if (client->written == client->answer.length || (sent < 0 && errno != EAGAIN && errno != EINTR))
        drop(client);
}

static void serve(struct client *client, short events)
{
    if (client->posted && gs_watch_request_wait(client->posted, 0))
        take_answer(client);
    if (client->profile && events & (POLLHUP | POLLERR)) {
        drop(client);
        return;
    }
    if (client->profile && gs_watch_profile_jobs_is_done(client->profile))
        take_profile(client);
    bool waits = client->posted || client->profile;
    if (!waits && client->answer.length)
        write_answer(client);
    else if (!waits && events & (POLLIN | POLLHUP | POLLERR))
        read_request(client);
    if (client->fd >= 0 && !client->posted && !client->profile && gs_clock_monotonic_ns() > client->until_ns)
        drop(client);
}

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

/* Fill FDS for poll(2): the listener, the eventfd, and each client that is being read or written. Returns the timeout in
 * ms. */
static int list_descriptors(struct pollfd fds[CLIENTS + 2])
{
    int timeout = -1;
    fds[LISTENER] = (struct pollfd){.fd = control.listener, .events = POLLIN};
    fds[WOKEN] = (struct pollfd){.fd = control.woken, .events = POLLIN};
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &clients[i];
        short events = client->profile         ? 0
                       : client->answer.length ? POLLOUT
                                               : POLLIN; // 0: only whether it has gone
        fds[i] = (struct pollfd){.fd = client->posted ? -1 : client->fd, .events = events};
        if (client->fd >= 0)
            timeout = POLL_MS;
    }
    return timeout;
}

static void answer_all(void *unused)
{
    struct pollfd fds[CLIENTS + 2];
    uint64_t count;
    (void)unused;
    while (!atomic_load(&control.stopping)) {
        if (poll(fds, CLIENTS + 2, list_descriptors(fds)) < 0 && errno != EINTR)
            break;
        if (fds[WOKEN].revents & POLLIN)
            (void)!read(control.woken, &count, sizeof count);
        (void)gs_credentials_follow();
        for (int i = 0; i < CLIENTS; i++)
            if (clients[i].fd >= 0)
                serve(&clients[i], fds[i].revents);
        if (fds[LISTENER].revents & POLLIN)
            take_client();
        atomic_store(&control.cpu_ns, gs_clock_thread_cpu_ns());
    }
}

uint64_t gs_watch_control_cpu_ns(void)
{
    return atomic_load(&control.cpu_ns) + gs_watch_profile_jobs_cpu_ns();
}

void gs_watch_control_wake(void)
{
    const uint64_t one = 1;
    if (control.listener >= 0)
        (void)!write(control.woken, &one, sizeof one);
}

static void close_listener(void)
{
    close(control.woken);
    close(control.listener);
    control.listener = -1;
    gs_store_live_remove(control.store, control.name);
}

void gs_watch_control_start(struct gs_store *store)
{
    const struct gs_own_thread_options start = {"gumshoe-ask", answer_all, NULL, STACK_BYTES,
                                                GS_FDS_OF_CREATOR};
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.fd = -1};
    control.store = store;
    control.stopping = false;
    control.woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    control.listener = control.woken < 0 ? -errno : gs_store_live_listen(store, control.name);
    if (control.listener < 0) {
        gs_log(GS_LOG_WARNING, "no control socket in %s/.live: %s", gs_store_path(store),
               strerrordesc_np(-control.listener));
        if (control.woken >= 0)
            close(control.woken);
        return;
    }
    if (gs_own_thread_start(&control.thread, &start) == 0)
        return;
    gs_log(GS_LOG_WARNING,
           "the control socket has no thread: gumshoe status and gumshoe capture cannot reach this process");
    close_listener();
}

void gs_watch_control_stop(void)
{
    if (control.listener < 0)
        return;
    atomic_store(&control.stopping, true);
    gs_watch_control_wake();
    bool ended = gs_own_thread_join(&control.thread, GS_NS_PER_S);
    if (ended)
        gs_watch_profile_jobs_stop(GS_NS_PER_S);
    close_listener();
    for (struct client *client = clients; ended && client < clients + CLIENTS; client++)
        if (client->fd >= 0) {
            close(client->fd);
            gs_text_fini(&client->answer);
            if (client->posted)
                gs_watch_request_forget(client->posted); // the watcher has refused it already
        }
}

void gs_watch_control_after_fork(void)
{
    gs_own_thread_after_fork(&control.thread);
    control.listener = -1;
}
