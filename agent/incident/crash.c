/* crash.c - the verdict on a process that crashed: the function, the signal and its cause, and the stack.
 *
 *   note of the box, or siginfo of the core ──▶ "SIGSEGV at 0x10, address not mapped"
 *   the crashed thread's stack ──▶ its first frame of the program ──▶ "crashed in `parse_header` (SIGSEGV at 0x10)"
 *                              └─▶ an overflow: the function with most of the frames, which recurses
 *
 * A signal that another process has sent is no crash: the code that it interrupted is not to blame.
 * Context: watcher, CLI. */
#include "base/memory.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- the signal ----------------------------------------------------------------------------------------------------- */

static const struct {
    int signal, code; // code 0: any
    const char *cause;
} causes[] = {
    // clang-format off
    { SIGSEGV, SEGV_MAPERR, "address not mapped" },
    { SIGSEGV, SEGV_ACCERR, "access not permitted" },
    { SIGSEGV, SI_KERNEL,   "general protection fault, for example a wild pointer" },
    { SIGBUS,  BUS_ADRALN,  "misaligned address" },
    { SIGBUS,  BUS_ADRERR,  "no memory there: a mapped file is shorter, or its disk is full" },
    { SIGFPE,  FPE_INTDIV,  "division by zero" },
    { SIGFPE,  0,           "arithmetic error" },
    { SIGILL,  0,           "illegal instruction" },
    // clang-format on
};

/* Did the thread call an address where no code is? */
static bool has_jumped(const struct gs_given_crash *crash)
{
    return crash->signal == SIGSEGV && crash->has_address && crash->thread.depth > 1 &&
           crash->thread.frames[0] == crash->address + 1;
}

static const char *cause_of(const struct gs_given_crash *crash)
{
    if (crash->overflow)
        return "the stack has overflowed";
    if (has_jumped(crash))
        return "a call of an address where no code is";
    for (size_t i = 0; crash->code > 0 && i < sizeof causes / sizeof *causes; i++)
        if (causes[i].signal == crash->signal && (causes[i].code == 0 || causes[i].code == crash->code))
            return causes[i].cause;
    return NULL;
}

/* Is the address that of the memory which was accessed? Other signals report the instruction's. */
static bool is_about_address(const struct gs_given_crash *crash)
{
    return crash->has_address && (crash->signal == SIGSEGV || crash->signal == SIGBUS);
}

/* "SIGSEGV at 0x10"; "SIGFPE, division by zero"; "SIGABRT: malloc(): corrupted top size". */
static void add_signal(const struct gs_given_crash *crash, struct gs_text *out)
{
    const char *name = sigabbrev_np(crash->signal);
    gs_text_add(out, name ? "SIG%s" : "signal %.0s%d", name ? name : "", crash->signal);
    if (is_about_address(crash))
        gs_text_add(out, " at %#llx", (unsigned long long)crash->address);
    else if (cause_of(crash))
        gs_text_add(out, ", %s", cause_of(crash));
    if (*crash->message) {
        gs_text_add(out, ": ");
        gs_text_add_printable(out, crash->message);
    }
}

void gs_incident_add_crash(struct gs_text *out, const struct gs_given_crash *crash)
{
    const char *cause = cause_of(crash);
    gs_text_add(out, crash->overflow            ? ": its recursion has overflowed the stack ("
                     : crash->signal == SIGABRT ? ": aborted here ("
                                                : ": crashed here (");
    add_signal(crash, out);
    if (crash->overflow)
        gs_text_add(out, crash->thread.cut ? ", more than %llu frames" : ", %llu frames",
                    (unsigned long long)crash->depth);
    else if (cause && is_about_address(crash))
        gs_text_add(out, ", %s", cause);
    gs_text_add(out, ")\n");
}

/* Has another process sent the signal? */
static bool is_sent(const struct gs_post_mortem *death)
{
    return death->crash->code <= 0 && death->crash->sender != death->pid;
}

/* ---- the function --------------------------------------------------------------------------------------------------- */

const struct gs_sample *gs_incident_thread_sample(const struct gs_profile *threads, int tid)
{
    for (size_t i = 0; i < threads->sample_count; i++) {
        const struct gs_sample *sample = &threads->sample[i];
        for (uint32_t l = 0; l < sample->label_count && sample->depth; l++)
            if (strcmp(sample->label[l].key, "tid") == 0 && !sample->label[l].text &&
                sample->label[l].number == tid)
                return sample;
    }
    return NULL;
}

/* The first frame of the function that has most of the program's frames among the first COUNT. */
static uint32_t recursing_frame(struct gs_profile *threads, const struct gs_sample *sample, uint32_t count)
{
    uint32_t best = 0, most = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t own = i + gs_profile_own_frame(threads, sample->location + i, count - i), same = 0;
        const char *name = gs_profile_frame_string(threads, sample->location[own]);
        for (uint32_t other = 0; other < count; other++)
            same += gs_profile_frame_string(threads, sample->location[other]) == name;
        if (same > most) {
            most = same;
            best = own;
        }
        i = own + 1;
    }
    return best;
}

static uint32_t blamed_frame(struct gs_profile *threads, const struct gs_sample *sample,
                             const struct gs_given_crash *crash)
{
    uint32_t count = crash->inner && crash->inner < sample->depth ? crash->inner : sample->depth;
    uint32_t first = has_jumped(crash) && sample->depth > 1;
    if (crash->overflow)
        return recursing_frame(threads, sample, count < GS_CULPRIT_STACK_MAX ? count : GS_CULPRIT_STACK_MAX);
    return first + gs_profile_own_frame(threads, sample->location + first, sample->depth - first);
}

bool gs_incident_culprit_of_crash(const struct gs_post_mortem *death, struct gs_profile *threads,
                                  struct gs_culprit *out)
{
    const struct gs_given_crash *crash = death ? death->crash : NULL;
    const struct gs_sample *sample =
        crash && threads ? gs_incident_thread_sample(threads, crash->thread.tid) : NULL;
    if (!sample || is_sent(death))
        return false;
    gs_incident_culprit_at(threads, sample, blamed_frame(threads, sample, crash), "crash", out);
    return true;
}

/* ---- how the process died, for incident.json and the reason ------------------------------------------------------------ */

static void add_verdict(const struct gs_post_mortem *death, const char *function, struct gs_text *out)
{
    const struct gs_given_crash *crash = death->crash;
    if (is_sent(death)) {
        gs_text_add(out, "killed by ");
        add_signal(crash, out);
        if (crash->sender)
            gs_text_add(out, ", which process %d sent", crash->sender);
        return;
    }
    gs_text_add(out, crash->overflow            ? "stack overflow in "
                     : crash->signal == SIGABRT ? "aborted in "
                                                : "crashed in ");
    gs_text_add(out, "`");
    gs_text_add_printable(out, function ? function : "unknown code");
    gs_text_add(out, "` (");
    add_signal(crash, out);
    gs_text_add(out, ")");
    if (crash->of_agent)
        gs_text_add(out, ", a thread of gumshoe");
}

void gs_incident_describe_crash(const struct gs_post_mortem *death, struct gs_text *out)
{
    const struct gs_given_threads crashed = {.pid = death->pid,
                                             .died = death->crash->thread.tid,
                                             .thread = &death->crash->thread,
                                             .count = 1,
                                             .memory = &gs_gather_no_memory,
                                             .partial = true};
    const struct gs_gather how = {.maps = death->maps, .reason = ""};
    struct gs_gathered gathered = {0};
    struct gs_culprit culprit = {0};
    if (gs_gather_given(&how, &crashed, &gathered) == 0)
        (void)gs_incident_culprit_of_crash(death, gathered.profile, &culprit);
    add_verdict(death, culprit.function, out);
    gs_gather_fini(&gathered);
}

/* ---- the stack, in the summary ------------------------------------------------------------------------------------------ */

static void add_line(struct gs_text *out, const struct gs_profile *threads, const struct gs_sample *sample,
                     uint32_t frame)
{
    char room[300];
    const struct gs_location *at = &threads->location[sample->location[frame]];
    const char *path = at->mapping ? threads->mapping[at->mapping - 1].path : "";
    gs_text_add(out, "  %3u  ", frame);
    gs_text_add_printable(out, gs_profile_frame_name(threads, sample->location[frame], room, sizeof room));
    if (at->line_count && *threads->function[at->line[0].function].file) {
        gs_incident_add_line_number(out, threads->function[at->line[0].function].file, at->line[0].line);
    } else if (*path) {
        gs_text_add(out, "  ");
        gs_text_add_printable(out, gs_text_base_name(path));
    }
    gs_text_add(out, "\n");
}

void gs_incident_add_crashed_stack(struct gs_text *out, const struct gs_post_mortem *death,
                                   const struct gs_profile *threads)
{
    enum { FIRST = 12, LAST = 3 };
    const struct gs_given_crash *crash = death->crash;
    const struct gs_sample *sample = gs_incident_thread_sample(threads, crash->thread.tid);
    if (!sample)
        return;
    uint64_t depth = crash->depth > sample->depth ? crash->depth : sample->depth;
    gs_text_add(out, "\n%s thread ", is_sent(death) ? "Interrupted:" : "Crashed:");
    gs_text_add_printable(out, crash->thread.name);
    gs_text_add(out, "/%d, its stack\n", crash->thread.tid);
    for (uint32_t i = 0; i < sample->depth; i++) {
        if (i < FIRST || i + LAST >= sample->depth)
            add_line(out, threads, sample, i);
        else if (i == FIRST)
            gs_text_add(out, "       … %llu frames\n", (unsigned long long)(depth - FIRST - LAST));
    }
    if (crash->thread.cut)
        gs_text_add(out, "       (the walk ended here, before the outermost frame)\n");
}

/* ---- incident.json ------------------------------------------------------------------------------------------------------ */

void gs_incident_set_crash(struct gs_json *died, const struct gs_given_crash *crash)
{
    char address[24] = "";
    if (crash->has_address)
        snprintf(address, sizeof address, "%#llx", (unsigned long long)crash->address);
    gs_json_set(died, "code", json_integer(crash->code));
    gs_json_set(died, "address", gs_json_text(crash->has_address ? address : NULL));
    gs_json_set(died, "cause", gs_json_text(cause_of(crash)));
    gs_json_set(died, "tid", json_integer(crash->thread.tid));
    gs_json_set(died, "thread", gs_json_printable(crash->thread.name));
    gs_json_set(died, "stack_overflow", json_boolean(crash->overflow));
    gs_json_set(died, "frames", json_integer((json_int_t)crash->depth));
    gs_json_set(died, "message", *crash->message ? gs_json_printable(crash->message) : json_null());
    gs_json_set(died, "sender", crash->sender ? json_integer(crash->sender) : json_null());
}
