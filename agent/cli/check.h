/* check.h - what the files of `gumshoe check` share. */
#pragma once
#include "base/json.h"
#include "rules/rules.h"

/* Print what RULES mean on MACHINE, in sentences (check_explain.c). */
void gs_cli_print_explanation(const struct gs_rules *rules, const struct gs_machine *machine);
/* The same as JSON, with the errors and warnings in MESSAGES, which it takes over. RULES NULL: FILE has errors. NULL: out of
 * memory. */
json_t *gs_cli_explanation_json(const char *file, const struct gs_rules *rules, const struct gs_machine *machine,
                                json_t *messages) GS_CHECK_RESULT;
