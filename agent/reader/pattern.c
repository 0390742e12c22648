/* pattern.c - the regular expressions of a reading command's options. Context: CLI. */
#include "reader/inside.h"
#include <stdio.h>

bool gs_reader_pattern_compile(struct gs_pattern *expression, const char *text, const char *option, char *why,
                               size_t why_size)
{
    expression->used = text != NULL;
    if (!text)
        return true;
    int error = regcomp(&expression->compiled, text, REG_EXTENDED | REG_NOSUB);
    if (!error)
        return true;
    char reason[120];
    regerror(error, &expression->compiled, reason, sizeof reason);
    snprintf(why, why_size, "--%s: \"%s\" is not a regular expression: %s", option, text, reason);
    expression->used = false;
    return false;
}

void gs_reader_pattern_fini(struct gs_pattern *expression)
{
    if (expression->used)
        regfree(&expression->compiled);
    expression->used = false;
}

bool gs_reader_pattern_matches(const struct gs_pattern *expression, const char *text)
{
    return regexec(&expression->compiled, text, 0, NULL, 0) == 0;
}
