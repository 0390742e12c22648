/* libraries.c - which library a frame was in when its stack was recorded: another one may be mapped there later.
 *
 *   a new stack ──▶ note: the libraries of its frames ──▶ library[1024] { code range, bias, build id, path, state }
 *   dlclose     ──▶ which of them are gone?                state: empty ─▶ filling ─▶ loaded ◀─▶ gone
 *   a sample    ──▶ tag: each frame where a library is gone gets the number of the library that is there now
 *
 *   frame, 64 bits:   number of a library │ address (48 bits)
 *                     0: the first library in the table that covers the address
 *                     GS_FRAME_NO_LIBRARY: there is no library any more; code that the program generated
 *                     GS_FRAME_UNKNOWN_LIBRARY: another library, but the table is full
 *
 * So equal frames are always the same code, and a stack keeps its meaning when its library is unloaded. A library that is
 * loaded again at the same place gets its old number (same build id, or same path): a program that loads and unloads one
 * library for ever fills no table. Before the first library is gone a sample costs one load here.
 *
 * A dlclose may unmap more than its own library, or nothing. So afterwards each library in the table is checked: its build
 * id is read again, by a system call, where it was in memory. During a dlclose, samples check the libraries of their frames in
 * the same way, because another library may be mapped before the check.
 * Not noticed: what the C library closes for itself (modules of iconv).
 * Who:    host threads, inside malloc and in signal handlers; the watcher and readers of core files read.
 * Bounds: .bss. When the table is full, the new stack is charged to "(table full)". */
#include "probe/unwind/inside.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma weak _dl_find_object // see frame_entry.c

enum { PAGE = 4096, SEGMENTS_AT_ONCE = 4, SEGMENTS_MAX = 32, NOTES_MAX = 1024, PIECE = 64 };

static struct gs_library library[GS_LIBRARIES_MAX];
static _Atomic uint32_t reserved; // entries in use, perhaps not filled yet
static _Atomic uint32_t closing;  // dlclose calls in progress
static _Atomic uint32_t changes;
static _Atomic uintptr_t gone_low = UINTPTR_MAX,
                         gone_high; // all code ranges that were ever gone are between these
const struct gs_anchor_libraries gs_anchor_libraries = {library, &reserved};

static uint32_t state_of(const struct gs_library *entry)
{
    return atomic_load_explicit(&entry->state, memory_order_acquire);
}

static bool covers(const struct gs_library *entry, uintptr_t at)
{
    return state_of(entry) >= GS_LIBRARY_LOADED && at - entry->start < entry->end - entry->start;
}

uint32_t gs_probe_library_count(void)
{
    return atomic_load_explicit(&reserved, memory_order_acquire);
}

const struct gs_library *gs_probe_library(uint32_t number)
{
    const struct gs_library *entry = &library[number - 1];
    return state_of(entry) >= GS_LIBRARY_LOADED ? entry : NULL;
}

uint32_t gs_probe_library_changes(void)
{
    return atomic_load_explicit(&changes, memory_order_acquire);
}

static void count_change(void)
{
    atomic_fetch_add_explicit(&changes, 1, memory_order_release);
}

/* The number of the first library that covers AT; 0: none. ONLY_LOADED: of those that are loaded. */
static uint32_t find(uintptr_t at, bool only_loaded)
{
    uint32_t count = gs_probe_library_count();
    for (uint32_t i = 0; i < count; i++)
        if (covers(&library[i], at) && !(only_loaded && state_of(&library[i]) == GS_LIBRARY_GONE))
            return i + 1;
    return 0;
}

static bool was_left(uintptr_t at)
{
    if (at < atomic_load_explicit(&gone_low, memory_order_relaxed) ||
        at >= atomic_load_explicit(&gone_high, memory_order_relaxed))
        return false;
    uint32_t count = gs_probe_library_count();
    for (uint32_t i = 0; i < count; i++)
        if (covers(&library[i], at) && library[i].was_gone)
            return true;
    return false;
}

/* ---- what is loaded at an address ------------------------------------------------------------------------------------- */

struct loaded_code { // the executable segment that contains an address
    uintptr_t start, end, offset, bias, id_at, path_at;
    uint32_t id_length;
    unsigned char id[GS_LIBRARY_ID];
};

static bool peek(uintptr_t at, void *out, size_t length)
{
    return !gs_is_sandboxed() && gs_probe_peek(getpid(), at, out, length);
}

/* Find the build id in a segment of notes. */
static void find_build_id(const ElfW(Phdr) * segment, struct loaded_code *out)
{
    uintptr_t at = out->bias + segment->p_vaddr, align = segment->p_align == 8 ? 8 : 4;
    uintptr_t end = at + (segment->p_filesz < NOTES_MAX ? segment->p_filesz : NOTES_MAX);
    struct {
        ElfW(Nhdr) head;
        char name[4];
    } note;
    for (int i = 0; i < 16 && at + sizeof note <= end && peek(at, &note, sizeof note); i++) {
        uintptr_t value = (at + sizeof note.head + note.head.n_namesz + align - 1) & -align;
        if (note.head.n_type == NT_GNU_BUILD_ID && note.head.n_namesz == 4 &&
            memcmp(note.name, "GNU", 4) == 0) {
            uint32_t length = note.head.n_descsz < GS_LIBRARY_ID ? note.head.n_descsz : GS_LIBRARY_ID;
            out->id_at = value;
            out->id_length = value < end && peek(value, out->id, length) ? length : 0;
            return;
        }
        at = (value + note.head.n_descsz + align - 1) & -align;
    }
}

static void take_segment(const ElfW(Phdr) * segment, uintptr_t at, struct loaded_code *out)
{
    uintptr_t start = out->bias + segment->p_vaddr;
    if (segment->p_type == PT_NOTE && !out->id_length)
        find_build_id(segment, out);
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || at - start >= segment->p_memsz)
        return;
    out->start = start & -(uintptr_t)PAGE;
    out->end = (start + segment->p_memsz + PAGE - 1) & -(uintptr_t)PAGE;
    out->offset = segment->p_offset & -(uintptr_t)PAGE;
}

/* False: no library is at AT, or its headers cannot be read. */
static bool look_up(uintptr_t at, struct loaded_code *out)
{
    struct dl_find_object object;
    struct link_map map;
    ElfW(Ehdr) header;
    ElfW(Phdr) segment[SEGMENTS_AT_ONCE];
    if (!_dl_find_object || _dl_find_object((void *)at, &object) != 0 ||
        !peek((uintptr_t)object.dlfo_link_map, &map, sizeof map) ||
        !peek((uintptr_t)object.dlfo_map_start, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof *segment)
        return false;
    *out = (struct loaded_code){.bias = map.l_addr, .path_at = (uintptr_t)map.l_name};
    unsigned count = header.e_phnum < SEGMENTS_MAX ? header.e_phnum : SEGMENTS_MAX;
    for (unsigned i = 0; i < count; i += SEGMENTS_AT_ONCE) {
        unsigned few = count - i < SEGMENTS_AT_ONCE ? count - i : SEGMENTS_AT_ONCE;
        if (!peek((uintptr_t)object.dlfo_map_start + header.e_phoff + i * sizeof *segment, segment,
                  few * sizeof *segment))
            return false;
        for (unsigned s = 0; s < few; s++)
            take_segment(&segment[s], at, out);
    }
    return out->end != 0;
}

/* Copy the text at AT to OUT, which has room for SIZE bytes; "": it is longer, or cannot be read. */
static void peek_text(uintptr_t at, char *out, size_t size)
{
    for (size_t done = 0; at && done + PIECE <= size; done += PIECE) {
        size_t to_page_end = PAGE - (at + done) % PAGE, first = to_page_end < PIECE ? to_page_end : PIECE;
        if (!peek(at + done, out + done, first))
            break;
        if (memchr(out + done, 0, first))
            return;
        if (first < PIECE && !peek(at + done + first, out + done + first, PIECE - first))
            break;
        if (memchr(out + done, 0, PIECE))
            return;
    }
    out[0] = 0;
}

/* Copy the absolute path of CODE to ENTRY; "": not known, or too long. */
static void take_path(const struct loaded_code *code, struct gs_library *entry)
{
    char *path = entry->path;
    peek_text(code->path_at, path, sizeof entry->path);
    size_t length = strlen(path);
    if (length == 0 || path[0] == '/')
        return;
    char folder[GS_LIBRARY_PATH];
    long used = syscall(SYS_getcwd, folder, sizeof folder); // with the final 0
    if (used <= 1 || folder[0] != '/' || (size_t)used + length + 1 > sizeof entry->path) {
        path[0] = 0;
        return;
    }
    size_t before = used == 2 ? 1 : (size_t)used; // "/", or "/folder" and a slash
    memmove(path + before, path, length + 1);
    memcpy(path, folder, before - 1);
    path[before - 1] = '/';
}

static bool has_path(const struct loaded_code *code, const struct gs_library *entry)
{
    struct gs_library other;
    take_path(code, &other);
    return other.path[0] && strcmp(other.path, entry->path) == 0;
}

static bool is_same(const struct loaded_code *code, const struct gs_library *entry)
{
    if (code->start != entry->start || code->end != entry->end || code->bias != entry->bias ||
        code->id_length != entry->build_id_length)
        return false;
    return code->id_length ? memcmp(code->id, entry->build_id, code->id_length) == 0 : has_path(code, entry);
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

/* The number of a new entry for CODE; 0: the table is full. Two threads may add the same code: that does no harm. */
static uint32_t add(const struct loaded_code *code)
{
    uint32_t number = gs_probe_library_count();
    do {
        if (number >= GS_LIBRARIES_MAX)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&reserved, &number, number + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    struct gs_library *entry = &library[number];
    entry->start = code->start;
    entry->end = code->end;
    entry->offset = code->offset;
    entry->bias = code->bias;
    entry->id_at = code->id_at;
    entry->build_id_length = code->id_length;
    memcpy(entry->build_id, code->id, sizeof entry->build_id);
    take_path(code, entry);
    atomic_store_explicit(&entry->state, GS_LIBRARY_LOADED, memory_order_release);
    count_change();
    return number + 1;
}

static void set_gone(struct gs_library *entry)
{
    uintptr_t low = atomic_load_explicit(&gone_low, memory_order_relaxed),
              high = atomic_load_explicit(&gone_high, memory_order_relaxed);
    entry->was_gone = true;
    while (entry->start < low &&
           !atomic_compare_exchange_weak_explicit(&gone_low, &low, entry->start, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    while (entry->end > high &&
           !atomic_compare_exchange_weak_explicit(&gone_high, &high, entry->end, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    atomic_store_explicit(&entry->state, GS_LIBRARY_GONE, memory_order_release);
    count_change();
}

/* Is ENTRY, which was loaded, still in memory? */
static bool is_still_loaded(const struct gs_library *entry)
{
    unsigned char id[GS_LIBRARY_ID];
    struct loaded_code code;
    if (entry->build_id_length)
        return peek(entry->id_at, id, entry->build_id_length) &&
               memcmp(id, entry->build_id, entry->build_id_length) == 0;
    return look_up(entry->start, &code) && is_same(&code, entry);
}

/* The number of the library that is at AT now; added if it is new. 0: none; UINT32_MAX: the table is full. */
static uint32_t identify(uintptr_t at)
{
    struct loaded_code code;
    if (!look_up(at, &code))
        return 0;
    uint32_t count = gs_probe_library_count();
    for (uint32_t i = 0; i < count; i++)
        if (covers(&library[i], at) && is_same(&code, &library[i])) {
            if (state_of(&library[i]) == GS_LIBRARY_GONE) { // loaded again
                atomic_store_explicit(&library[i].state, GS_LIBRARY_LOADED, memory_order_release);
                count_change();
            }
            return i + 1;
        }
    uint32_t added = add(&code);
    return added ? added : UINT32_MAX;
}

/* ---- samples ---------------------------------------------------------------------------------------------------------- */

/* LIBRARY_NOW, if set: the library of the frame before, whose check need not be repeated. */
static uintptr_t tag(uintptr_t frame, uint32_t *library_now)
{
    uintptr_t at = frame - 1;
    bool closes = atomic_load_explicit(&closing, memory_order_acquire) && !gs_is_sandboxed();
    if (at >> GS_FRAME_LIBRARY_SHIFT || (!closes && !was_left(at)))
        return frame;
    uint32_t now = find(at, true);
    if (now && closes && now != *library_now && !is_still_loaded(&library[now - 1])) {
        set_gone(&library[now - 1]);
        now = 0;
    }
    if (!now)
        now = identify(at);
    *library_now = now;
    if (!now && !was_left(at))
        return frame;
    uintptr_t number = !now                     ? GS_FRAME_NO_LIBRARY
                       : now == UINT32_MAX      ? GS_FRAME_UNKNOWN_LIBRARY
                       : now == find(at, false) ? 0
                                                : now;
    return frame | number << GS_FRAME_LIBRARY_SHIFT;
}

void gs_unwind_libraries_tag(uintptr_t *frames, uint32_t depth)
{
    uint32_t library_now = 0;
    if (GS_LIKELY(!atomic_load_explicit(&gone_high, memory_order_relaxed) &&
                  !atomic_load_explicit(&closing, memory_order_acquire)))
        return;
    for (uint32_t i = 0; i < depth; i++)
        frames[i] = tag(frames[i], &library_now);
}

bool gs_unwind_libraries_note(const uintptr_t *frames, uint32_t depth)
{
    const struct gs_library *last = NULL;
    for (uint32_t i = 0; i < depth; i++) {
        uintptr_t at = frames[i] - 1;
        if (at >> GS_FRAME_LIBRARY_SHIFT || (last && covers(last, at)))
            continue;
        uint32_t number = find(at, false);
        if (!number)
            number = identify(at);
        if (number == UINT32_MAX)
            return false;
        last = number ? &library[number - 1] : NULL;
    }
    return true;
}

/* ---- dlclose ---------------------------------------------------------------------------------------------------------- */

void gs_unwind_libraries_before_close(void)
{
    atomic_fetch_add_explicit(&closing, 1, memory_order_seq_cst);
}

void gs_unwind_libraries_after_close(void)
{
    uint32_t count = gs_probe_library_count(), calls = atomic_load_explicit(&closing, memory_order_relaxed);
    uint32_t word;
    int saved_errno = errno;
    bool can_check = peek((uintptr_t)&closing, &word, sizeof word); // a filter of system calls may forbid it
    for (uint32_t i = 0; can_check && i < count; i++)
        if (state_of(&library[i]) == GS_LIBRARY_LOADED && !is_still_loaded(&library[i]))
            set_gone(&library[i]);
    while (calls && !atomic_compare_exchange_weak_explicit(&closing, &calls, calls - 1, memory_order_seq_cst,
                                                           memory_order_relaxed))
        ;
    errno = saved_errno;
}

/* In the child, dlclose calls of other threads do not continue; those of this thread (a destructor forks) do. */
void gs_unwind_libraries_after_fork(void)
{
    atomic_store_explicit(&closing, gs_thread.closing, memory_order_relaxed);
}
