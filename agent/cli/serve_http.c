/* serve_http.c - connections and answers of `gumshoe serve`, by libmicrohttpd. Only serve_request.c calls it, too.
 *
 *   accepted ──HEADER_NS──▶ request ──▶ gs_cli_web_route ──▶ answer ──by its size──▶ completed ──IDLE_NS──▶ …
 *        └─────────── later than that: shut down, however busily the client sends a byte at a time ───────────┘
 *
 * Bounds: CONNECTIONS threads; HEADER_BYTES of a request; bodies of requests are never read. A connection's time is limited as a
 *         whole (this file) and while it says nothing (libmicrohttpd). */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { CONNECTIONS = 64, HEADER_BYTES = 16 << 10, SILENT_S = 10, STACK_BYTES = 1 << 20 };
#define HEADER_NS     (15 * GS_NS_PER_S)
#define IDLE_NS       (30 * GS_NS_PER_S)
#define ANSWER_NS     (60 * GS_NS_PER_S)
#define BYTES_PER_SEC (64 << 10) /* the slowest client that gets a large answer */
#define END_NS        (2 * GS_NS_PER_S)

/* ---- the time of a connection ---------------------------------------------------------------------------------------- */

struct web_connection {
    int fd;           // valid until libmicrohttpd says that the connection is closed
    int64_t until_ns; // CLOCK_MONOTONIC; 0: the slot is free; INT64_MAX: a request is being answered
};
static struct {
    pthread_mutex_t lock;
    struct web_connection connection[CONNECTIONS];
} web = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void set_deadline(struct web_connection *connection, int64_t until_ns)
{
    if (!connection)
        return;
    pthread_mutex_lock(&web.lock);
    connection->until_ns = until_ns;
    pthread_mutex_unlock(&web.lock);
}

static void on_connection(void *unused, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)unused;
    if (what != MHD_CONNECTION_NOTIFY_STARTED) {
        set_deadline(*own, 0);
        return;
    }
    const union MHD_ConnectionInfo *about =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&web.lock);
    for (struct web_connection *slot = web.connection; about && !*own && slot < web.connection + CONNECTIONS;
         slot++)
        if (slot->until_ns == 0) {
            *slot = (struct web_connection){about->connect_fd, gs_clock_monotonic_ns() + HEADER_NS};
            *own = slot;
        }
    pthread_mutex_unlock(&web.lock);
}

static struct web_connection *own_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *about =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return about ? about->socket_context : NULL;
}

/* Shut down the connections whose time is over. Returns how many requests are being answered. */
static unsigned end_late_connections(void)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    unsigned answering = 0;
    pthread_mutex_lock(&web.lock);
    for (struct web_connection *slot = web.connection; slot < web.connection + CONNECTIONS; slot++) {
        answering += slot->until_ns == INT64_MAX;
        if (slot->until_ns && now_ns > slot->until_ns) {
            shutdown(slot->fd, SHUT_RDWR);
            slot->until_ns = now_ns + IDLE_NS; // its thread closes it
        }
    }
    pthread_mutex_unlock(&web.lock);
    return answering;
}

static void on_completed(void *unused, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode how)
{
    (void)unused, (void)request, (void)how;
    set_deadline(own_of(connection), gs_clock_monotonic_ns() + IDLE_NS);
}

/* ---- one request ----------------------------------------------------------------------------------------------------- */

static void add_headers(struct MHD_Response *response, const struct gs_web_answer *answer)
{
    char disposition[GS_FOLDER_NAME_MAX + 40];
    MHD_add_response_header(response, "Content-Type",
                            answer->type ? answer->type : "text/plain; charset=utf-8");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(
        response, "Content-Security-Policy",
        answer->own_policy ? "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                           : "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'");
    if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (answer->location)
        MHD_add_response_header(response, "Location", answer->location);
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%.*s\"", GS_FOLDER_NAME_MAX,
             answer->file_name ? answer->file_name : "");
    if (answer->file_name)
        MHD_add_response_header(response, "Content-Disposition", disposition);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct gs_web_answer *answer)
{
    if (answer->body.failed)
        gs_cli_web_refuse(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "there is not enough memory");
    size_t length = answer->body.length;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(length, answer->body.bytes, gs_free);
    if (!response) {
        gs_text_fini(&answer->body);
        return MHD_NO;
    }
    add_headers(response, answer);
    set_deadline(own_of(connection),
                 gs_clock_monotonic_ns() + ANSWER_NS + (int64_t)(length / BYTES_PER_SEC) * GS_NS_PER_S);
    enum MHD_Result result =
        MHD_queue_response(connection, answer->status ? answer->status : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

struct web_server {
    const struct gs_listen *listen;
    const struct gs_served *served;
};

/* Called with the path as it was sent. Its result becomes on_request's *STATE: not NULL if the path has a NUL, after which the
 * unescaped one would seem to end. */
static void *find_nul(void *unused, const char *sent, struct MHD_Connection *connection)
{
    (void)unused, (void)connection;
    return strstr(sent, "%00");
}

/* libmicrohttpd has read the headers of a request. */
static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_length, void **state)
{
    const struct web_server *server = argument;
    const union MHD_ConnectionInfo *about =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct gs_web_request request = {.served = server->served,
                                     .connection = connection,
                                     .path = path,
                                     .head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0,
                                     .fd = about ? about->connect_fd : -1};
    struct gs_web_answer answer = {0};
    (void)version, (void)body, (void)body_length;
    set_deadline(own_of(connection), INT64_MAX);
    if (!request.head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        gs_cli_web_refuse(&answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are served");
    else if (!gs_cli_listen_is_host(server->listen, gs_cli_web_header(&request, MHD_HTTP_HEADER_HOST)))
        gs_cli_web_refuse(&answer, MHD_HTTP_MISDIRECTED_REQUEST,
                          "the Host header does not name the address that is listened at: use %s",
                          server->listen->shown);
    else if (*state)
        gs_cli_web_refuse(&answer, MHD_HTTP_BAD_REQUEST, "the path contains a NUL");
    else
        gs_cli_web_route(&request, &answer);
    return send_answer(connection, &answer);
}

/* ---- the server ------------------------------------------------------------------------------------------------------ */

/* Wait for SIGTERM or SIGINT, for a second. */
static bool is_asked_to_end(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    return sigtimedwait(&stop, NULL, &(struct timespec){.tv_sec = 1}) >= 0;
}

/* Let the requests that are being answered finish, for a moment. */
static void end_gently(void)
{
    for (int64_t until_ns = gs_clock_monotonic_ns() + END_NS;
         gs_clock_monotonic_ns() < until_ns && end_late_connections();)
        nanosleep(&(struct timespec){.tv_nsec = 20 * GS_NS_PER_MS}, NULL);
}

int gs_cli_web_serve(const struct gs_listen *listen, const struct gs_served *served,
                     void (*each_second)(void *), void *argument)
{
    struct web_server server = {listen, served};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL,
        NULL, on_request, &server, MHD_OPTION_LISTEN_SOCKET, listen->fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK, find_nul, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!daemon)
        return gs_cli_complain(GS_EXIT_IO, "the server could not be started");
    do {
        (void)end_late_connections();
        each_second(argument);
    } while (!is_asked_to_end());
    (void)MHD_quiesce_daemon(daemon);
    end_gently();
    return GS_EXIT_OK; // the process ends, and the connections with it: MHD_stop_daemon would wait for profiles of minutes
}
