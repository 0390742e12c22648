/* A black box. As it is, and with the checksums that it should have: else nothing would come past them. What was read can be
 * gathered into profiles. */
#include "base/json.h"
#include "fuzz.h"
#include "box/box.h"
#include "box/inside.h"
#include "gather/gather.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <string.h>
#include <zlib.h>

static void forge(unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    for (size_t at = GS_BOX_HEAD; at <= length && length - at >= GS_BOX_RECORD_HEAD;) {
        size_t payload = bytes[at] | (size_t)bytes[at + 1] << 8 | (size_t)bytes[at + 2] << 16 | (size_t)bytes[at + 3] << 24;
        if (payload > length - at - GS_BOX_RECORD_HEAD)
            return;
        chain = (uint32_t)crc32(chain, bytes + at + 8, (uInt)payload + 1);
        for (int i = 0; i < 4; i++)
            bytes[at + 4 + (size_t)i] = (unsigned char)(chain >> 8 * i);
        at += GS_BOX_RECORD_HEAD + payload;
    }
}

static void gather(struct gs_box_contents *contents)
{
    struct gs_gathered gathered = {0};
    struct gs_maps *none = gs_symbol_maps_parse("", 0, "");
    gs_must(none != NULL);
    struct gs_maps maps = *none;
    maps.library = contents->maps->library;
    maps.library_count = contents->maps->library_count;
    struct gs_gather how = {.maps = &maps, .reason = "fuzz"};
    gs_must(gs_gather_given_heap(&how, &contents->heap, &gathered) == 0);
    gs_gather_fini(&gathered);
    int error = gs_gather_given_peak(&how, &contents->heap, &gathered);
    gs_must(error == 0 || error == -ENODATA);
    gs_gather_fini(&gathered);
    gs_symbol_maps_free(none);
}

static void read_one(const void *bytes, size_t length)
{
    char why[200] = "";
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    gs_must(contents || *why);
    if (!contents)
        return;
    gs_must(contents->post_mortem.maps && contents->post_mortem.heap && contents->post_mortem.pid > 0);
    gs_must(contents->heap.peak_age_ns >= 0 && contents->heap.base_age_ns >= 0 && contents->post_mortem.last_seen_ns >= contents->post_mortem.started_ns);
    gather(contents);
    gs_box_contents_free(contents);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *copy = gs_fuzz_copy(bytes, length, 0);
    gs_json_use_our_memory();
    read_one(copy, length);
    forge((unsigned char *)copy, length);
    read_one(copy, length);
    free(copy);
    return 0;
}
