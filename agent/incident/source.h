/* incident/source.h - where the evidence of an incident comes from.
 *
 *   gs_incident_choose_source(trigger) ┬▶ source_self.c           this process
 *                                      ├▶ source_other_process.c  another process that runs: its threads were read by ptrace
 *                                      └▶ source_post_mortem.c    a process that died: its black box or core file was read
 *
 * capture.c gets all evidence from its source and does not know which one it is. What a source knows without gathering is in
 * struct gs_incident_process; the rest are operations. If an operation is NULL, the source does not have that evidence,
 * which is no error. A new source is one more file with one more table, and one more line in source.c. */
#pragma once
#include "incident/inside.h"

struct gs_incident_source {
    /* Write what is known of the process without gathering to OUT (all zero before). Texts are borrowed from TRIGGER and CONTEXT,
     * which live as long as the incident. What is not known stays empty. */
    void (*describe)(const struct gs_incident_trigger *trigger, const struct gs_incident_context *context,
                     struct gs_incident_process *out);
    /* The memory map as it is now. Returns NULL with errno on failure. *OWNED: the same map if the caller has to free it; NULL if it
     * is borrowed. */
    const struct gs_maps *(*read_maps)(const struct gs_incident_trigger *trigger, struct gs_maps **owned);
    /* Gather KIND, one of the kinds that `describe` set, like gs_gather. 0 or -errno. */
    int (*gather)(const struct gs_incident_trigger *trigger, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out);
    /* Take the account of the resident memory, like gs_account_take. 0 or -errno; -ENODATA: none exists. NULL: no account. */
    int (*take_account)(const struct gs_incident_trigger *trigger, const struct gs_gather *how, struct gs_account *out);
};
extern const struct gs_incident_source gs_incident_source_self, gs_incident_source_other_process,
    gs_incident_source_post_mortem;

/* The source for TRIGGER. */
const struct gs_incident_source *gs_incident_choose_source(const struct gs_incident_trigger *trigger);

/* ---- what the two sources of living processes share (source_living.c) ----------------------------------------------- */

/* Write pid, program and host name of process PID, which runs on this machine, to OUT. */
void gs_incident_describe_living(int pid, struct gs_incident_process *out);
