/* recover.c - `gumshoe recover`: what is left of a process that died becomes an incident. */
#include "cli/cli.h"
#include "reader/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int recover(const char *remains, const char *exe, const char *dir)
{
    char path[PATH_MAX];
    int fd = open(remains, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return gs_complain(GS_IO, "%s: %s", remains, strerrordesc_np(errno));
    bool core = gs_is_core(fd), box = !core && gs_is_box_file(fd);
    close(fd);
    int status = core  ? gs_recover_core(remains, exe, dir ? dir : gs_default_dir(), path)
                 : box ? gs_recover_box(remains, dir, path)
                       : gs_complain(GS_IO, "%s: it is neither a black box nor a core file", remains);
    if (status == GS_FINE)
        puts(path);
    return status;
}

int gs_cmd_recover(int argc, char **argv)
{
    static const struct option known[] = {{"exe", required_argument, NULL, 'e'},
                                          {"dir", required_argument, NULL, 'd'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *exe = NULL, *dir = NULL;
    char program[PATH_MAX];
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'e':
            exe = realpath(optarg, program);
            if (!exe)
                return gs_complain(GS_IO, "%s: %s", optarg, strerrordesc_np(errno));
            break;
        case 'd': dir = optarg; break;
        case 'h': gs_command_help("recover"); return GS_FINE;
        default: return gs_usage("recover", "see gumshoe recover --help");
        }
    if (optind + 1 != argc)
        return gs_usage("recover", "one black box or core file is wanted");
    return recover(argv[optind], exe, dir);
}
