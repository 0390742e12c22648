/* recover_box.c - `gumshoe recover BOX`: makes an incident of a black box by hand, where no agent will find it. */
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

/* Find the store of the box at PATH: DIR of DIR/.live/NAME. Returns false if PATH does not have this form. */
static bool find_store(const char *path, char out[PATH_MAX])
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

/* Does the process of the box at PATH still run? It then holds the box's lock, which is also visible when the process runs in
 * another container, where its pid means nothing here. */
static bool is_process_alive(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool alive = fd >= 0 && gs_box_is_locked(fd);
    if (fd >= 0)
        close(fd);
    return alive;
}

int gs_cli_recover_box(const char *box, const char *dir, const struct gs_option_list *plumbing, char path[])
{
    char why[200], *bytes, store_dir[PATH_MAX];
    size_t length;
    bool alive = is_process_alive(box);
    int error = gs_file_read(AT_FDCWD, box, FILE_MAX, &bytes, &length);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", box, strerrordesc_np(-error));
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!contents)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", box, why);
    const struct gs_post_mortem *post_mortem = alive ? NULL : gs_box_post_mortem(contents);
    if (!dir)
        dir = find_store(box, store_dir) ? store_dir : gs_cli_default_dir();
    int status = post_mortem ? gs_cli_write_post_mortem(box, post_mortem, dir, plumbing, path)
                             : gs_cli_complain(GS_EXIT_NEGATIVE,
                                               "%s: its process still runs: use gumshoe capture", box);
    gs_box_contents_free(contents);
    return status;
}
