/* The history file of a program. As it is, and with the checksums that it should have: else nothing would come past them. What was
 * read has marked processes, and the records to keep are among those that there are. */
#include "base/json.h"
#include "fuzz.h"
#include "history/history.h"
#include "rules/rules.h"
#include "reader/reader.h"
#include <string.h>
#include <zlib.h>

/* Give each place that may be a record the length that is left, if its own is too long, and its checksum. */
static void forge(unsigned char *bytes, size_t length)
{
    for (size_t at = GS_HISTORY_FILE_HEAD, next; at < length; at += next) {
        next = gs_history_file_next(bytes + at, length - at);
        if (length - at < GS_HISTORY_RECORD_HEAD || memcmp(bytes + at, "\xf5gsr", 4) != 0)
            continue;
        uint32_t payload = bytes[at + 4] | (uint32_t)bytes[at + 5] << 8;
        if (payload > length - at - GS_HISTORY_RECORD_HEAD)
            payload = (uint32_t)(length - at - GS_HISTORY_RECORD_HEAD);
        bytes[at + 4] = (unsigned char)payload;
        bytes[at + 5] = (unsigned char)(payload >> 8);
        bytes[at + 6] = bytes[at + 7] = 0;
        uint32_t crc = (uint32_t)crc32(0, bytes + at + 12, payload + 1);
        for (int i = 0; i < 4; i++)
            bytes[at + 8 + (size_t)i] = (unsigned char)(crc >> 8 * i);
    }
}

/* Rows are of the process whose PROCESS record was the last before them, whatever their number says. */
static void adopt_rows(unsigned char *bytes, size_t length)
{
    struct gs_history_record record;
    uint32_t number = 0;
    for (size_t at = GS_HISTORY_FILE_HEAD; at < length; at++) {
        if (!gs_history_file_record(bytes + at, length - at, &record))
            continue;
        if (record.type == GS_HISTORY_PROCESS)
            number = record.process;
        for (size_t i = 0; record.type != GS_HISTORY_PROCESS && record.size > GS_HISTORY_RECORD_HEAD + 4 && i < 4; i++)
            bytes[at + GS_HISTORY_RECORD_HEAD + i] = (unsigned char)(number >> 8 * i);
    }
    forge(bytes, length);
}

static void replay(const struct gs_history *history)
{
    static const char text[] = "{\"version\": 1, \"rules\": [{\"name\": \"a\", \"metric\": \"rss\", \"above\": \"1B\", \"again\": \"always\","
                               "\"cooldown\": \"1s\"}, {\"name\": \"b\", \"every\": \"1h\", \"max_per_hour\": 2}]}";
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, sizeof text - 1, "r", &errors);
    gs_must(rules != NULL);
    struct gs_replay *played = gs_reader_replay_run(rules, history, 1 << 30, 7);
    gs_must(played && played->rows == gs_history_length(history));
    gs_reader_replay_free(played);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
}

static void read_part(const unsigned char *bytes, size_t length, const struct gs_history_file_part *part)
{
    char note[160] = "", why[160] = "";
    struct gs_history_about about = {0};
    struct gs_history *history = gs_history_file_read(bytes, length, part, &about, note, sizeof note, why, sizeof why);
    gs_must(history || *why);
    if (!history)
        return;
    size_t starts = 0;
    for (size_t at = 0; at < gs_history_length(history); at++) {
        bool starts_here = gs_history_starts_process(history, at);
        starts += starts_here;
        gs_must(at || starts_here);
        gs_must(starts_here || gs_history_time(history, at - 1) <= gs_history_time(history, at));
    }
    gs_must(starts == about.processes);
    if (gs_history_length(history) < 20000)
        replay(history);
    gs_history_free(history);
}

static void read_one(const unsigned char *bytes, size_t length)
{
    read_part(bytes, length, NULL);
    read_part(bytes, length, &(struct gs_history_file_part){1700000000 * INT64_C(1000000000), length / 2});
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    unsigned char *copy = (unsigned char *)gs_fuzz_copy(bytes, length, 0);
    gs_json_use_our_memory();
    read_one(copy, length);
    forge(copy, length);
    read_one(copy, length);
    adopt_rows(copy, length);
    read_one(copy, length);
    free(copy);
    return 0;
}
