/* ask.c - the client of an agent's control socket (watch/control.c): sends one line of JSON, receives one document. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16 << 20, PID_MAX = 1 << 30 };

int gs_cli_read_pid(const struct gs_arguments *arguments)
{
    long long pid = 0;
    if (arguments->operand_count != 1 || !gs_cli_read_number(arguments->operand[0], 1, PID_MAX, &pid))
        gs_cli_usage(arguments->command, "give one process id");
    return (int)pid;
}

static int send_request(int fd, json_t *request)
{
    struct gs_text line = {0};
    gs_json_print(request, JSON_COMPACT, &line);
    int error = line.failed ? -ENOMEM : gs_file_write_all(fd, line.bytes, line.length);
    gs_text_fini(&line);
    return error;
}

/* Wait until FD has something to read, and show WAIT's progress meanwhile. 0 or -errno. */
static int wait_for_answer(int fd, int timeout_s, const struct gs_cli_wait *wait)
{
    enum { STEP_MS = 200 };
    struct gs_cli_progress progress;
    struct pollfd what = {.fd = fd, .events = POLLIN};
    int64_t began_ns = gs_clock_monotonic_ns(), waited_s = 0;
    int ready = 0;
    gs_cli_progress_begin(&progress);
    while (ready == 0 && waited_s < timeout_s) {
        ready = poll(&what, 1, STEP_MS);
        if (ready < 0 && errno == EINTR)
            ready = 0;
        waited_s = (gs_clock_monotonic_ns() - began_ns) / GS_NS_PER_S;
        if (ready == 0 && wait->expected_s > 0)
            gs_cli_progress_tell(&progress, "%s: %lld s of %g s", wait->what, (long long)waited_s,
                                 wait->expected_s);
        else if (ready == 0)
            gs_cli_progress_tell(&progress, "%s: %lld s", wait->what, (long long)waited_s);
    }
    int error = ready < 0 ? -errno : ready == 0 ? -EAGAIN : 0;
    gs_cli_progress_clear(&progress);
    return error;
}

static json_t *exchange(int fd, json_t *request, int timeout_s, const struct gs_cli_wait *wait, int *error)
{
    char *text = NULL;
    size_t length = 0;
    *error = send_request(fd, request);
    if (!*error && wait)
        *error = wait_for_answer(fd, timeout_s, wait);
    if (!*error)
        *error = gs_file_read_all(fd, ANSWER_MAX, &text, &length);
    json_error_t why;
    json_t *answer = *error ? NULL : gs_json_read(text, length, 0, &why);
    gs_free(text);
    if (!*error && !json_is_object(answer))
        *error = length ? -EPROTO : -ECONNRESET;
    return answer;
}

json_t *gs_cli_ask_agent(int pid, json_t *request, int timeout_s, bool *has_agent, int *status)
{
    return gs_cli_ask_agent_and_wait(pid, request, timeout_s, NULL, has_agent, status);
}

json_t *gs_cli_ask_agent_and_wait(int pid, json_t *request, int timeout_s, const struct gs_cli_wait *wait,
                                  bool *has_agent, int *status)
{
    int fd = gs_store_live_connect(pid), error = fd < 0 ? fd : 0;
    json_t *answer = NULL;
    if (json_object_set_new(request, "version", json_integer(1)) != 0)
        error = -ENOMEM;
    if (fd >= 0) {
        struct timeval timeout = {.tv_sec = timeout_s};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        if (!error)
            answer = exchange(fd, request, timeout_s, wait, &error);
        close(fd);
    }
    json_decref(request);
    const char *refusal = json_string_value(json_object_get(answer, "error"));
    *has_agent = error != -ENOENT;
    *status = *has_agent ? GS_EXIT_OK : GS_EXIT_NEGATIVE;
    if (refusal)
        *status = gs_cli_complain(GS_EXIT_NEGATIVE, "process %d: %s", pid, refusal);
    else if (error == -EACCES || error == -EPERM)
        *status = gs_cli_complain(GS_EXIT_IO, "process %d belongs to another user", pid);
    else if (error && error != -ENOENT)
        *status = gs_cli_complain(GS_EXIT_IO, "process %d: %s", pid, strerrordesc_np(-error));
    if (*status == GS_EXIT_OK)
        return answer;
    json_decref(answer);
    return NULL;
}
