/* import_mistakes.c - the mistakes of a file that is being read: the first of each kind with its place, the others counted. */
#include "reader/import.h"
#include <stdarg.h>
#include <stdio.h>

void gs_reader_import_refuse(struct gs_importer *importer, enum gs_import_mistake mistake,
                             struct gs_import_place place, const char *hint, const char *format, ...)
{
    char text[160];
    va_list args;
    if (importer->refused[mistake]++)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gs_errors_add(importer->errors, GS_ERROR, importer->file, place.line, place.col, hint, "%s", text);
}

bool gs_reader_import_failed(const struct gs_importer *importer)
{
    bool failed = importer->no_memory;
    for (int i = 0; i < GS_IMPORT_MISTAKES; i++)
        failed |= importer->refused[i] > 0;
    return failed;
}

void gs_reader_import_count_refused(struct gs_importer *importer)
{
    size_t more = 0;
    for (int i = 0; i < GS_IMPORT_MISTAKES; i++)
        more += importer->refused[i] > 1 ? importer->refused[i] - 1 : 0;
    if (more)
        gs_errors_add(importer->errors, GS_ERROR, importer->file, 0, 0, NULL, "%zu more such error%s", more,
                      more == 1 ? "" : "s");
    if (importer->no_memory)
        gs_errors_add(importer->errors, GS_ERROR, importer->file, 0, 0, NULL,
                      "not enough memory for this many values");
}
