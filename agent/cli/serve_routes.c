/* serve_routes.c - which path of `gumshoe serve` is answered by which function. */
#include "base/memory.h"
#include "cli/serve.h"
#include <stdio.h>
#include <string.h>

static void redirect(struct gs_web_answer *answer, const char *where)
{
    answer->status = 301;
    snprintf(answer->text, sizeof answer->text, "%s", where);
    answer->location = answer->text;
    gs_text_add(&answer->body, "%s\n", where);
}

/* ---- paths of an agent ---------------------------------------------------------------------------------------------------- */

/* The part of PATH after "/debug/pprof/"; "" for the index; NULL: another path. Without the last slash the index is redirected,
 * so that its relative links work. */
static const char *profile_name(const char *path, struct gs_web_answer *answer)
{
    static const char folder[] = "/debug/pprof";
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) != 0)
        return NULL;
    if (path[length] == 0)
        redirect(answer, "pprof/");
    return path[length] == '/' || path[length] == 0 ? path + length + (path[length] == '/') : NULL;
}

/* /debug/pprof/NAME is of the one agent there is. */
static void serve_only_agent(const struct gs_web_request *request, const char *name,
                             struct gs_web_answer *answer)
{
    struct gs_agent *agent;
    size_t count = gs_cli_agents_find(request->served, &agent);
    if (count == 1)
        gs_cli_serve_profile(request, agent, name, answer);
    else if (count == 0)
        gs_cli_web_refuse(answer, 404, "no process is watched now");
    else
        gs_cli_web_refuse(answer, 404,
                          "%zu processes are watched: use /pid/PID/debug/pprof/%.40s; / lists them", count,
                          name);
    gs_free(agent);
}

/* REST: "KEY/debug/pprof/NAME". */
static void serve_agent(const struct gs_web_request *request, const char *rest, struct gs_web_answer *answer)
{
    struct gs_agent *agent;
    size_t count = gs_cli_agents_find(request->served, &agent), length = strcspn(rest, "/"), at = 0;
    while (at < count && !(strlen(agent[at].key) == length && strncmp(agent[at].key, rest, length) == 0))
        at++;
    const char *name = profile_name(rest + length, answer);
    if (answer->status == 0 && !name)
        gs_cli_web_refuse(answer, 404, "there is /pid/PID/debug/pprof/");
    else if (answer->status == 0 && at == count)
        gs_cli_web_refuse(answer, 404, "no watched process is called %.*s: / lists them",
                          (int)(length < 60 ? length : 60), rest);
    else if (answer->status == 0)
        gs_cli_serve_profile(request, &agent[at], name, answer);
    gs_free(agent);
}

/* ---- the others ------------------------------------------------------------------------------------------------------------ */

static void serve_style(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    (void)request;
    answer->type = "text/css; charset=utf-8";
    gs_text_add_bytes(&answer->body, gs_cli_html_style, strlen(gs_cli_html_style));
}

static void serve_health(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    (void)request;
    gs_text_add(&answer->body, "ok\n");
}

static const struct {
    const char *path;
    void (*answer)(const struct gs_web_request *request, struct gs_web_answer *answer);
} pages[] = {
    {"/", gs_cli_serve_index},
    {"/metrics", gs_cli_serve_metrics},
    {"/incidents.json", gs_cli_serve_incidents_json},
    {"/healthz", serve_health},
    {"/style.css", serve_style},
};

void gs_cli_web_route(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(request->path, pages[i].path) == 0) {
            pages[i].answer(request, answer);
            return;
        }
    const char *name = profile_name(request->path, answer);
    if (answer->status)
        return;
    if (name)
        serve_only_agent(request, name, answer);
    else if (strncmp(request->path, "/pid/", 5) == 0)
        serve_agent(request, request->path + 5, answer);
    else if (strncmp(request->path, "/incident/", 10) == 0)
        gs_cli_serve_incident(request, request->path + 10, answer);
    else
        gs_cli_web_refuse(answer, 404, "there is nothing here: / lists what there is");
}
