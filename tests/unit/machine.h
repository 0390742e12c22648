/* machine.h - machines for the tests of metrics: those that stand still are under fixtures/machines; those that change while a
 * story goes on are built in a directory of their own, whose files are named as on a real one ("/proc/self/stat").
 * What cannot be done fails the test. Who: test_metrics*.c. */
#pragma once
#include "metrics/metrics.h"
#include <stddef.h>
#include <stdint.h>

#define MIB            (1024.0 * 1024)
#define FIXTURE(name)  TEST_SOURCE_DIR "/tests/unit/fixtures/machines/" name
#define ONE(name)      ((const char *const[]){name}), 1
#define SECONDS(s)     ((int64_t)((s)*1e9))
#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

struct machine_dir { char root[64]; };

struct machine_dir machine_new(void);
void machine_drop(struct machine_dir *m);
/* Where PATH of the machine stands, into OUT; the folders above it are made. */
void machine_path(const struct machine_dir *m, const char *path, char *out, size_t size);
/* PATH now says TEXT; the file stays the same one, as in /proc. */
void machine_put(const struct machine_dir *m, const char *path, const char *text);
void machine_remove(const struct machine_dir *m, const char *path);
/* A machine of 1 MiB whose process is in the control groups GROUP, as /proc/self/cgroup has them, mounted on /cg. */
void machine_put_group(const struct machine_dir *m, const char *group);

/* A watch of the metric NAME alone, on the machine at ROOT ("": this one); freed with gs_metrics_set_free. */
struct gs_metric_set *watch_one(const char *name, const char *root);
/* The value of its first metric at that second. */
double read_one(struct gs_metric_set *watch, double at_second);
/* There is no value at that second, for a reason that has the words WHY; NULL: for none. */
void assert_missing(struct gs_metric_set *watch, double at_second, const char *why);
void assert_about(double value, double expected);
