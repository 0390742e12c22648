/* The journal of `gumshoe ship`. What was read, printed again, is read the same; and so is each beginning of it, but for the last
 * line. */
#include "fuzz.h"
#include "ship/ship.h"
#include <string.h>

static void print_all(const struct gs_ship_journal *journal, char **text, size_t *length)
{
    *text = calloc(journal->count + 1, GS_SHIP_LINE_MAX);
    *length = 0;
    gs_must(*text != NULL);
    for (size_t i = 0; i < journal->count; i++) {
        gs_ship_journal_print(&journal->gone[i], *text + *length);
        *length += strlen(*text + *length);
    }
}

static void must_be_equal(const struct gs_ship_journal *a, const struct gs_ship_journal *b, size_t count)
{
    gs_must(a->count >= count && b->count >= count);
    for (size_t i = 0; i < count; i++) {
        gs_must(a->gone[i].destination == b->gone[i].destination && a->gone[i].version == b->gone[i].version);
        gs_must(strcmp(a->gone[i].folder, b->gone[i].folder) == 0);
        gs_must(gs_ship_journal_find(b, a->gone[i].destination, a->gone[i].folder) == &b->gone[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_ship_journal first, again, cut;
    char *copy = gs_fuzz_copy(bytes, length, 0), *text;
    size_t printed;
    gs_must(gs_ship_journal_parse(copy, length, &first) == 0);
    for (size_t i = 0; i < first.count; i++)
        gs_must(gs_ship_is_folder_name(first.gone[i].folder) && !strchr(first.gone[i].folder, '/'));
    print_all(&first, &text, &printed);
    gs_must(gs_ship_journal_parse(text, printed, &again) == 0 && again.count == first.count &&
            again.ignored_lines == 0);
    must_be_equal(&first, &again, first.count);
    if (first.count) {
        gs_must(gs_ship_journal_parse(text, printed - 1, &cut) == 0 && cut.count == first.count - 1 &&
                cut.ignored_lines == 1);
        must_be_equal(&cut, &first, cut.count);
        gs_ship_journal_fini(&cut);
    }
    gs_ship_journal_fini(&again);
    gs_ship_journal_fini(&first);
    free(text);
    free(copy);
    return 0;
}
