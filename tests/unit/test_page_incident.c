/* test_page_incident.c - the page of an incident: what stands in it, that text from its files does no harm, and that a missing or
 * damaged file costs its own section alone. */
#include "base/json.h"
#include "base/memory.h"
#include "reader/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

static struct page_story {
    char dir[64];
    int folder;
    struct gs_text page;
    const char *source_dir;
} s;

/* ---- the story's steps ------------------------------------------------------------------------------------------------ */

static void put(const char *name, const char *text, size_t length)
{
    int fd = openat(s.folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    close(fd);
}

static void file(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* incident.json with the required keys, and MORE. */
static void incident(const char *more)
{
    char text[8000];
    snprintf(text, sizeof text,
             "{\"version\":1,\"complete\":true,\"rule\":\"heap-high\",\"metric\":\"heap_in_use\","
             "\"condition\":\"above\","
             "\"value\":300,\"line\":200,\"reason\":\"heap_in_use 300 B is above 200 "
             "B\",\"triggered\":\"2026-11-24T03:05:09.000Z\","
             "\"pid\":7,\"exe\":\"/srv/"
             "server\",\"build_id\":\"\",\"host\":\"web-1\",\"started\":\"2026-11-24T03:00:00.000Z\","
             "\"limit\":1048576,\"fingerprint\":\"00\",\"steps\":[],\"errors\":[],\"notes\":[]%s%s}",
             *more ? "," : "", more);
    file("incident.json", text);
}

/* A profile of THREADS threads that wait in STACK[0..DEPTH), leaf first; each function at line 10, 11, … of /src/server.c. */
static void profile(const char *name, const char *type, const char *const *stack, uint32_t depth, int threads)
{
    struct gs_profile *built = gs_profile_new();
    uint32_t location[8];
    const int64_t value = 100;
    gs_profile_add_sample_type(built, type, strcmp(type, "threads") ? "bytes" : "count");
    const struct gs_profile_mapping mapping = {
        .start = 0x1000, .end = 0x9000, .path = "/srv/server", .build_id = ""};
    uint32_t number = gs_profile_add_mapping(built, &mapping);
    for (uint32_t i = 0; i < depth; i++) {
        struct gs_line line = {gs_profile_add_function(built, stack[i], stack[i], "/src/server.c", 1),
                               10 + i};
        location[i] = gs_profile_add_location(built, &(struct gs_location){0x1000 + i, number + 1, 1, &line});
    }
    for (int i = 0; i < threads; i++) {
        const int64_t one = 1;
        const struct gs_label_value labels[] = {{"tid", NULL, 100 + i, ""}, {"name", "worker", 0, NULL}};
        gs_profile_append_sample(
            built, &(struct gs_sample){location, strcmp(type, "threads") ? &value : &one, labels, depth, 2});
    }
    assert_false(built->failed);
    int fd = openat(s.folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(gs_profile_write(built, fd), 0);
    close(fd);
    gs_profile_free(built);
}

static const char *page(void)
{
    char why[200] = "";
    const struct gs_page_incident from = {.folder = s.folder, .source_dir = s.source_dir};
    gs_text_fini(&s.page);
    s.page = (struct gs_text){0};
    int error = gs_reader_page_incident(&from, &s.page, why, sizeof why);
    if (error)
        print_error("%s\n", why);
    assert_int_equal(error, 0);
    return s.page.bytes;
}

static void has(const char *text)
{
    if (!strstr(s.page.bytes, text))
        print_error("the page lacks: %s\n", text);
    assert_non_null(strstr(s.page.bytes, text));
}

static void lacks(const char *text)
{
    if (strstr(s.page.bytes, text))
        print_error("the page has: %s\n", text);
    assert_null(strstr(s.page.bytes, text));
}

static int begin(void **state)
{
    (void)state;
    s = (struct page_story){.dir = "/tmp/gumshoe-test-XXXXXX"};
    gs_json_use_our_memory();
    s.folder = mkdtemp(s.dir) ? open(s.dir, O_RDONLY | O_DIRECTORY) : -1;
    return s.folder < 0;
}

static int end(void **state)
{
    char command[100];
    (void)state;
    gs_text_fini(&s.page);
    close(s.folder);
    snprintf(command, sizeof command, "rm -rf %s", s.dir);
    return system(command);
}

/* ---- the sections ---------------------------------------------------------------------------------------------------- */

#define CULPRIT                                                                                          \
    "\"culprit\":{\"kind\":\"growth\",\"bytes\":3145728,\"share\":0.75,\"function\":\"cache_insert\","   \
    "\"module\":\"server\","                                                                             \
    "\"file\":\"/src/"                                                                                   \
    "server.c\",\"line_number\":61,\"caller\":{\"function\":\"handle_get\",\"share\":0.9},\"via\":[],"   \
    "\"confidence\":\"low\",\"runner_up\":{\"function\":\"log_line\",\"share\":0.7},\"stack\":[\"cache_" \
    "insert\",\"main\"]},"                                                                               \
    "\"baseline_age_s\":90"

/* The first lines say which rule fired, why, who did it, where, how much, and since when. */
static void the_verdict_stands_first(void **state)
{
    (void)state;
    incident(CULPRIT);
    page();
    has("<p class=\"rule\">Rule <code>heap-high</code> fired</p>");
    has("<h1>heap_in_use 300 B is above 200 B</h1>");
    has("<code class=\"function\">cache_insert</code> <span class=\"place\">server.c:61</span> holds "
        "<strong>3 MiB</strong> more than "
        "1.5 min before: 75 % of all growth.");
    has("Called by <code>handle_get</code> for 90 % of that.");
    has("This is not certain.");
    has("Close behind: <code>log_line</code>, 70 %.");
    has("<dt>Running for</dt><dd>5.2 min</dd>");
    has("<ol class=\"stack\"><li>cache_insert</li><li>main</li></ol>");
    lacks("is not shown");
}

static void a_process_that_died_has_no_rule_that_fired(void **state)
{
    (void)state;
    incident(
        "\"died\":{\"how\":\"killed by signal 9 "
        "(SIGKILL)\",\"signal\":9,\"last_seen\":\"2026-11-24T03:05:08.000Z\",\"cause\":\"the OOM killer\"}");
    page();
    has("<p class=\"rule\"><code>heap-high</code></p>");
    has("The last sign of life of this process was at 2026-11-24T03:05:08.000Z.");
    has("<dt>Cause</dt><dd>the OOM killer</dd>");
    has("No culprit was found.");
}

/* Six values of a metric: the table has their ends, the plot's data the rule's line and the trigger. */
static void metrics_are_a_table_and_a_plot(void **state)
{
    (void)state;
    incident("\"baseline_age_s\":9");
    file("rules.json", "{\"version\":1,\"rules\":[{\"name\":\"heap-high\",\"metric\":\"heap_in_use\","
                       "\"above\":\"200B\",\"capture\":[\"heap\"]}]}");
    file("metrics.json", "{\"version\":1,\"interval_ms\":1000,\"pid\":7,\"series\":{\"heap_in_use\":[["
                         "1795489504,1024],[1795489505,512],"
                         "[1795489506,4096],[1795489507,2048]]},\"triggered\":\"2026-11-24T03:05:09.000Z\"}");
    page();
    has("<tr><th>heap_in_use</th><td class=\"number\">1 KiB</td><td class=\"number\">512 B</td><td "
        "class=\"number\">4 KiB</td>"
        "<td class=\"number\">2 KiB</td>");
    has("\"name\":\"heap-high\",\"fired\":true,\"all\":200}");
    has("\"triggered\":1795489509.0,\"baseline\":1795489500.0");
    has("\"metrics\":[{\"name\":\"heap_in_use\",\"unit\":\"bytes\",\"fired\":true,\"all\":{\"low\":[1024,"
        "null,");
}

static void memory_is_a_table_with_its_growth(void **state)
{
    (void)state;
    incident("");
    file("memory.json",
         "{\"version\":1,\"rss\":4096,\"parts\":{\"heap_live\":3072,\"files\":1024},\"heap_unseen\":\"it is "
         "static\","
         "\"anonymous_by_stack\":[{\"bytes\":512,\"function\":\"f\",\"stack\":[\"mmap\",\"pool_grow\"]}],"
         "\"baseline\":{\"age_s\":60,\"parts\":{\"heap_live\":1024,\"files\":2048}}}");
    page();
    has("<th class=\"part\">live heap</th><td class=\"number\">3 KiB</td><td class=\"number\">1 KiB</td><td "
        "class=\"number\">+2 KiB</td>");
    has("<th class=\"part\">files</th><td class=\"number\">1 KiB</td><td class=\"number\">2 KiB</td><td "
        "class=\"number\">\xe2\x88\x92"
        "1 KiB</td>");
    has("The heap is not seen: it is static");
    has("<td class=\"number\">512 B</td><td><code>mmap</code> \xe2\x86\x90 <code>pool_grow</code></td>");
}

/* Three threads in one stack and two in another are two groups, the larger first. */
static void threads_with_equal_stacks_are_one_group(void **state)
{
    (void)state;
    static const char *const stack[] = {"read", "worker_loop", "main"};
    incident("");
    profile("threads.pb.gz", "threads", stack, 3, 3);
    page();
    has("<p>3 threads in 1 group of equal stacks.</p>");
    has("<summary><b>3 threads</b>");
    has("worker/100, worker/101, worker/102</p>");
    has("<li class=\"own\"><code>");
    has("\"id\":\"threads\",\"label\":\"Threads\"");
}

static void a_deadlock_is_told_as_a_ring(void **state)
{
    (void)state;
    incident(
        "\"deadlock\":[{\"tid\":1,\"name\":\"a\",\"function\":\"transfer\",\"mutex\":\"0x10\",\"what\":"
        "\"mutex\",\"held_by\":2},"
        "{\"tid\":2,\"name\":\"b\",\"function\":\"audit\",\"mutex\":null,\"what\":\"join\",\"held_by\":1}],"
        "\"waits\":[{\"what\":\"mutex\",\"name\":\"accounts\",\"address\":\"0x10\",\"threads\":4,\"held_by\":"
        "{\"tid\":2,\"exists\":false,"
        "\"name\":\"b\",\"stack\":[\"audit\"]},\"readers\":null}],\"nobody_runs\":true");
    page();
    has("2 threads wait for each other; none of them can go on.");
    has("<li>a/1 in <code>transfer</code> waits for mutex <code>accounts</code>, which is held by b/2</li>");
    has("<li>b/2 in <code>audit</code> waits for the end of a/1</li>");
    has("\"deadlock\":[{\"tid\":1.0,\"held_by\":2.0,\"name\":\"a\",\"function\":\"transfer\",\"what\":"
        "\"mutex\",\"lock\":\"accounts\"}");
    has("b/2, which does not exist any more in <code>audit</code>");
    has("no thread is left that could wake another");
}

static void later_kinds_appear_by_themselves(void **state)
{
    (void)state;
    static const char *const stack[] = {"open_log", "main"};
    incident("\"files\":[{\"name\":\"heap.later.pb.gz\",\"size\":1},{\"name\":\"heap.orig.pb.gz\"},{\"name\":"
             "\"../../x.pb.gz\"},{\"name\":4}]");
    profile("heap.later.pb.gz", "inuse_space", stack, 2, 1);
    profile("heap.orig.pb.gz", "inuse_space", stack, 2, 1);
    page();
    has("\"id\":\"heap.later\",\"label\":\"heap.later: Held now\"");
    lacks("\"id\":\"heap.orig\"");
}

static void the_peak_is_one_more_view_of_the_heap(void **state)
{
    (void)state;
    static const char *const now[] = {"keep", "main"}, *const peak[] = {"load_all", "main"};
    incident("\"files\":[]");
    profile("heap.pb.gz", "inuse_space", now, 2, 1);
    profile("heap.peak.pb.gz", "inuse_space", peak, 2, 1);
    page();
    has("\"id\":\"held\",\"label\":\"Held now\"");
    has("\"id\":\"peak\",\"label\":\"Held at the peak\"");
    has("Held at the peak as a table");
}

/* heap.pages.pb.gz: conn_new has so much in memory, swapped out, and untouched. */
static void pages(int64_t resident, int64_t swapped, int64_t untouched)
{
    static const char *const type[] = {"inuse_resident", "inuse_swapped", "inuse_untouched"};
    struct gs_profile *built = gs_profile_new();
    const int64_t values[] = {resident, swapped, untouched};
    for (int i = 0; i < 3; i++)
        gs_profile_add_sample_type(built, type[i], "bytes");
    gs_profile_add_named_sample(built, "conn_new", values, NULL, 0);
    int fd = openat(s.folder, "heap.pages.pb.gz", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(gs_profile_write(built, fd), 0);
    close(fd);
    gs_profile_free(built);
}

static void the_pages_of_the_heap_are_views_where_there_are_any(void **state)
{
    (void)state;
    incident("\"files\":[]");
    pages(0, 100, 0);
    page();
    has("\"id\":\"resident\",\"label\":\"In use and in memory\"");
    has("\"id\":\"swapped\",\"label\":\"In use, swapped out\"");
    has("In use, swapped out as a table");
    lacks("In use, never touched");
}

/* ---- what is missing or damaged ---------------------------------------------------------------------------------------- */

static void a_damaged_file_costs_its_section_alone(void **state)
{
    (void)state;
    static const char *const stack[] = {"read", "main"};
    static const char *const damaged[] = {"metrics.json", "memory.json", "heap.pb.gz"};
    incident(CULPRIT);
    profile("threads.pb.gz", "threads", stack, 2, 1);
    for (size_t i = 0; i < 3; i++) {
        char problem[80];
        file(damaged[i], "{\"broken");
        page();
        snprintf(problem, sizeof problem, "<p class=\"problem\"><code>%s</code> is not shown: ", damaged[i]);
        has(problem);
        has("What this page does not show");
        has("<p>1 thread in 1 group of equal stacks.</p>");
        unlinkat(s.folder, damaged[i], 0);
    }
    page();
    lacks("What this page does not show"); // and what is not there was not captured
    lacks("id=\"memory\"");
}

static void links_are_not_followed(void **state)
{
    (void)state;
    incident("");
    assert_int_equal(symlinkat("/etc/passwd", s.folder, "fds.txt"), 0);
    assert_int_equal(symlinkat("/etc/passwd", s.folder, "rules.json"), 0);
    page();
    lacks("root:x");
    has("<code>fds.txt</code> is not shown: it is not a file");
}

static void no_incident_is_no_page(void **state)
{
    (void)state;
    char why[200] = "";
    const struct gs_page_incident from = {.folder = s.folder};
    assert_int_equal(gs_reader_page_incident(&from, &s.page, why, sizeof why), -EBADMSG);
    assert_true(why[0]);
    file("incident.json", "[1]");
    assert_int_equal(gs_reader_page_incident(&from, &s.page, why, sizeof why), -EBADMSG);
    assert_int_equal(s.page.length, 0);
}

/* ---- text of others ---------------------------------------------------------------------------------------------------- */

#define EVIL "<script>alert(1)</script>\\u001b[31m\\u202e\\\"'&"

/* Whatever text has markup, or ends an element or a string: the page has as many elements as without it. */
static size_t count_of(const char *text)
{
    size_t count = 0;
    for (const char *at = s.page.bytes; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void text_of_others_is_never_markup(void **state)
{
    (void)state;
    static const char *const stack[] = {"<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>",
                                        "main"};
    incident("");
    page();
    size_t scripts = count_of("<script"), ends = count_of("</script");
    incident("\"why\":\"" EVIL "\",\"program\":\"" EVIL "\",\"labels\":{\"" EVIL "\":\"" EVIL "\"},"
             "\"culprit\":{\"kind\":\"cpu\",\"function\":\"" EVIL "\",\"file\":\"" EVIL
             "\",\"line_number\":1,\"stack\":[\"" EVIL "\"],"
             "\"caller\":{\"function\":\"" EVIL "\"}},\"deadlock\":[{\"tid\":1,\"name\":\"" EVIL
             "\",\"function\":\"" EVIL "\",\"mutex\":\"" EVIL "\","
             "\"what\":\"" EVIL "\",\"held_by\":1}],\"waits\":[{\"what\":\"" EVIL "\",\"name\":\"" EVIL
             "\",\"address\":\"" EVIL "\",\"threads\":1,"
             "\"held_by\":{\"tid\":1,\"name\":\"" EVIL "\",\"stack\":[\"" EVIL
             "\"]}}],\"files\":[{\"name\":\"" EVIL ".pb.gz\"}]");
    profile("threads.pb.gz", "threads", stack, 3, 1);
    profile("heap.pb.gz", "inuse_space", stack, 3, 1);
    file("fds.txt", "</pre><script>alert(3)</script>\n");
    file("summary.txt", "</pre><script>alert(3)</script>\x1b[31m\n");
    file("rules.json", "</pre><script>alert(4)</script>");
    file("memory.json", "{\"parts\":{\"<script>\":1},\"rss\":1,\"heap_unseen\":\"<script>\"}");
    page();
    assert_int_equal(count_of("<script"), scripts);
    assert_int_equal(count_of("</script"), ends);
    lacks("<img");
    lacks("\x1b");
    lacks("\xe2\x80\xae");
    has("&lt;script&gt;alert(3)&lt;/script&gt;");
}

/* ---- sources ----------------------------------------------------------------------------------------------------------- */

static void sources_are_shown_from_the_named_folder_alone(void **state)
{
    (void)state;
    static const char *const stack[] = {"cache_insert", "main"};
    incident(CULPRIT);
    profile("heap.pb.gz", "inuse_space", stack, 2, 1);
    page();
    lacks("id=\"source\""); // off by default
    assert_int_equal(mkdirat(s.folder, "src", 0700), 0);
    s.source_dir = s.dir;
    file("src/server.c", "1\n2\n3\n4\n5\n6\n7\n8\n9\n\tmalloc(<b>);\n11\n12\n");
    page();
    has("<mark><span class=\"value\">100B</span> <span class=\"line\">10</span>     "
        "malloc(&lt;b&gt;);</mark>");
    has("<span class=\"line\">5</span>");
    lacks("<span class=\"line\">4</span>");
    file("src/server.c", "1\n");
    page();
    has("it is another version");
    unlinkat(s.folder, "src/server.c", 0);
    page();
    has("was not found below the folder");
    struct gs_source_text source;
    file("outside.c", "secret\n");
    char below[100];
    snprintf(below, sizeof below, "%s/src", s.dir);
    assert_int_equal(gs_reader_source_below("../outside.c", below, &source), -EINVAL);
    assert_int_equal(gs_reader_source_below("/a/../../outside.c", below, &source), -EINVAL);
    snprintf(below, sizeof below, "%s/outside.c", s.dir); // at its own place, which `gumshoe list` reads
    assert_int_equal(gs_reader_source_below(below, "/proc/self/fd", &source), -ENOENT);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(the_verdict_stands_first),
        STORY(a_process_that_died_has_no_rule_that_fired),
        STORY(metrics_are_a_table_and_a_plot),
        STORY(memory_is_a_table_with_its_growth),
        STORY(threads_with_equal_stacks_are_one_group),
        STORY(a_deadlock_is_told_as_a_ring),
        STORY(later_kinds_appear_by_themselves),
        STORY(the_peak_is_one_more_view_of_the_heap),
        STORY(the_pages_of_the_heap_are_views_where_there_are_any),
        STORY(a_damaged_file_costs_its_section_alone),
        STORY(links_are_not_followed),
        STORY(no_incident_is_no_page),
        STORY(text_of_others_is_never_markup),
        STORY(sources_are_shown_from_the_named_folder_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
