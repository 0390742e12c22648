/* reader/inside.h - what the files of reader/ share. */
#pragma once
#include "base/clock.h"
#include "metrics/metrics.h"
#include "reader/reader.h"
#include <regex.h>

/* Parse JSON of a history (history_json.c). NULL: an error was reported. */
json_t *gs_reader_history_parse(const char *bytes, size_t length, const char *file, struct gs_errors *errors) GS_CHECK_RESULT;
/* Read metrics.json; result as gs_reader_history. */
struct gs_history *gs_reader_history_json(const json_t *json, const char *file, struct gs_history_about *about,
                                           struct gs_errors *errors);
/* Read what another program wrote (import.c): JSON (NULL: none), else the LENGTH bytes. HOW may be NULL. Result as
 * gs_reader_history. */
struct gs_history *gs_reader_import(const char *bytes, size_t length, const json_t *json, const char *file, struct gs_import *how,
                                    struct gs_history_about *about, struct gs_errors *errors);

/* ---- filters (pattern.c, filter_labels.c) --------------------------------------------------------------------- */

struct gs_pattern { bool used; regex_t compiled; }; // an extended regular expression
/* Compile TEXT (NULL: not used), the argument of --OPTION. False: WHY says what is wrong with it. */
bool gs_reader_pattern_compile(struct gs_pattern *expression, const char *text, const char *option, char *why,
                                  size_t why_size) GS_CHECK_RESULT;
void gs_reader_pattern_fini(struct gs_pattern *expression);
/* Does a compiled expression match a part of TEXT? */
bool gs_reader_pattern_matches(const struct gs_pattern *expression, const char *text);
/* The part of gs_reader_filter about labels. */
int gs_reader_filter_labels(struct gs_profile *profile, const struct gs_filter *filter, struct gs_text *warnings, char *why,
                            size_t why_size) GS_CHECK_RESULT;

#define GS_NS_PER_MINUTE (60 * GS_NS_PER_S)
#define GS_NS_PER_HOUR   (60 * GS_NS_PER_MINUTE)
#define GS_NS_PER_DAY    (24 * GS_NS_PER_HOUR)
#define GS_NS_PER_WEEK   (7 * GS_NS_PER_DAY)
