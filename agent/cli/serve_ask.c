/* serve_ask.c - asks one agent for a profile, while the client waits.
 *
 *   {"version":1,"command":"profile",…} ──▶ {"version":1,"bytes":N} and a newline ──▶ N bytes
 *
 * Bounds: ANSWER_LINE_MAX bytes before the newline, BYTES_MAX after it, ALL_MAX of all that are being received, and the
 *         caller's time. */
#include "base/clock.h"
#include "cli/serve.h"
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_LINE_MAX = 4096 };
#define BYTES_MAX (16 << 20)
#define ALL_MAX   (48 << 20)

static _Atomic size_t received; // of the exchanges that are under way

struct exchange {
    int fd, client;
    int64_t until_ns;
    size_t received;
    char *why;
    size_t why_size;
};

static int fail(struct exchange *exchange, int error, const char *why)
{
    snprintf(exchange->why, exchange->why_size, "%s", why);
    return error;
}

/* Wait until FD is ready for EVENTS. 0, -ETIMEDOUT, or -ECANCELED: the client has gone. */
static int wait_for(struct exchange *exchange, short events)
{
    for (;;) {
        int64_t left_ns = exchange->until_ns - gs_clock_monotonic_ns();
        struct pollfd fds[2] = {{.fd = exchange->fd, .events = events},
                                {.fd = exchange->client, .events = POLLRDHUP}};
        if (left_ns <= 0)
            return fail(exchange, -ETIMEDOUT, "the process does not answer: it is stopped or very busy");
        if (poll(fds, 2, (int)(left_ns / GS_NS_PER_MS) + 1) < 0 && errno != EINTR)
            return fail(exchange, -errno, "the agent cannot be waited for");
        if (fds[1].revents)
            return fail(exchange, -ECANCELED, "the client has closed the connection");
        if (fds[0].revents)
            return 0;
    }
}

static int connect_to(struct exchange *exchange, const struct gs_served *served, const struct gs_agent *agent)
{
    while ((exchange->fd = gs_cli_agent_connect(served, agent)) == -EAGAIN) { // its queue is full
        if (gs_clock_monotonic_ns() >= exchange->until_ns)
            return fail(exchange, -ETIMEDOUT, "the process does not answer: it is stopped or very busy");
        nanosleep(&(struct timespec){.tv_nsec = 10 * GS_NS_PER_MS}, NULL);
    }
    return exchange->fd < 0
               ? fail(exchange, exchange->fd, "the process has ended, or belongs to another user")
               : 0;
}

static int send_request(struct exchange *exchange, json_t *request)
{
    struct gs_text line = {0};
    gs_json_print(request, JSON_COMPACT, &line);
    int error = line.failed ? -ENOMEM : 0;
    for (size_t sent = 0; !error && sent < line.length;) {
        ssize_t part = send(exchange->fd, line.bytes + sent, line.length - sent, MSG_NOSIGNAL);
        if (part > 0)
            sent += (size_t)part;
        else if (errno == EAGAIN)
            error = wait_for(exchange, POLLOUT);
        else if (errno != EINTR)
            error = fail(exchange, -errno, "the agent hung up");
    }
    gs_text_fini(&line);
    return error;
}

/* Count GOT more bytes, if there is room for them. */
static bool has_room(struct exchange *exchange, const struct gs_text *out, size_t got)
{
    exchange->received += got;
    size_t all = atomic_fetch_add(&received, got) + got;
    return !out->failed && out->length <= BYTES_MAX + ANSWER_LINE_MAX && all <= ALL_MAX;
}

/* Receive until the agent closes the connection. */
static int receive(struct exchange *exchange, struct gs_text *out)
{
    char part[65536];
    for (;;) {
        ssize_t got = recv(exchange->fd, part, sizeof part, 0);
        if (got == 0)
            return 0;
        if (got > 0)
            gs_text_add_bytes(out, part, (size_t)got);
        if (got > 0 && !has_room(exchange, out, (size_t)got))
            return fail(exchange, -EPROTO, "the agent's answer is too long");
        int error = got < 0 && errno == EAGAIN ? wait_for(exchange, POLLIN) : 0;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            error = fail(exchange, -errno, "the agent hung up");
        if (error)
            return error;
    }
}

/* ANSWER is the line and the bytes: leave the bytes. */
static int unpack(struct exchange *exchange, struct gs_text *answer)
{
    json_error_t error;
    size_t length = answer->length < ANSWER_LINE_MAX ? answer->length : ANSWER_LINE_MAX;
    const char *newline = answer->length ? memchr(answer->bytes, '\n', length) : NULL;
    if (!newline)
        return fail(exchange, -EPROTO,
                    "the agent hung up, or does not know this request: is it of an older version?");
    size_t line = (size_t)(newline - answer->bytes) + 1;
    json_t *json = gs_json_read(answer->bytes, line, 0, &error);
    const char *refusal = json_string_value(json_object_get(json, "error"));
    json_int_t bytes = json_integer_value(json_object_get(json, "bytes"));
    int result = 0;
    if (refusal)
        result = fail(exchange, -ECONNREFUSED, refusal);
    else if (bytes <= 0 || (size_t)bytes != answer->length - line)
        result = fail(exchange, -EPROTO, "the agent's answer is not what it announced");
    json_decref(json);
    if (!result) {
        memmove(answer->bytes, answer->bytes + line, answer->length - line);
        answer->length -= line;
    }
    return result;
}

int gs_cli_agent_ask_bytes(const struct gs_served *served, const struct gs_agent *agent, json_t *request,
                           int client_fd, double seconds, struct gs_text *bytes, char *why, size_t why_size)
{
    struct exchange exchange = {.fd = -1,
                                .client = client_fd,
                                .until_ns = gs_clock_monotonic_ns() + (int64_t)(seconds * 1e9),
                                .why = why,
                                .why_size = why_size};
    int error = connect_to(&exchange, served, agent);
    if (!error)
        error = send_request(&exchange, request);
    if (!error)
        error = receive(&exchange, bytes);
    atomic_fetch_sub(&received, exchange.received);
    if (!error)
        error = unpack(&exchange, bytes);
    if (error)
        gs_text_fini(bytes);
    if (exchange.fd >= 0)
        close(exchange.fd);
    json_decref(request);
    return error;
}
