/* history/file.h - the history file of a program: rows of all its processes, for weeks. Part of the door of history/. It
 * knows the bytes; watch/history_file.c has the file.
 *
 *   "gshist" 0 1 │ record │ record │ …            appended to, and made smaller by leaving out records
 *   record         f5 "gsr" │ length of the payload │ crc32 │ type │ payload
 *                  4          4                       4       1
 *   PROCESS        who it is, its interval and metrics                             its crc32 is its number in the others
 *   TICKS          process │ times │ rows │ a pack, deflated                       as fine as there is room for
 *   STEPS          the same in steps of a minute, for the time when the ticks are left out
 *
 * Each record stands for itself: a damaged one costs itself alone, and the beginning of one at the end of the file (a write
 * that was cut off) is no record.
 * Context: any (pure), but for memory. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_history;
struct gs_history_about;

enum {
    GS_HISTORY_FILE_HEAD = 8,
    GS_HISTORY_RECORD_HEAD = 13,
    GS_HISTORY_RECORD_MAX = 64 << 10, // with its head
    GS_HISTORY_TEXT = 256,            // bytes of a text, with its NUL
};
extern const unsigned char gs_history_file_head[GS_HISTORY_FILE_HEAD];

enum gs_history_record_type { GS_HISTORY_PROCESS = 1, GS_HISTORY_TICKS, GS_HISTORY_STEPS };

/* ---- writing (file.c) ------------------------------------------------------------------------------------------- */

struct gs_history_process {    // the writer of rows
    int pid;
    uint32_t namespace;        // as in gs_store_live_id
    unsigned long long start_ticks;
    int64_t started_ns;        // CLOCK_REALTIME
    uint64_t limit_bytes;      // memory limit; 0: unknown
    const char *program, *host; // its path; "": unknown
};
/* The PROCESS record of PROCESS, with the metrics of HISTORY, into OUT. *NUMBER: for the records of its rows. Returns its
 * size; 0: no room. */
size_t gs_history_file_process(const struct gs_history_process *process, const struct gs_history *history, void *out,
                               size_t room, uint32_t *number);
/* A record of TYPE, TICKS or STEPS, with the rows of HISTORY from FROM on (there is one) into OUT, which has
 * GS_HISTORY_RECORD_MAX bytes. Returns its size; 0: no room, or no memory. */
size_t gs_history_file_rows(const struct gs_history *history, size_t from, enum gs_history_record_type type,
                            uint32_t process, void *out);
/* The row of HISTORY that was added first after SERIAL (gs_history_serial); its length: none was. If SERIAL is not known to
 * it: the first of the last ticks that are later than TIME_NS. */
size_t gs_history_rows_since(const struct gs_history *history, uint64_t serial, int64_t time_ns);
/* The rows of HISTORY from FROM on in steps of STEP_NS, like the coarser parts of a history: the lowest and the highest
 * value of each metric, in the order in which they came. NULL: no memory. The caller frees it. */
struct gs_history *gs_history_thinned(const struct gs_history *history, size_t from, int64_t step_ns) GS_CHECK_RESULT;

/* ---- records (file.c) ------------------------------------------------------------------------------------------- */

struct gs_history_record {
    enum gs_history_record_type type; // or a number that this version does not know
    size_t size;               // with its head
    uint32_t process;          // its number; of PROCESS, its own
    int64_t from_ms, to_ms;    // CLOCK_REALTIME, of its first and its last row
    uint64_t rows, packed_length; // packed_length: bytes of the pack, inflated
    const unsigned char *payload; // of rows: the deflated pack; of PROCESS: all. Borrowed
    size_t payload_length;
};
/* Read the record at AT into OUT. False: there is no whole, undamaged one in the LENGTH bytes. */
bool gs_history_file_record(const unsigned char *at, size_t length, struct gs_history_record *out) GS_CHECK_RESULT;
/* The distance from AT to the next place where a record may begin, at least 1; LENGTH: there is none. */
size_t gs_history_file_next(const unsigned char *at, size_t length);
/* Read PROCESS of a PROCESS record; texts are borrowed, and *PACK is its pack of metrics. False: it is damaged. */
bool gs_history_file_read_process(const struct gs_history_record *record, struct gs_history_process *process,
                                  char text[2][GS_HISTORY_TEXT], const unsigned char **pack, size_t *pack_length)
    GS_CHECK_RESULT;

/* ---- which records to keep (file_choose.c) ---------------------------------------------------------------------- */

struct gs_history_entry {      // a record in the file
    uint64_t offset;
    uint32_t size, process;
    int64_t from_ms, to_ms;
    uint64_t rows;
    uint8_t type;
    bool coarse;               // set by gs_history_file_choose: nothing coarser covers its time
    bool keep;                 // set by gs_history_file_choose
    uint32_t charge;           // internal
};
/* Choose which of ENTRY to keep, so that they take at most 3/4 of MAX_BYTES: the newest STEPS, and the TICKS that no STEPS
 * cover, at most half of MAX_BYTES; of the other TICKS the newest. A PROCESS stays with its rows. ENTRY is in the order of
 * the file. */
void gs_history_file_choose(struct gs_history_entry *entry, size_t count, uint64_t max_bytes);

/* ---- reading (file_read.c) -------------------------------------------------------------------------------------- */

bool gs_history_file_is(const void *bytes, size_t length); // of any version
struct gs_history_file_part {  // what to read of a file
    int64_t to_ns;             // no record that begins later
    uint64_t max_bytes;        // and of the others so many bytes, chosen as by gs_history_file_choose
};
/* The history in a file of untrusted origin: process by process, each with its first row marked (gs_history_starts_process),
 * its ticks, and its steps where no ticks are left. PART: what to read; NULL: all. ABOUT gets the last process's pid and memory limit, and how many
 * processes there are. NOTE says in one line what was left out; "": nothing. NULL, with a sentence in WHY. */
struct gs_history *gs_history_file_read(const void *bytes, size_t length, const struct gs_history_file_part *part,
                                        struct gs_history_about *about, char *note, size_t note_size, char *why,
                                        size_t why_size) GS_CHECK_RESULT;
