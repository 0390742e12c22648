/* serve.c - `gumshoe serve`: shows what is in directories of incidents, and what their agents see, over HTTP; makes incidents of
 * processes that died there, like `gumshoe collect`. */
#include "cli/serve.h"
#include "cli/cli.h"
#include "cli/collect.h"
#include "cli/options.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ARENAS = 2, DESCRIPTORS = 4096 };

struct serving {
    struct gs_served served;
    struct gs_collector *collector;
};

/* Make the incidents of the dead; once a second. */
static void look_after(void *argument)
{
    struct serving *serving = argument;
    char path[PATH_MAX];
    for (size_t i = 0; i < serving->served.dir_count; i++)
        (void)gs_cli_collect(&serving->collector[i], GS_COLLECT_QUIET_NS, false, path);
}

/* Signals are for the main thread, which waits for them; a client that hangs up is no reason to end. */
static void block_signals(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Keep memory small although there are threads: few arenas, and large blocks are given back. More descriptors than the usual
 * 1024: one for each agent that is asked. */
static void set_limits(void)
{
    struct rlimit files;
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= DESCRIPTORS)
        return;
    files.rlim_cur = files.rlim_max < DESCRIPTORS ? files.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int serve(struct serving *serving, const char *where, bool allow_remote)
{
    struct gs_listen listen;
    serving->collector = calloc(serving->served.dir_count, sizeof *serving->collector);
    if (!serving->collector)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    for (size_t i = 0; i < serving->served.dir_count; i++)
        serving->collector[i].dir = serving->served.dir[i];
    set_limits();
    block_signals();
    int status = gs_cli_listen(where, allow_remote, &listen);
    if (status != GS_EXIT_OK) {
        free(serving->collector);
        return status;
    }
    gs_cli_complain(GS_EXIT_OK, "serving at %s", listen.shown);
    status = gs_cli_web_serve(&listen, &serving->served, look_after, serving);
    gs_cli_listen_close(&listen);
    for (size_t i = 0; i < serving->served.dir_count; i++)
        gs_cli_collect_close(&serving->collector[i]);
    return status; // connections may still use the rest
}

int gs_cli_run_serve(struct gs_arguments *arguments)
{
    const char *where = "127.0.0.1:6060", *usual[] = {gs_cli_default_dir()};
    struct serving serving = {0};
    bool allow_remote = false;
    int status;
    const struct gs_option options[] = {
        {"listen", .argument = "WHERE", .text = &where,
         .help = "ADDRESS:PORT or unix:PATH (default: 127.0.0.1:6060; port 0: any that is free)"},
        {"allow-remote", .set = &allow_remote,
         .help = "listen at an address that other machines reach: there is no password"},
        {"allow-cmdline", .set = &serving.served.allow_cmdline,
         .help = "serve command lines, which may hold secrets"},
        {.argument = "DIR", .help = "directories of incidents (default: $GUMSHOE_DIR, else ./incidents)"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    bool named = arguments->operand_count > 0;
    serving.served.dir = named ? (const char *const *)arguments->operand : usual;
    serving.served.dir_count = named ? arguments->operand_count : 1;
    return serve(&serving, where, allow_remote);
}
