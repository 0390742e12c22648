/* machine.c - a machine that changes, in a directory of its own (machine.h). */
#include "machine.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

struct machine_dir machine_new(void)
{
    struct machine_dir m;
    strcpy(m.root, "/tmp/gumshoe-machine-XXXXXX");
    assert_non_null(mkdtemp(m.root));
    return m;
}

void machine_drop(struct machine_dir *m)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", m->root);
    assert_int_equal(system(command), 0);
}

void machine_path(const struct machine_dir *m, const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s%s", m->root, path);
    for (char *slash = strchr(out + strlen(m->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(out, 0700))
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
}

void machine_put(const struct machine_dir *m, const char *path, const char *text)
{
    char whole[512];
    machine_path(m, path, whole, sizeof whole);
    int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void machine_remove(const struct machine_dir *m, const char *path)
{
    char whole[512];
    machine_path(m, path, whole, sizeof whole);
    assert_int_equal(unlink(whole), 0);
}

void machine_put_group(const struct machine_dir *m, const char *group)
{
    machine_put(m, "/proc/meminfo", "MemTotal: 1024 kB\n");
    machine_put(m, "/proc/self/cgroup", group);
    machine_put(m, "/proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n");
}

struct gs_metric_set *watch_one(const char *name, const char *root)
{
    struct gs_metric_set *watch = gs_metrics_set_new(ONE(name), root);
    assert_non_null(watch);
    return watch;
}

double read_one(struct gs_metric_set *watch, double at_second)
{
    double value = -1;
    gs_metrics_set_read(watch, SECONDS(at_second), &value);
    return value;
}

void assert_about(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

void assert_missing(struct gs_metric_set *watch, double at_second, const char *why)
{
    double value = read_one(watch, at_second);
    if (!isnan(value))
        fail_msg("%g where nothing should be", value);
    const char *said = gs_metrics_set_unavailable(watch, 0);
    if (why ? !said || !strstr(said, why) : said != NULL)
        fail_msg("said \"%s\" instead of \"%s\"", said ? said : "(nothing)", why ? why : "(nothing)");
}
