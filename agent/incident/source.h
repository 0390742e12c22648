/* incident/source.h - where the evidence of an incident comes from.
 *
 *   gs_incident_choose_source(facts) ──┬▶ source_self.c           this process
 *                                      ├▶ source_other_process.c  another one that lives: its threads were read by ptrace
 *                                      └▶ source_post_mortem.c    one that died: its black box or its core file was read
 *
 * capture.c asks its source for all evidence, and does not know which one it is. What differs between the sources is here: what a
 * source knows at once is in struct gs_incident_process; what has to be gathered is an operation. An operation that is NULL is
 * evidence that the source does not have; it is missing without an error.
 * Another source is one more file with one more table, and one more line in source.c. */
#pragma once
#include "incident/inside.h"

struct gs_incident_source {
    /* What is known of the process without gathering anything, into OUT (all zero before). Texts stay borrowed from TRIGGER and CONTEXT,
     * which live as long as the incident. What cannot be found out stays empty. */
    void (*describe)(const struct gs_incident_trigger *trigger, const struct gs_incident_context *context,
                     struct gs_incident_process *out);
    /* The memory map as it is now. Returns NULL with errno on failure. *OWNED: the same map if the caller has to free it; NULL if it
     * is borrowed. */
    const struct gs_maps *(*read_maps)(const struct gs_incident_trigger *trigger, struct gs_maps **owned);
    /* Evidence of KIND, one of the kinds that `describe` named, as gs_gather. 0 or -errno. */
    int (*gather)(const struct gs_incident_trigger *trigger, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out);
    /* What the resident memory is for, as gs_account_take. 0 or -errno. NULL: there is no account. */
    int (*take_account)(const struct gs_gather *how, struct gs_account *out);
    /* The text of fds.txt. A failure is in OUT. NULL: descriptors cannot be listed. */
    void (*write_descriptors)(struct gs_text *out);
};
extern const struct gs_incident_source gs_incident_source_self, gs_incident_source_other_process,
    gs_incident_source_post_mortem;

/* The one place that decides where the evidence of TRIGGER comes from. */
const struct gs_incident_source *gs_incident_choose_source(const struct gs_incident_trigger *trigger);

/* ---- what the two sources of living processes share (source_living.c) ---------------------------------------------------- */

/* Pid, program and machine of process PID, which lives on this machine, into OUT. */
void gs_incident_describe_living(int pid, struct gs_incident_process *out);
