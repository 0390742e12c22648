/* recover_box.c - `gumshoe recover BOX`: a black box that no agent will come across, made into an incident by hand. */
#include "base/memory.h"
#include "box/box.h"
#include "cli/cli.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 };

bool gs_cli_is_box_file(int fd)
{
    char head[8];
    return pread(fd, head, sizeof head, 0) == sizeof head && gs_box_is(head, sizeof head);
}

/* The store that the box at PATH stands in, DIR of DIR/.live/NAME; false: in none. */
static bool store_of(const char *path, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s", path);
    char *name = strrchr(out, '/');
    if (!name)
        return false;
    *name = 0;
    char *live = strrchr(out, '/');
    if (strcmp(live ? live + 1 : out, ".live") != 0)
        return false;
    snprintf(live ? live + 1 : out, 2, ".");
    return true;
}

/* Is the box at PATH written still? By a process of another container, too, whose number says nothing here. */
static bool is_written(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool written = fd >= 0 && gs_box_is_locked(fd);
    if (fd >= 0)
        close(fd);
    return written;
}

int gs_cli_recover_box(const char *box, const char *dir, char path[])
{
    char why[200], *bytes, home[PATH_MAX];
    size_t length;
    bool written = is_written(box);
    int error = gs_file_read(AT_FDCWD, box, FILE_MAX, &bytes, &length);
    if (error)
        return gs_cli_complain(GS_IO, "%s: %s", box, strerrordesc_np(-error));
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!contents)
        return gs_cli_complain(GS_IO, "%s: %s", box, why);
    const struct gs_post_mortem *post_mortem = written ? NULL : gs_box_remains(contents);
    if (!dir)
        dir = store_of(box, home) ? home : gs_cli_default_dir();
    int status =
        post_mortem
            ? gs_cli_write_remains(box, post_mortem, dir, path)
            : gs_cli_complain(GS_NO, "%s: its process runs: gumshoe capture makes an incident of it", box);
    gs_box_contents_free(contents);
    return status;
}
