/* core_file.c - reads the headers and notes of a core file. Every length is checked before it is used.
 *
 *   PT_LOAD  memory: address ──▶ bytes in the file (of a mapped file's text usually only the first page is dumped)
 *   PT_NOTE  PRSTATUS a thread and the signal, SIGINFO its cause, PRPSINFO the process, FILE the mapped files, AUXV the entry address
 *
 * Bounds: SEGMENTS_MAX segments, NOTES_MAX bytes of notes, THREADS_MAX threads. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/search.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 1 << 20, NOTES_MAX = 512 << 20, THREADS_MAX = 1 << 16 };

/* Read COUNT items of SIZE bytes at OFFSET; the caller frees them. NULL, with errno. */
static void *read_table(int fd, uint64_t offset, uint64_t count, size_t size)
{
    struct stat status;
    uint64_t bytes;
    errno = EINVAL; // a file cut short
    if (fstat(fd, &status) != 0 || __builtin_mul_overflow(count, size, &bytes) ||
        bytes > (uint64_t)status.st_size)
        return NULL;
    void *table = gs_alloc(bytes + 1); // + 1: a NUL after the notes
    if (!table)
        errno = ENOMEM;
    else if (!gs_file_read_at(fd, offset, table, bytes)) {
        gs_free(table);
        errno = EINVAL;
        table = NULL;
    }
    return table;
}

/* ---- notes ----------------------------------------------------------------------------------------------------------- */

/* Read the system call that the thread was in from its registers: the kernel leaves its number in orig_rax, and in rax that
 * it was interrupted. */
static void read_call(const struct elf_prstatus *status, struct gs_core_thread *out)
{
    out->call = -1;
#ifdef __x86_64__
    enum { RESTARTSYS = -512, RESTARTNOINTR = -513, RESTARTNOHAND = -514, RESTART_RESTARTBLOCK = -516 };
    struct user_regs_struct regs;
    memcpy(&regs, &status->pr_reg, sizeof regs);
    int64_t number = (int64_t)regs.orig_rax, result = (int64_t)regs.rax;
    if (number < 0 || number > INT_MAX ||
        (result != RESTARTSYS && result != RESTARTNOINTR && result != RESTARTNOHAND &&
         result != RESTART_RESTARTBLOCK && result != -EINTR))
        return;
    out->call = (int)number;
    const uint64_t argument[] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
    memcpy(out->argument, argument, sizeof argument);
#else
    (void)status; // elsewhere the result overwrites the first argument
#endif
}

static bool add_thread(struct gs_core *core, size_t *capacity, const struct elf_prstatus *status)
{
    if (core->thread_count == THREADS_MAX) {
        core->threads_left_out++;
        return true;
    }
    if (gs_grow(&core->thread, capacity, core->thread_count + 1, sizeof *core->thread))
        return false;
    struct gs_core_thread *thread = &core->thread[core->thread_count++];
    *thread = (struct gs_core_thread){.tid = status->pr_pid};
    read_call(status, thread);
    return true;
}

/* NT_FILE: count, page size, { start, end, offset in pages } each, then the paths, a 0 behind each. */
static bool read_file_note(struct gs_core *core, const char *note, uint64_t length)
{
    uint64_t count, page, at[3];
    const char *path, *end = note + length;
    if (core->file || length < 2 * sizeof count)
        return true;
    memcpy(&count, note, sizeof count);
    memcpy(&page, note + sizeof count, sizeof page);
    if (count > (length - 2 * sizeof count) / sizeof at ||
        !(core->file = gs_alloc((count + 1) * sizeof *core->file)))
        return count > length; // a note with a wrong count is ignored
    path = note + 2 * sizeof count + count * sizeof at;
    for (uint64_t i = 0; i < count; i++) {
        size_t room = (size_t)(end - path), used = strnlen(path, room);
        if (used == room)
            return true;
        memcpy(at, note + 2 * sizeof count + i * sizeof at, sizeof at);
        if (at[0] < at[1] && (!core->file_count || core->file[core->file_count - 1].end <= at[0]))
            core->file[core->file_count++] = (struct gs_core_file){at[0], at[1], at[2] * page, path, -1};
        path += used + 1;
    }
    return true;
}

static void read_auxv(struct gs_core *core, const char *note, uint64_t length)
{
    Elf64_auxv_t entry;
    for (; length >= sizeof entry; note += sizeof entry, length -= sizeof entry) {
        memcpy(&entry, note, sizeof entry);
        if (entry.a_type == AT_ENTRY)
            core->entry = entry.a_un.a_val;
        else if (entry.a_type == AT_EXECFN)
            core->exec_name = entry.a_un.a_val;
    }
}

/* The first thread's registers. */
static void read_registers(struct gs_core *core, const struct elf_prstatus *status)
{
#if defined(__x86_64__)
    enum { RIP = 16, RSP = 19 };
    core->pc = status->pr_reg[RIP];
    core->sp = status->pr_reg[RSP];
#elif defined(__aarch64__)
    enum { SP = 31, PC = 32 };
    core->pc = status->pr_reg[PC];
    core->sp = status->pr_reg[SP];
#endif
}

static bool read_note(struct gs_core *core, size_t *capacity, unsigned type, const char *note,
                      uint64_t length)
{
    struct elf_prstatus status;
    struct elf_prpsinfo process;
    if (type == NT_PRSTATUS && length >= sizeof status) {
        memcpy(&status, note, sizeof status);
        if (!core->thread_count) {
            core->signal = status.pr_cursig;
            read_registers(core, &status);
        }
        return add_thread(core, capacity, &status);
    }
    if (type == NT_PRPSINFO && length >= sizeof process) {
        memcpy(&process, note, sizeof process);
        core->pid = process.pr_pid;
        snprintf(core->program, sizeof core->program, "%.*s", (int)sizeof process.pr_fname, process.pr_fname);
    } else if (type == NT_SIGINFO && !core->has_siginfo && length >= sizeof core->siginfo) {
        memcpy(&core->siginfo, note, sizeof core->siginfo);
        core->has_siginfo = core->siginfo.si_signo == core->signal;
    } else if (type == NT_FILE)
        return read_file_note(core, note, length);
    else if (type == NT_AUXV)
        read_auxv(core, note, length);
    return true;
}

static uint64_t round_up_to_4(uint64_t length)
{
    return (length + 3) & ~(uint64_t)3;
}

static int read_notes(struct gs_core *core)
{
    size_t capacity = 0;
    for (uint64_t at = 0; core->notes_length - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        memcpy(&note, core->notes + at, sizeof note);
        uint64_t value = at + sizeof note + round_up_to_4(note.n_namesz),
                 end = value + round_up_to_4(note.n_descsz);
        if (end > core->notes_length)
            break; // cut short
        if (note.n_namesz == sizeof "CORE" &&
            memcmp(core->notes + at + sizeof note, "CORE", sizeof "CORE") == 0 &&
            !read_note(core, &capacity, note.n_type, core->notes + value, note.n_descsz))
            return -ENOMEM;
        at = end;
    }
    return 0;
}

/* ---- headers ---------------------------------------------------------------------------------------------------------- */

static bool read_header(int fd, Elf64_Ehdr *out)
{
    return gs_file_read_at(fd, 0, out, sizeof *out) && memcmp(out->e_ident, ELFMAG, SELFMAG) == 0 &&
           out->e_type == ET_CORE;
}

bool gs_reader_is_core(int fd)
{
    Elf64_Ehdr header;
    return read_header(fd, &header);
}

/* If there are more segments than e_phnum can express, section 0 has their number. */
static uint64_t count_segments(int fd, const Elf64_Ehdr *header)
{
    Elf64_Shdr section;
    if (header->e_phnum != PN_XNUM)
        return header->e_phnum;
    return gs_file_read_at(fd, header->e_shoff, &section, sizeof section) ? section.sh_info : 0;
}

static void add_segment(struct gs_core *core, const Elf64_Phdr *segment)
{
    uint64_t end;
    if (segment->p_type != PT_LOAD || __builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end) ||
        segment->p_filesz > segment->p_memsz ||
        (core->segment_count && core->segment[core->segment_count - 1].end > segment->p_vaddr))
        return;
    core->segment[core->segment_count++] = (struct gs_core_segment){segment->p_vaddr, end, segment->p_offset,
                                                                    segment->p_filesz, segment->p_flags};
}

static int read_segments(struct gs_core *core, const Elf64_Ehdr *header)
{
    uint64_t count = count_segments(core->fd, header);
    if (header->e_phentsize != sizeof(Elf64_Phdr) || count == 0 || count > SEGMENTS_MAX)
        return -EINVAL;
    Elf64_Phdr *segment = read_table(core->fd, header->e_phoff, count, sizeof *segment);
    if (!segment)
        return -errno;
    core->segment = gs_alloc(count * sizeof *core->segment);
    int error = core->segment ? 0 : -ENOMEM;
    for (uint64_t i = 0; !error && i < count; i++) {
        add_segment(core, &segment[i]);
        if (segment[i].p_type != PT_NOTE || core->notes || segment[i].p_filesz > NOTES_MAX)
            continue;
        core->notes = read_table(core->fd, segment[i].p_offset, segment[i].p_filesz, 1);
        core->notes_length = core->notes ? segment[i].p_filesz : 0;
        error = core->notes ? 0 : -errno;
    }
    gs_free(segment);
    return error;
}

static int read_core(struct gs_core *core, char *why, size_t why_size)
{
    Elf64_Ehdr header;
    int error = 0;
    if (!read_header(core->fd, &header) || header.e_ident[EI_CLASS] != ELFCLASS64) {
        snprintf(why, why_size, "it is not a core file of a 64-bit process");
        return -EINVAL;
    }
    error = read_segments(core, &header);
    if (!error)
        error = read_notes(core);
    if (error == -EINVAL)
        snprintf(why, why_size, "its headers are damaged, or it was cut short");
    else if (error)
        snprintf(why, why_size, "%s", strerrordesc_np(-error));
    else if (!core->thread_count) {
        snprintf(why, why_size, "it has no threads: it was cut short, or is not from Linux");
        error = -EINVAL;
    }
    return error;
}

/* ---- the files that were mapped ------------------------------------------------------------------------------------ */

enum { FIRST_PAGE = 4096 };

/* Does FD's file start with the page that was mapped? The first page of a program or library is dumped, and has its
 * build id. */
static bool is_what_was_mapped(const struct gs_core *core, const struct gs_core_file *file, int fd)
{
    char mapped[FIRST_PAGE], here[FIRST_PAGE];
    return file->offset != 0 || !gs_reader_core_read(core, file->start, mapped, sizeof mapped) ||
           (gs_file_read_at(fd, 0, here, sizeof here) && memcmp(mapped, here, sizeof here) == 0);
}

/* Open FILE's path. -1: it is not usable, and NOTES says why (no note for devices and shared memory). */
static int open_file(const struct gs_core *core, const struct gs_core_file *file, struct gs_text *notes)
{
    const char *path = file->path;
    struct stat status;
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/memfd:", 7) == 0 || strncmp(path, "/SYSV", 5) == 0)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool usable = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (usable && is_what_was_mapped(core, file, fd))
        return fd;
    gs_text_add(notes,
                usable ? "%s: rebuilt since it was mapped: not used for names and stacks\n"
                       : "%s is not here: frames in it have no names, and stacks may end there\n",
                path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Replace the path of the main program by EXE. */
static void replace_main_path(struct gs_core *core, const char *exe)
{
    const struct gs_core_file *main = core->entry ? gs_reader_core_file_at(core, core->entry) : NULL;
    const char *was = main ? main->path : NULL;
    for (size_t i = 0; was && i < core->file_count; i++)
        if (strcmp(core->file[i].path, was) == 0)
            core->file[i].path = exe;
}

static void open_files(struct gs_core *core, const char *exe, struct gs_text *notes)
{
    if (exe)
        replace_main_path(core, exe);
    for (size_t i = 0; i < core->file_count; i++) {
        struct gs_core_file *file = &core->file[i];
        bool again = i && strcmp(file->path, file[-1].path) == 0;
        file->fd = again ? file[-1].fd : open_file(core, file, notes);
    }
}

static void close_files(struct gs_core *core)
{
    for (size_t i = 0; i < core->file_count; i++)
        if (core->file[i].fd >= 0 && (i == 0 || core->file[i].fd != core->file[i - 1].fd))
            close(core->file[i].fd);
}

int gs_reader_core_open(const char *path, const char *exe, struct gs_core *out, struct gs_text *notes,
                        char *why, size_t why_size)
{
    struct stat status;
    *out = (struct gs_core){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    int error = out->fd < 0 || fstat(out->fd, &status) != 0 ? -errno : 0;
    if (error) {
        snprintf(why, why_size, "%s", strerrordesc_np(-error));
        return error;
    }
    out->written_ns = status.st_mtim.tv_sec * GS_NS_PER_S + status.st_mtim.tv_nsec;
    error = read_core(out, why, why_size);
    if (error)
        gs_reader_core_close(out);
    else
        open_files(out, exe, notes);
    return error;
}

void gs_reader_core_close(struct gs_core *core)
{
    close_files(core);
    close(core->fd);
    gs_free(core->segment);
    gs_free(core->file);
    gs_free(core->thread);
    gs_free(core->notes);
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* The first segment that ends after AT. */
static const struct gs_core_segment *segment_from(const struct gs_core *core, uint64_t at)
{
    struct gs_search search = {.high = core->segment_count};
    while (gs_search_next(&search))
        gs_search_step(&search, core->segment[search.middle].end <= at);
    return search.low < core->segment_count ? &core->segment[search.low] : NULL;
}

/* Read what one source has at AT, at most LENGTH bytes; 0: nothing. A debugger leaves out whole mappings, the kernel
 * leaves out bytes of segments. A writable segment is not read from its file, because the process may have changed it. */
static size_t read_part(const struct gs_core *core, uint64_t at, void *out, size_t length)
{
    const struct gs_core_segment *segment = segment_from(core, at);
    const struct gs_core_file *file = gs_reader_core_file_at(core, at);
    bool in_segment = segment && segment->start <= at;
    int fd = core->fd;
    uint64_t offset, left;
    if (in_segment && at - segment->start < segment->bytes) {
        offset = segment->offset + (at - segment->start);
        left = segment->bytes - (at - segment->start);
    } else if (file && file->fd >= 0 && !(in_segment && segment->flags & PF_W)) {
        fd = file->fd;
        offset = file->offset + (at - file->start);
        left =
            (segment && segment->start > at && segment->start < file->end ? segment->start : file->end) - at;
    } else {
        return 0;
    }
    size_t part = left < length ? (size_t)left : length;
    return gs_file_read_at(fd, offset, out, part) ? part : 0;
}

bool gs_reader_core_read(const struct gs_core *core, uint64_t at, void *out, size_t length)
{
    for (char *to = out; length;) {
        size_t part = read_part(core, at, to, length);
        if (part == 0)
            return false;
        to += part;
        at += part;
        length -= part;
    }
    return true;
}

const struct gs_core_file *gs_reader_core_file_at(const struct gs_core *core, uint64_t at)
{
    struct gs_search search = {.high = core->file_count};
    while (gs_search_next(&search))
        gs_search_step(&search, core->file[search.middle].end <= at);
    size_t found = search.low;
    return found < core->file_count && core->file[found].start <= at ? &core->file[found] : NULL;
}

uint64_t gs_reader_core_image(const struct gs_core *core, uint64_t at)
{
    const struct gs_core_file *file = gs_reader_core_file_at(core, at);
    const struct gs_core_segment *segment = segment_from(core, at);
    for (; file && file->offset; file--) // the mappings of a file are neighbours, its header first
        if (file == core->file || strcmp(file[-1].path, file->path) != 0)
            return 0;
    while (file && file > core->file && file[-1].offset == 0 && file[-1].end == file->start &&
           strcmp(file[-1].path, file->path) == 0)
        file--; // the first page of the file is mapped for each segment that has a part of it (lld, mold)
    return file                              ? file->start
           : segment && segment->start <= at ? segment->start
                                             : 0; // the vDSO is a segment without a file
}
