/* serve_agents.c - finds the agents of all directories, and asks all of them for their status at the same time.
 *
 *   DIR/.live/….sock ──▶ connect ──▶ one line ──▶ answer ──▶ JSON, one at a time ──▶ the caller
 *                          └──────── poll, until ASK_NS ────────┘
 *
 * A process may be stopped, or the socket somebody else's: who did not answer in time is left alone for a while, so that it
 * costs one time-out and not one at each scrape.
 * Bounds: GS_AGENTS_MAX agents; ANSWER_MAX bytes of each and ALL_MAX of all. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "cli/serve.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 512 << 10, ALL_MAX = 16 << 20, RETRY_MS = 5, LATE_MAX = 256 };
#define ASK_NS  GS_NS_PER_S
#define LATE_NS (15 * GS_NS_PER_S)

/* ---- finding --------------------------------------------------------------------------------------------------------- */

/* Open .live of DIR, or of USER's directory there. -errno. */
static int open_live(const char *dir, const struct gs_store_user *user)
{
    int fd = gs_file_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0), store = fd, live = fd;
    if (fd >= 0 && user)
        store = gs_store_user_open(fd, user);
    if (fd >= 0)
        live = store < 0 ? store : gs_file_openat(store, ".live", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (store >= 0 && store != fd)
        close(store);
    if (fd >= 0)
        close(fd);
    return live;
}

static int by_pid(const void *a, const void *b)
{
    const struct gs_agent *x = a, *y = b;
    if (x->id.pid != y->id.pid)
        return x->id.pid < y->id.pid ? -1 : 1;
    int order = strcmp(x->socket, y->socket);
    return order ? order : x->of_user - y->of_user;
}

/* Add the agents of directory number DIR of SERVED, or of USER's directory there. */
static void find_in(const struct gs_served *served, size_t dir, const struct gs_store_user *user,
                    struct gs_agent *agent, size_t *count)
{
    int live = open_live(served->dir[dir], user);
    if (live < 0)
        return;
    struct gs_dir entries;
    gs_file_dir_start(&entries, live);
    for (const char *name; *count < GS_AGENTS_MAX && (name = gs_file_dir_next(&entries));) {
        struct gs_agent found = {.dir = dir, .of_user = user != NULL};
        if (strlen(name) >= sizeof found.socket || !gs_store_live_id_read(name, ".sock", &found.id))
            continue;
        if (user)
            found.user = *user;
        strcpy(found.socket, name);
        agent[(*count)++] = found;
    }
    close(live);
}

static void find_of_users(const struct gs_served *served, size_t dir, struct gs_agent *agent, size_t *count)
{
    struct gs_store_users users;
    int fd = gs_file_openat(AT_FDCWD, served->dir[dir], O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return;
    gs_store_users_find(fd, &users);
    close(fd);
    for (size_t i = 0; i < users.count; i++)
        find_in(served, dir, &users.user[i], agent, count);
}

/* Is the process of this id in our pid namespace, and has it ended? Then nobody listens at its socket. */
static bool has_ended(const struct gs_store_live_id *id, uint32_t our_namespace)
{
    return id->namespace && id->namespace == our_namespace && !gs_store_live_is_running(id);
}

static void drop_dead(struct gs_agent *agent, size_t *count)
{
    struct gs_store_live_id self;
    size_t kept = 0;
    bool known = gs_store_live_id((int)getpid(), &self);
    for (size_t i = 0; i < *count; i++)
        if (!known || !has_ended(&agent[i].id, self.namespace))
            agent[kept++] = agent[i];
    *count = kept;
}

/* A user may name a socket as another agent's is named: such ones are dropped. AGENT is sorted. */
static void drop_doubles(struct gs_agent *agent, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || !agent[i].of_user || strcmp(agent[i].socket, agent[kept - 1].socket) != 0)
            agent[kept++] = agent[i];
    *count = kept;
}

size_t gs_cli_agents_find(const struct gs_served *served, struct gs_agent **out)
{
    size_t count = 0;
    struct gs_agent *agent = *out = gs_alloc(GS_AGENTS_MAX * sizeof *agent);
    for (size_t i = 0; agent && i < served->dir_count; i++)
        find_in(served, i, NULL, agent, &count);
    for (size_t i = 0; agent && i < served->dir_count; i++) // after the others: there may be very many
        find_of_users(served, i, agent, &count);
    if (!agent)
        return 0;
    drop_dead(agent, &count);
    gs_sort(agent, count, sizeof *agent, by_pid);
    drop_doubles(agent, &count);
    for (size_t i = 0; i < count; i++) {
        bool shared = (i > 0 && agent[i - 1].id.pid == agent[i].id.pid) ||
                      (i + 1 < count && agent[i + 1].id.pid == agent[i].id.pid);
        if (shared)
            gs_store_live_id_print(&agent[i].id, agent[i].key);
        else
            snprintf(agent[i].key, sizeof agent[i].key, "%d", agent[i].id.pid);
    }
    return count;
}

/* Is the process that listens at FD the one that AGENT's socket is named after? Asked of sockets of users alone: they may
 * have made a link to another socket. */
static bool is_named_process(const struct gs_agent *agent, int fd)
{
    struct ucred peer;
    struct gs_store_live_id id;
    socklen_t length = sizeof peer;
    return !agent->of_user ||
           (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == agent->user.uid &&
            peer.pid > 0 && gs_store_live_id(peer.pid, &id) && id.pid == agent->id.pid &&
            id.start_ticks == agent->id.start_ticks);
}

int gs_cli_agent_connect(const struct gs_served *served, const struct gs_agent *agent)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int live = open_live(served->dir[agent->dir], agent->of_user ? &agent->user : NULL), error = 0;
    if (live < 0)
        return live;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", live, agent->socket);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        error = -errno;
    close(live);
    if (!error && !is_named_process(agent, fd))
        error = -EPERM;
    if (!error)
        return fd;
    if (fd >= 0)
        close(fd);
    return error;
}

/* ---- those that did not answer ------------------------------------------------------------------------------------------ */

static struct {
    pthread_mutex_t lock;
    struct {
        char socket[GS_LIVE_NAME];
        int64_t until_ns;
    } agent[LATE_MAX];
} late = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool was_late(const char *socket, int64_t now_ns)
{
    bool found = false;
    pthread_mutex_lock(&late.lock);
    for (int i = 0; i < LATE_MAX && !found; i++)
        found = late.agent[i].until_ns > now_ns && strcmp(late.agent[i].socket, socket) == 0;
    pthread_mutex_unlock(&late.lock);
    return found;
}

static void note_late(const char *socket, int64_t now_ns)
{
    int at = 0;
    pthread_mutex_lock(&late.lock);
    for (int i = 1; i < LATE_MAX; i++)
        if (late.agent[i].until_ns < late.agent[at].until_ns)
            at = i;
    strcpy(late.agent[at].socket, socket);
    late.agent[at].until_ns = now_ns + LATE_NS;
    pthread_mutex_unlock(&late.lock);
}

/* ---- asking all ------------------------------------------------------------------------------------------------------------ */

static const char request_line[] = "{\"version\":1,\"command\":\"status\"}\n";

struct conversation {
    int fd; // -1: not connected, or over
    bool over;
    size_t sent;
    struct gs_text text;
    const char *why; // why there is no answer; NULL: there may be one
};
struct round {
    const struct gs_served *served;
    const struct gs_agent *agent;
    struct conversation *with;
    struct pollfd *poll;
    size_t count, bytes; // bytes: of all answers
};

static void hang_up(struct conversation *with, const char *why)
{
    if (with->fd >= 0)
        close(with->fd);
    with->fd = -1;
    with->over = true;
    with->why = why;
}

static void begin(struct round *round, size_t at)
{
    struct conversation *with = &round->with[at];
    with->fd = gs_cli_agent_connect(round->served, &round->agent[at]);
    if (with->fd < 0 && with->fd != -EAGAIN)
        hang_up(with, with->fd == -ECONNREFUSED || with->fd == -ENOENT ? "it has ended"
                      : with->fd == -EACCES || with->fd == -EPERM      ? "it belongs to another user"
                      : with->fd == -EMFILE                            ? "too many descriptors are open"
                                                                       : "it cannot be connected to");
}

static void send_request(struct conversation *with)
{
    ssize_t sent =
        send(with->fd, request_line + with->sent, sizeof request_line - 1 - with->sent, MSG_NOSIGNAL);
    if (sent > 0)
        with->sent += (size_t)sent;
    else if (errno != EAGAIN && errno != EINTR)
        hang_up(with, "it hung up");
}

static void receive(struct round *round, struct conversation *with)
{
    char part[8192];
    ssize_t got = recv(with->fd, part, sizeof part, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        hang_up(with, got == 0 && with->text.length ? NULL : "it hung up");
        return;
    }
    round->bytes += (size_t)got;
    gs_text_add_bytes(&with->text, part, (size_t)got);
    if (with->text.failed || with->text.length > ANSWER_MAX || round->bytes > ALL_MAX) {
        gs_text_fini(&with->text);
        hang_up(with, "its answer is too long");
    }
}

/* One poll of all conversations. False: all are over. */
static bool turn(struct round *round, int timeout_ms)
{
    size_t waiting = 0;
    bool retry = false;
    for (size_t i = 0; i < round->count; i++) {
        struct conversation *with = &round->with[i];
        if (!with->over && with->fd < 0)
            begin(round, i);
        retry |= !with->over && with->fd < 0;
        waiting += !with->over;
        round->poll[i] = (struct pollfd){.fd = with->over ? -1 : with->fd,
                                         .events = with->sent < sizeof request_line - 1 ? POLLOUT : POLLIN};
    }
    if (!waiting ||
        poll(round->poll, round->count, retry && timeout_ms > RETRY_MS ? RETRY_MS : timeout_ms) < 0)
        return waiting > 0;
    for (size_t i = 0; i < round->count; i++) {
        struct conversation *with = &round->with[i];
        if (with->over || with->fd < 0 || !round->poll[i].revents)
            continue;
        if (with->sent < sizeof request_line - 1)
            send_request(with);
        else
            receive(round, with);
    }
    return true;
}

static void ask(struct round *round)
{
    int64_t now_ns = gs_clock_monotonic_ns(), until_ns = now_ns + ASK_NS;
    for (size_t i = 0; i < round->count; i++) {
        round->with[i].fd = -1;
        if (was_late(round->agent[i].socket, now_ns))
            hang_up(&round->with[i], "it did not answer lately");
    }
    for (; now_ns < until_ns && turn(round, (int)((until_ns - now_ns) / GS_NS_PER_MS) + 1);
         now_ns = gs_clock_monotonic_ns())
        ;
    for (size_t i = 0; i < round->count; i++)
        if (!round->with[i].over) {
            note_late(round->agent[i].socket, now_ns);
            hang_up(&round->with[i], "it does not answer: it is stopped or very busy");
        }
}

/* The answer of agent AT as JSON; NULL: there is none, *WHY says why. */
static json_t *read_answer(struct conversation *with, const char **why)
{
    json_error_t error;
    json_t *json = with->why ? NULL : gs_json_read(with->text.bytes, with->text.length, 0, &error);
    *why = with->why ? with->why : "its answer is no status of version 1";
    if (json_is_object(json) && json_integer_value(json_object_get(json, "version")) == 1 &&
        json_is_array(json_object_get(json, "rules")))
        return json;
    json_decref(json);
    return NULL;
}

void gs_cli_agents_ask(const struct gs_served *served, const struct gs_agent *agent, size_t count,
                       void (*answer)(void *argument, size_t index, const json_t *status, const char *why),
                       void *argument)
{
    struct round round = {
        served, agent, gs_alloc((count + 1) * sizeof *round.with), gs_alloc((count + 1) * sizeof *round.poll),
        count,  0};
    if (round.with && round.poll)
        ask(&round);
    for (size_t i = 0; i < count && round.with && round.poll; i++) {
        const char *why;
        json_t *status = read_answer(&round.with[i], &why);
        gs_text_fini(&round.with[i].text);
        answer(argument, i, status, why);
        json_decref(status);
    }
    gs_free(round.with);
    gs_free(round.poll);
}
