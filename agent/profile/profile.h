/* profile/profile.h - the door of profile/: the profile model; writing pprof; computing flat, cum and growth.
 * Opened by: gather, account, box, incident, watch, reader, cli, tests.  Opens: base, sys, symbol. */
#pragma once
#include "base/attributes.h"
#include "base/kinds.h"
#include "base/text.h"
#include "symbol/symbol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the model ------------------------------------------------------------------------------------------- */

enum { GS_SAMPLE_TYPES_MAX = 32, GS_SAMPLE_DEPTH_MAX = 1024 };

struct gs_value_type { const char *type, *unit; };  // "inuse_space", "bytes"

struct gs_function { const char *name, *system_name, *file; int64_t start_line; };
struct gs_line { uint32_t function; int64_t line; }; // function: an index
struct gs_location {
    uint64_t address;
    uint32_t mapping;             // index + 1; 0: none
    uint32_t line_count;          // 0: no names known
    const struct gs_line *line;   // innermost (inlined) first, as in pprof
};
struct gs_profile_mapping {
    uint64_t start, end, offset;
    const char *path, *build_id;  // build_id: hex, "" when unknown
    bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};
struct gs_label_value { const char *key, *text; int64_t number; const char *unit; }; // text NULL: a number
struct gs_sample {
    const uint32_t *location;     // depth of them, leaf first: indexes
    const int64_t *value;         // one for each sample type
    const struct gs_label_value *label;
    uint32_t depth, label_count;
};

struct gs_profile {               // owns everything in it, strings included
    struct gs_value_type sample_type[GS_SAMPLE_TYPES_MAX];
    unsigned sample_type_count, default_sample_type;
    struct gs_value_type period_type;
    int64_t period, time_ns, duration_ns;
    const char *drop_frames;      // "" when none
    const char **comment;
    size_t comment_count;
    struct gs_profile_mapping *mapping;
    size_t mapping_count;
    struct gs_function *function;
    size_t function_count;
    struct gs_location *location;
    size_t location_count;
    struct gs_sample *sample;
    size_t sample_count;
    bool failed;                  // memory ran out while building: incomplete
    const struct gs_plumbing *plumbing; // for gs_profile_own_frame; borrowed. NULL: only what symbol/ knows
    struct gs_profile_pool *pool; // internal: strings, arenas, intern tables
};

#define GS_NOT_SEEN "[not seen]" /* name of a sample of what was not seen to be made */

struct gs_profile *gs_profile_new(void) GS_CHECK_RESULT;
void gs_profile_free(struct gs_profile *profile);
/* A copy of TEXT that lives as long as PROFILE; equal texts give the same pointer. "": no memory. */
const char *gs_profile_string(struct gs_profile *profile, const char *text);
void gs_profile_add_sample_type(struct gs_profile *profile, const char *type, const char *unit);
void gs_profile_add_comment(struct gs_profile *profile, const char *format, ...) GS_PRINTF(2, 3);

/* Add a sample with the frames ADDRESS[0..DEPTH) (leaf first, as pprof wants them: the address of a call, not
 * its return address), one value for each sample type, and labels (copied). Equal addresses share a location. */
void gs_profile_add_sample(struct gs_profile *profile, const uint64_t *address, uint32_t depth,
                           const int64_t *values, const struct gs_label_value *labels, uint32_t label_count);
/* The same with a name instead of addresses: a one-frame stack called NAME ("(table full)"). */
void gs_profile_add_named_sample(struct gs_profile *profile, const char *name, const int64_t *values,
                                 const struct gs_label_value *labels, uint32_t label_count);
/* Give every location of PROFILE its mapping and function, from the process that MAPS describes; the main
 * program becomes mapping 1. Comments say which files had no names. */
void gs_profile_symbolize(struct gs_profile *profile, const struct gs_maps *maps);

/* ---- a profile built from another one's parts ---------------------------------------------------------------- */

/* Add one item and return its number, or the number of an equal one; UINT32_MAX and `failed` set: no memory. Strings are
 * copied. */
uint32_t gs_profile_add_function(struct gs_profile *profile, const char *name, const char *system_name,
                                 const char *file, int64_t start_line);
uint32_t gs_profile_add_mapping(struct gs_profile *profile, const struct gs_profile_mapping *mapping);
uint32_t gs_profile_add_location(struct gs_profile *profile, const struct gs_location *location); // never merged
/* Add a sample of existing locations; everything is copied. */
void gs_profile_append_sample(struct gs_profile *profile, const struct gs_sample *sample);

/* A copy of PROFILE (without its comments) in which every inlined frame is a location of its own, so that the queries below
 * see it. NULL: no memory. */
struct gs_profile *gs_profile_split_inlined(const struct gs_profile *profile) GS_CHECK_RESULT;

/* ---- pprof (profile.proto, gzip'd) ------------------------------------------------------------------------ */

/* Write PROFILE to FD, message by message, so that memory does not grow with it. 0 or -errno. */
int gs_profile_write(const struct gs_profile *profile, int fd) GS_CHECK_RESULT;

/* ---- queries ------------------------------------------------------------------------------------------- */

/* The index of sample type NAME, or of the default for NULL; -1: none. */
int gs_profile_sample_type(const struct gs_profile *profile, const char *name);
/* Make PROFILE the growth from BASE to it: BASE's samples are added with their values negated, locations matched
 * by mapping (build id, else path) and address in file. Sample types must be the same: else -EINVAL. */
int gs_profile_subtract(struct gs_profile *profile, const struct gs_profile *base) GS_CHECK_RESULT;
/* Remove the sample types that only one of A and B has, and give B's the order of A's. If none is common, both stay as they are. */
void gs_profile_keep_common_types(struct gs_profile *a, struct gs_profile *b);
/* Set PROFILE's values of sample type TYPE to 0, if it has it. */
void gs_profile_clear_type(struct gs_profile *profile, const char *type);
/* Add OTHER's samples to PROFILE's; the same in all else. */
int gs_profile_add(struct gs_profile *profile, const struct gs_profile *other) GS_CHECK_RESULT;

/* Remove the frames that drop_frames names from PROFILE's samples, as pprof does when it reads a profile. 0 or -ENOMEM. */
int gs_profile_apply_drop_frames(struct gs_profile *profile) GS_CHECK_RESULT;

struct gs_top_row { const char *function, *file; int64_t flat, cum; }; // borrowed from the profile
struct gs_top { struct gs_top_row *row; size_t count; int64_t total; };
/* Flat and cum by function for SAMPLE_TYPE, computed and sorted as by `go tool pprof -top`: a function counts once in a
 * stack's cum even if it recurs; total is the sum of absolute flat values, with and without -base; drop_frames is applied;
 * frames without a function are counted by their file. All rows are returned. 0 or -ENOMEM; free with gs_profile_top_fini. */
int gs_profile_top(const struct gs_profile *profile, int sample_type, struct gs_top *out) GS_CHECK_RESULT;
void gs_profile_top_fini(struct gs_top *top);

struct gs_lifetime_row {      // what one function's blocks lived; borrowed from the profile. Bytes, unless it says otherwise
    const char *function;     // the program's own, as gs_profile_own_frame finds it
    int64_t freed_space, freed_objects, short_space, long_space; // freed; of it within 1 s, and after 1 min or later
    int64_t median_ns, most_ns; // lifetimes that half and 90 % of its freed blocks did not exceed, right within a factor of 2
    int64_t alive_space, alive_objects, old_space; // in use; of it for 1 min or longer
};
struct gs_lifetimes { struct gs_lifetime_row *row; size_t count; int64_t freed_space, short_space, alive_space; };
enum { GS_LIFETIME_SHORTEST_NS = 4096 }; // what is shorter has the label 0
/* The lifetimes in PROFILE by function, the largest freed_space first. 0, -EINVAL: it has none, or -ENOMEM; free with
 * gs_profile_lifetimes_fini. */
int gs_profile_lifetimes(const struct gs_profile *profile, struct gs_lifetimes *out) GS_CHECK_RESULT;
void gs_profile_lifetimes_fini(struct gs_lifetimes *lifetimes);
/* A lifetime in two figures, into OUT, GS_UNIT_TEXT bytes: "12 us", "2.1 ms", "17 s". */
const char *gs_profile_print_lifetime(int64_t ns, char *out);

struct gs_stack_row { const uint32_t *location; uint32_t depth; int64_t value; size_t sample; };
struct gs_stacks { struct gs_stack_row *row; size_t count; int64_t total; };
/* Whole stacks, heaviest first; stacks of the same functions are added up. 0 or -ENOMEM; free with gs_profile_stacks_fini. */
int gs_profile_stacks(const struct gs_profile *profile, int sample_type, struct gs_stacks *out) GS_CHECK_RESULT;
void gs_profile_stacks_fini(struct gs_stacks *stacks);
/* The name of LOCATION's innermost function (borrowed); if it is not known, "[name.so]" or the hex address, written to OUT. */
const char *gs_profile_frame_name(const struct gs_profile *profile, uint32_t location, char *out, size_t size);
/* The same as a string of PROFILE: equal names are the same pointer. */
const char *gs_profile_frame_string(struct gs_profile *profile, uint32_t location);

/* ---- whose code (own.c, wrappers.c) ------------------------------------------------------------------------------- */

enum gs_code {                // whose code a frame is, the best candidate for a culprit first
    GS_CODE_OWN,              // the program's, a plug-in's, an extension module's
    GS_CODE_LIBRARY,          // of a library directly in the loader's standard directories
    GS_CODE_PLUMBING,         // allocates for its callers
    GS_CODE_RUNTIME,          // of the C or C++ library, or an allocator's
    GS_CODE_START,            // a function of the runtime that is known by name: malloc, std::…, _start
    GS_CODES
};
enum { GS_PLUMBING_LEARNED_MAX = 16 };
enum { GS_PLUMBING_RULES, GS_PLUMBING_OPTIONS, GS_PLUMBING_LISTS };
struct gs_patterns { const char *const *pattern; size_t count; }; // as for gs_symbol_matches
struct gs_plumbing {          // functions of one program that are plumbing, beside those that symbol/ knows; borrows all
    struct gs_patterns user[GS_PLUMBING_LISTS];
    struct { const char *path, *function; } learned[GS_PLUMBING_LEARNED_MAX]; // by gs_profile_learn_plumbing
    size_t learned_count;
};
/* Find the wrappers of malloc among the functions of HEAP, a heap profile, by how they are used (wrappers.c), and add them to
 * PLUMBING, which HEAP uses while it is searched. Their names belong to HEAP. 0 or -ENOMEM. */
int gs_profile_learn_plumbing(struct gs_profile *heap, struct gs_plumbing *plumbing) GS_CHECK_RESULT;

/* Whose code the frame at LOCATION is. *LINE: which of its functions decides, where functions are inlined in it: the innermost
 * of the best kind. */
enum gs_code gs_profile_code_of(const struct gs_profile *profile, uint32_t location, uint32_t *line);
/* The same for frame AT of a stack, where the callers tell more: a helper without a name is plumbing if plumbing called it. */
enum gs_code gs_profile_code_in_stack(const struct gs_profile *profile, const uint32_t *location, uint32_t depth, uint32_t at);
/* The index in LOCATION[0..DEPTH) of the frame to which all that the stack holds is charged: the first of the program's own code.
 * A stack without own code: the first frame of a library, else of plumbing, else of the runtime. */
uint32_t gs_profile_own_frame(const struct gs_profile *profile, const uint32_t *location, uint32_t depth);
/* The index of the next frame outward from OWN that is own code of another function; DEPTH: there is none. */
uint32_t gs_profile_caller_frame(const struct gs_profile *profile, const uint32_t *location, uint32_t depth, uint32_t own);
/* The name of such a frame's function: like gs_profile_frame_name, but not of a function of the runtime that is inlined in it. */
const char *gs_profile_own_name(const struct gs_profile *profile, uint32_t location, char *out, size_t size);
