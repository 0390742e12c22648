/* Boxes in .live: whose they are, whether that process still lives, and which death each tells of. */
#include "box/box.h"
#include "box/inside.h"
#include "box_story.h"
#include "incident/incident.h"
#include "store/inside.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- whose it is ------------------------------------------------------------------------------------------------------------------ */

/* A box in .live as NAME, of a process on HOST in another start of the machine, whose file was last written SECONDS ago. */
static void put_foreign(const char *name, const char *host, int seconds)
{
    static int64_t last_seen_ns; // one moment for all
    char path[200];
    struct gs_store_live_id id;
    assert_true(gs_store_live_id_read(name, ".box", &id));
    last_seen_ns = last_seen_ns ? last_seen_ns : gs_clock_realtime_ns();
    struct gs_box_out *out = malloc(sizeof *out);
    snprintf(path, sizeof path, "%s/.live/%s", box_story.dir, name);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    gs_box_out_start(out, fd, 0, 0);
    gs_box_begin(out, GS_BOX_IDENTITY);
    gs_box_number(out, (uint64_t)id.pid);
    gs_box_number(out, id.start_ticks);
    for (int i = 0; i < 3; i++)
        gs_box_number(out, 4711);
    gs_box_text(out, "another-boot");
    gs_box_text(out, host);
    for (int i = 0; i < 3; i++)
        gs_box_text(out, "");
    gs_box_number(out, id.namespace);
    gs_box_end(out);
    gs_box_begin(out, GS_BOX_WRITTEN);
    gs_box_number(out, (uint64_t)last_seen_ns);
    gs_box_number(out, 1);
    gs_box_signed(out, -1);
    gs_box_end(out);
    assert_int_equal(gs_box_flush(out), 0);
    free(out);
    const struct timespec then[] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    futimens(fd, then);
    close(fd);
}

/* Who ends as it should and cannot remove its box leaves an empty one, which tells of no death. */
static void an_emptied_box_is_no_death(void **state)
{
    char path[PATH_MAX], empty[200];
    (void)state;
    tick(1);
    snprintf(empty, sizeof empty, "%s/.live/4711-9.box", box_story.dir);
    close(open(empty, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 0);
    assert_int_equal(access(empty, F_OK), -1);
}

static void boxes_of_other_machines_are_left_alone_while_they_may_live(void **state)
{
    char path[PATH_MAX], here[HOST_NAME_MAX + 1];
    (void)state;
    tick(1); // makes .live, and is never taken for a dead one
    gethostname(here, sizeof here);
    put_foreign("4711-1.box", "elsewhere", 10);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 0);
    put_foreign("4711-2.box", "elsewhere", 400);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 1);
    put_foreign("4711-3.box", here, 10); // this one, before it was started anew
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 1);
    char why[200], *how;
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    how = strdup(json_string_value(json_object_get(json_object_get(json, "died"), "how")));
    assert_string_equal(how, "unknown: the machine was rebooted since then, or this is another machine");
    json_decref(json);
    free(how);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 0);
    assert_int_equal(access(box_path(), F_OK), 0);
}

/* Killed between an incident and the removal of its box: the incident is not made twice. */
static void an_incident_that_was_made_is_not_made_again(void **state)
{
    char path[PATH_MAX], copy[600];
    struct gs_store_list list;
    (void)state;
    tick(1);
    put_foreign("4711-2.box", "elsewhere", 400);
    snprintf(copy, sizeof copy, "cp -p %s/.live/4711-2.box %s/kept", box_story.dir, box_story.dir);
    assert_int_equal(system(copy), 0);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 1);
    snprintf(copy, sizeof copy, "cp -p %s/kept %s/.live/4711-2.box", box_story.dir, box_story.dir);
    assert_int_equal(system(copy), 0);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 0);
    snprintf(copy, sizeof copy, "%s/.live/4711-2.box", box_story.dir);
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(gs_store_list(box_story.dir, &list), 0);
    assert_int_equal(list.count, 1);
    gs_store_list_fini(&list);
}

/* Two containers, each with a process 1 that started in the same tick and was last seen in the same millisecond. */
static void deaths_that_look_alike_are_told_apart(void **state)
{
    char path[PATH_MAX];
    struct gs_store_list list;
    (void)state;
    tick(1);
    put_foreign("1-5-10.box", "elsewhere", 400);
    put_foreign("1-5-11.box", "elsewhere", 400);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 1);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 1);
    put_foreign("1-5-11.box", "elsewhere", 400); // as if it had not been removed
    put_foreign("1-5-10.box", "elsewhere", 400);
    assert_int_equal(gs_incident_recover_next(box_story.store, 0, path), 0);
    assert_int_equal(gs_store_list(box_story.dir, &list), 0);
    assert_int_equal(list.count, 2);
    gs_store_list_fini(&list);
}

/* What names in .live say: an earlier version's have no namespace, and anything may stand there. */
static void names_are_read_back_or_refused(void **state)
{
    static const char *const refused[] = {"",           "1.box",      "1-.box",       "-1-2.box",    "0-1-2.box",
                                          "1-2-.box",   "1-2-3-.box", "1-2-3-4.box",  "+1-2-3.box",  "1- 2-3.box",
                                          "1-2-3.sock", "1-2-3.box2", "1-2--3.box",   "x-2-3.box",   "1-2-4294967296.box",
                                          "2147483648-1-1.box",       "1-18446744073709551616-1.box"};
    char name[GS_LIVE_NAME];
    struct gs_store_live_id id;
    (void)state;
    assert_true(gs_store_live_id_read("2147483647-18446744073709551615-4294967295.box", ".box", &id));
    assert_true(id.pid == INT32_MAX && id.start_ticks == UINT64_MAX && id.namespace == UINT32_MAX);
    gs_store_live_id_print(&id, name);
    assert_string_equal(name, "2147483647-18446744073709551615-4294967295");
    assert_true(gs_store_live_id_read("4711-9.sock", ".sock", &id));
    assert_true(id.pid == 4711 && id.start_ticks == 9 && id.namespace == 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (gs_store_live_id_read(refused[i], ".box", &id))
            fail_msg("%s was read", refused[i]);
    assert_true(gs_store_live_id((int)getpid(), &id) && gs_store_live_is_running(&id));
    id.namespace++; // another container's: it is not the process that we see
    assert_false(gs_store_live_is_running(&id));
    id.namespace = 0; // of an earlier version
    assert_true(gs_store_live_is_running(&id));
}

/* An agent's thread that shares no descriptor with its process, and listens. */
static void *listen_apart(void *told)
{
    char name[GS_LIVE_NAME], why[200];
    prctl(PR_SET_NAME, "gumshoe");
    if (unshare(CLONE_FILES) != 0)
        _exit(1);
    struct gs_store *own = gs_store_open(box_story.dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!own || gs_store_live_listen(own, name) < 0 || write(*(int *)told, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
    return NULL;
}

static void an_agent_with_descriptors_of_its_own_is_found(void **state)
{
    int told[2];
    char byte;
    pthread_t thread;
    (void)state;
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(box_story.store->directory.fd);
        if (pthread_create(&thread, NULL, listen_apart, &told[1]) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    int fd = gs_store_live_connect((int)pid);
    if (fd < 0)
        fail_msg("%s", strerror(-fd));
    close(fd);
    close(told[0]);
    assert_int_equal(gs_store_live_connect((int)getpid()), -ENOENT);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(gs_store_live_connect((int)pid), -ENOENT);
}

static void rss_close_to_the_limit_speaks_of_the_oom_killer(void **state)
{
    char how[GS_DEATH_TEXT];
    (void)state;
    tick((double)MiB(400));
    struct gs_box_contents *contents = read_now();
    gs_box_describe_death(contents, 9, how);
    assert_string_equal(how, "killed by signal 9 (SIGKILL)");
    gs_box_contents_free(contents);
    tick((double)MiB(496)); // of 512: 96.9 %
    contents = read_now();
    gs_box_describe_death(contents, 9, how);
    assert_string_equal(how, "killed by signal 9 (SIGKILL), probably the OOM killer: rss was 97 % of the limit (496 MiB of 512 MiB)");
    gs_box_describe_death(contents, 0, how);
    assert_string_equal(how, "probably the OOM killer: rss was 97 % of the limit (496 MiB of 512 MiB)");
    gs_box_describe_death(contents, 11, how);
    assert_string_equal(how, "killed by signal 11 (SIGSEGV)");
    gs_box_contents_free(contents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_emptied_box_is_no_death),
        STORY(boxes_of_other_machines_are_left_alone_while_they_may_live),
        STORY(an_incident_that_was_made_is_not_made_again),
        STORY(deaths_that_look_alike_are_told_apart),
        cmocka_unit_test(names_are_read_back_or_refused),
        STORY(an_agent_with_descriptors_of_its_own_is_found),
        STORY(rss_close_to_the_limit_speaks_of_the_oom_killer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
