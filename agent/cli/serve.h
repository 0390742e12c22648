/* cli/serve.h - what the files of `gumshoe serve` share.
 *
 *   serve_listen.c ──▶ serve_http.c ──▶ serve_routes.c ─┬▶ serve_profiles.c ──▶ serve_ask.c: one agent, in the request's thread
 *                      (connections)    (paths)         ├▶ serve_metrics.c ──▶ serve_agents.c: all agents at once
 *                                                       └▶ serve_pages.c, serve_incidents.c
 *
 * Each connection has a thread. What agents and files say is not trusted: sizes and times are bounded, texts are escaped. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "store/store.h"
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the server ---------------------------------------------------------------------------------------------- */

struct gs_served {              // what is served; does not change once the server runs
    const char *const *dir;
    size_t dir_count;
    bool allow_cmdline;
};

/* Where the server listens (serve_listen.c). */
struct gs_listen {
    int fd;
    bool is_unix, is_loopback, is_wildcard; // loopback: also a unix socket
    struct sockaddr_storage address;        // of a TCP socket
    char path[PATH_MAX];                    // of a unix socket, which is removed at the end
    char shown[PATH_MAX + 16];              // "http://127.0.0.1:6060/"
};
/* Listen at TEXT: "127.0.0.1:6060", "[::1]:0", "localhost:6060", ":6060", "unix:PATH" (mode 0600). Not a loopback address: only
 * with ALLOW_REMOTE, and with a warning. Returns an exit status; errors are printed. */
int gs_cli_listen(const char *text, bool allow_remote, struct gs_listen *out);
void gs_cli_listen_close(struct gs_listen *listen);
/* Is HOST (a Host header; NULL: none) the address that we listen at? A page of somebody else's, whose name was pointed at our
 * address (DNS rebinding), sends its own name. */
bool gs_cli_listen_is_host(const struct gs_listen *listen, const char *host);

/* ---- requests and answers (serve_http.c, serve_request.c) ------------------------------------------------------------ */

struct MHD_Connection;
struct gs_web_request {
    const struct gs_served *served;
    struct MHD_Connection *connection;
    const char *path;           // unescaped, begins with "/"
    bool head;                  // of HEAD: the body is not wanted
    int fd;                     // of the connection: closed by the client: nobody waits
};
struct gs_web_answer {          // all zero: 200, nothing
    unsigned status;            // 0: 200
    const char *type;           // Content-Type; NULL: text/plain; charset=utf-8
    const char *file_name;      // of a download; NULL: none. Borrowed
    const char *location;       // of a redirection; NULL: none
    bool own_policy;            // a page that carries a Content-Security-Policy of its own
    char text[PATH_MAX + 64];   // room for file_name and location
    struct gs_text body;
};
/* The query argument NAME; NULL: none. Borrowed from the request. */
const char *gs_cli_web_argument(const struct gs_web_request *request, const char *name);
const char *gs_cli_web_header(const struct gs_web_request *request, const char *name);
/* Answer with STATUS and a sentence. */
void gs_cli_web_refuse(struct gs_web_answer *answer, unsigned status, const char *format, ...) GS_PRINTF(3, 4);
/* Serve until SIGTERM or SIGINT, which the caller has blocked; EACH_SECOND is called between. Returns an exit status. */
int gs_cli_web_serve(const struct gs_listen *listen, const struct gs_served *served, void (*each_second)(void *), void *argument);
/* Answer REQUEST, whose method and host are checked (serve_routes.c). */
void gs_cli_web_route(const struct gs_web_request *request, struct gs_web_answer *answer);

/* ---- agents -------------------------------------------------------------------------------------------------------- */

enum { GS_AGENTS_MAX = 1024, GS_PROGRAM_SHOWN = 64 };
struct gs_agent {               // one control socket in DIR/.live
    size_t dir;                 // index in gs_served.dir
    bool of_user;               // in the directory there of USER
    struct gs_store_user user;
    char socket[GS_LIVE_NAME];  // its file name
    struct gs_store_live_id id;
    char key[GS_LIVE_NAME];     // its pid, or all of its id where two have the same pid: the part PID of /pid/PID/
};
/* The agents in all directories, sorted. Returns how many; the caller frees *OUT with gs_free. */
size_t gs_cli_agents_find(const struct gs_served *served, struct gs_agent **out);
/* Connect to AGENT without waiting. A descriptor, or -errno: -EAGAIN: its queue is full. */
int gs_cli_agent_connect(const struct gs_served *served, const struct gs_agent *agent);
/* Ask all of AGENT[0..COUNT) for their status, at the same time, for at most about a second. ANSWER is called for each: STATUS is
 * its answer, borrowed, or NULL and WHY says why. An agent that did not answer in time is not asked again for a while. */
void gs_cli_agents_ask(const struct gs_served *served, const struct gs_agent *agent, size_t count,
                       void (*answer)(void *argument, size_t index, const json_t *status, const char *why), void *argument);
/* Send REQUEST (JSON; the reference is taken) to AGENT; BYTES gets what follows the first line of its answer, within SECONDS.
 * The end of the client's connection, CLIENT_FD, ends it early. 0, or -errno with a sentence in WHY: -ETIMEDOUT, -ECANCELED (the
 * client has gone), -ECONNREFUSED (the agent refused), -EPROTO. */
int gs_cli_agent_ask_bytes(const struct gs_served *served, const struct gs_agent *agent, json_t *request, int client_fd,
                           double seconds, struct gs_text *bytes, char *why, size_t why_size) GS_CHECK_RESULT;

/* ---- what all agents say (serve_metrics.c) ------------------------------------------------------------------------- */

struct gs_process_row {         // for the page of processes; NAN: not known
    struct gs_agent agent;
    char program[GS_PROGRAM_SHOWN], why[96]; // why: it does not answer; "": it does
    char started[GS_LIVE_NAME];
    double rss, heap_in_use, threads, fired;
    char *labels;               // of its samples in /metrics
};
/* Look at all agents, unless that was done within the last second, and call USE with what they say: one caller at a time. */
void gs_cli_processes_use(const struct gs_served *served, void (*use)(void *argument, const struct gs_process_row *row, size_t count),
                          void *argument);
/* /metrics */
void gs_cli_serve_metrics(const struct gs_web_request *request, struct gs_web_answer *answer);

/* ---- profiles ------------------------------------------------------------------------------------------------------- */

/* /debug/pprof/NAME of AGENT; NAME "": the index. */
void gs_cli_serve_profile(const struct gs_web_request *request, const struct gs_agent *agent, const char *name,
                          struct gs_web_answer *answer);
/* The readable form of the profile in BYTES, as Go's ?debug=1 has it (serve_profile_text.c). False: BYTES are no profile, WHY
 * says why. */
bool gs_cli_profile_text(const char *kind, const struct gs_text *bytes, struct gs_text *out, char *why, size_t why_size);

/* ---- incidents (serve_incidents.c) ------------------------------------------------------------------------------------ */

enum { GS_INCIDENTS_SHOWN = 500 };
struct gs_incident_row {
    size_t dir;
    int64_t time_ns;
    char key[GS_FOLDER_NAME_MAX], rule[GS_RULE_NAME_MAX + 1]; // key: as of store/store.h, the part NAME of /incident/DIR/NAME/
};
struct gs_incident_rows {
    struct gs_incident_row row[GS_INCIDENTS_SHOWN]; // newest first
    size_t count, left_out;                         // left_out: older ones
};
/* The newest incidents of all directories, by the names of their folders: nothing is opened. */
void gs_cli_incidents_find(const struct gs_served *served, struct gs_incident_rows *out);
/* Count the incidents of each rule, for /metrics: calls COUNTED for each rule of each directory. */
void gs_cli_incidents_count(const struct gs_served *served, void (*counted)(void *argument, size_t dir, const char *rule, size_t count, int64_t newest_ns),
                            void *argument);
/* incident.json of ROW; NULL: it cannot be read. */
json_t *gs_cli_incident_load(const struct gs_served *served, const struct gs_incident_row *row);
void gs_cli_serve_incidents_json(const struct gs_web_request *request, struct gs_web_answer *answer);
/* "/incident/" REST: DIR/NAME/ is a page, DIR/NAME/FILE a file of it. */
void gs_cli_serve_incident(const struct gs_web_request *request, const char *rest, struct gs_web_answer *answer);

/* ---- pages (serve_pages.c, serve_html.c) -------------------------------------------------------------------------------- */

void gs_cli_serve_index(const struct gs_web_request *request, struct gs_web_answer *answer);
/* Begin a page called TITLE; ROOT is the way to "/" from it: "", "../../". Links are relative, so that a reverse proxy may serve
 * us anywhere. */
void gs_cli_html_begin(struct gs_web_answer *answer, const char *title, const char *root);
void gs_cli_html_end(struct gs_web_answer *answer);
extern const char gs_cli_html_style[]; // style.css
