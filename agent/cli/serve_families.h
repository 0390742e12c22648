/* cli/serve_families.h - the metrics that `gumshoe serve` exposes, and their text (serve_families.c). Not thread-safe. */
#pragma once
#include "base/json.h"
#include "base/text.h"

enum gs_family {
    GS_FAMILY_UP, GS_FAMILY_PROCESS_CPU, GS_FAMILY_PROCESS_RSS, GS_FAMILY_PROCESS_VIRTUAL, GS_FAMILY_PROCESS_FDS,
    GS_FAMILY_PROCESS_MAX_FDS, GS_FAMILY_PROCESS_START, GS_FAMILY_PROCESS_THREADS, GS_FAMILY_HEAP_IN_USE, GS_FAMILY_MEMORY,
    GS_FAMILY_RULE_VALUE, GS_FAMILY_RULE_LINE, GS_FAMILY_RULE_ARMED, GS_FAMILY_INCIDENTS, GS_FAMILY_STORED, GS_FAMILY_NEWEST,
    GS_FAMILY_DROPPED, GS_FAMILY_AGENT_CPU, GS_FAMILY_GAUGE, GS_FAMILY_BUILD_INFO,
    GS_FAMILIES
};
struct gs_families { struct gs_text text[GS_FAMILIES]; }; // the samples of each family, in their text form

/* Add a sample of FAMILY with LABELS (gs_cli_family_labels) and, unless KEY is NULL, one more label. VALUE NAN: none is added. */
void gs_cli_family_add(struct gs_families *families, enum gs_family family, const char *labels, const char *key, const char *value_of_key,
                       double value);
/* The labels of a process: pid, program, and LABELS, an object (NULL: none), their names made valid. */
void gs_cli_family_labels(const char *pid, const char *program, const json_t *labels, struct gs_text *out);
void gs_cli_family_dir_label(const char *dir, struct gs_text *out);
/* Print all families that have samples: OpenMetrics, or the text format of Prometheus. */
void gs_cli_families_print(const struct gs_families *families, bool open_metrics, struct gs_text *out);
void gs_cli_families_fini(struct gs_families *families);
/* How many descriptors process PID has open; NAN: its /proc cannot be read. */
double gs_cli_count_descriptors(int pid);
