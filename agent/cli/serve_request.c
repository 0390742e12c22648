/* serve_request.c - what a request asks for, and how it is refused. */
#include "cli/serve.h"
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>

const char *gs_cli_web_argument(const struct gs_web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *gs_cli_web_header(const struct gs_web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void gs_cli_web_refuse(struct gs_web_answer *answer, unsigned status, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    gs_text_fini(&answer->body);
    *answer = (struct gs_web_answer){.status = status};
    gs_text_add_printable(&answer->body, why);
    gs_text_add(&answer->body, "\n");
}
