/* documents.c - every ready-made document of rules/ against histories with and without its fault, with some seeds each: in the
 * one the rule that is meant fires once the fault is there, in the other all are silent. Prints one line a pair. */
#include "base/json.h"
#include "histories.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 2 };

static const struct pair {
    const char *file, *history, *fires; // a rule; NULL: none may
} pairs[] = {
    // clang-format off
    {"container.json",         "burst",            "heap-near"},
    {"container.json",         "leak-beyond-heap", "oom-near"},
    {"container.json",         "rss-spike",        "jump"},
    {"container.json",         "thrashing",        "starved"},
    {"container.json",         "leak-days",        "slow-leak"},
    {"container.json",         "thread-storm",     "threads-out"},
    {"container.json",         "fd-leak",          "fds-out"},
    {"container.json",         "steady",           NULL},
    {"container.json",         "warm-up",          NULL},
    {"container.json",         "surge",            NULL},
    {"container.json",         "restarts",         NULL},
    {"container.json",         "close-to-limit",   NULL},
    {"container.json",         "cache-fills",      NULL},
    {"leak-hunt.json",         "leak-hours",       "heap-leak"},
    {"leak-hunt.json",         "leak-noisy",       "heap-leak"},
    {"leak-hunt.json",         "leak-days",        "heap-leak-slow"},
    {"leak-hunt.json",         "leak-large",       "heap-leak-slow"},
    {"leak-hunt.json",         "leak-beyond-heap", "rss-leak"},
    {"leak-hunt.json",         "thread-leak",      "thread-leak"},
    {"leak-hunt.json",         "fd-leak-slow",     "fd-leak"},
    {"leak-hunt.json",         "steady",           NULL},
    {"leak-hunt.json",         "noisy",            NULL},
    {"leak-hunt.json",         "big-constant",     NULL},
    {"leak-hunt.json",         "batch",            NULL},
    {"leak-hunt.json",         "step-down",        NULL},
    {"latency-sensitive.json", "thrashing",        "disk-faults"},
    {"latency-sensitive.json", "thrashing",        "memory-waits"},
    {"latency-sensitive.json", "cpu-spin",         "cpu-odd"},
    {"latency-sensitive.json", "thread-storm",     "threads-pile-up"},
    {"latency-sensitive.json", "leak-beyond-heap", "oom-near"},
    {"latency-sensitive.json", "steady",           NULL},
    {"latency-sensitive.json", "noisy",            NULL},
    {"latency-sensitive.json", "sawtooth",         NULL},
    {"latency-sensitive.json", "daily-load",       NULL},
    {"thread-storm.json",      "thread-storm",     "storm"},
    {"thread-storm.json",      "thread-storm",     "burst"},
    {"thread-storm.json",      "thread-leak",      "leak"},
    {"thread-storm.json",      "threads-stuck",    "stuck"},
    {"thread-storm.json",      "steady",           NULL},
    {"thread-storm.json",      "surge",            NULL},
    {"thread-storm.json",      "daily-load",       NULL},
    {"thread-storm.json",      "restarts",         NULL},
    {"holmes.json",            "rss-spike",        "mem"},
    {"holmes.json",            "heap-spike",       "gc-heap"},
    {"holmes.json",            "cpu-spin",         "cpu"},
    {"holmes.json",            "thread-leak",      "thread"},
    {"holmes.json",            "thread-storm",     "goroutine"},
    {"holmes.json",            "steady",           NULL},
    // clang-format on
};

static const struct shape *find_shape(const char *name)
{
    const struct shape *shape = shapes;
    while (shape->name && strcmp(shape->name, name) != 0)
        shape++;
    return shape->name ? shape : NULL;
}

/* What is wrong with this seed, into WRONG; false: nothing. A rule by the clock alone is no alarm. */
static bool goes_wrong(const struct pair *pair, const struct gs_rules *rules, uint64_t seed, char *wrong,
                       size_t size)
{
    static struct trial trial;
    struct history history;
    history_make(&history, find_shape(pair->history), seed);
    history_judge(&history, rules, &trial);
    bool fired = false;
    *wrong = 0;
    for (size_t i = 0; i < trial.count && i < FIRINGS_MAX; i++) {
        const struct gs_rule *rule = &rules->rule[trial.firing[i].rule];
        double at_s = (double)trial.firing[i].tick * history.story.shape->step_s;
        bool early = at_s < history.story.from_s;
        if (rule->metric && (!pair->fires || early) && !*wrong)
            snprintf(wrong, size, "seed %llu: %s fires at %.2f h", (unsigned long long)seed, rule->name,
                     at_s / 3600);
        fired |= pair->fires && strcmp(rule->name, pair->fires) == 0 && !early;
    }
    if (pair->fires && !fired && !*wrong)
        snprintf(wrong, size, "seed %llu: silent", (unsigned long long)seed);
    history_free(&history);
    return *wrong;
}

static unsigned judge_pair(const struct pair *pair)
{
    struct gs_rules *rules = read_rules_file(pair->file);
    char wrong[160] = "";
    for (uint64_t seed = 1; seed <= SEEDS && !*wrong; seed++)
        (void)goes_wrong(pair, rules, seed, wrong, sizeof wrong);
    printf("%-23s %-17s %-16s %s\n", pair->file, pair->history, pair->fires ? pair->fires : "silence",
           *wrong ? wrong : "right");
    gs_rules_free(rules);
    return *wrong != 0;
}

static bool has_pair(const char *file, bool that_fires)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcmp(pairs[i].file, file) && (pairs[i].fires != NULL) == that_fires)
            return true;
    return false;
}

static bool has_rule(const char *file, const char *name)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcmp(pairs[i].file, file) && pairs[i].fires && !strcmp(pairs[i].fires, name))
            return true;
    return false;
}

/* Each rule of FILE has a history in which it is to fire, and the file one in which it is to be silent. */
static unsigned check_coverage(const char *file)
{
    struct gs_rules *rules = read_rules_file(file);
    unsigned wrong = !has_pair(file, false);
    if (wrong)
        printf("%s: no history without its fault\n", file);
    for (size_t i = 0; i < rules->rule_count; i++)
        if (rules->rule[i].metric && !has_rule(file, rules->rule[i].name)) {
            printf("%s: no history for rule %s\n", file, rules->rule[i].name);
            wrong++;
        }
    gs_rules_free(rules);
    return wrong;
}

static unsigned check_documents(void)
{
    DIR *folder = opendir(TEST_SOURCE_DIR "/rules");
    unsigned wrong = !folder;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *end = strrchr(entry->d_name, '.');
        bool rules = end && !strcmp(end, ".json") && !strstr(entry->d_name, ".schema.");
        if (rules && strcmp(entry->d_name, "default.json") != 0) // that one has a test of its own
            wrong += check_coverage(entry->d_name);
    }
    if (folder)
        closedir(folder);
    return wrong;
}

int main(void)
{
    unsigned wrong = 0, count = sizeof pairs / sizeof *pairs;
    gs_json_use_our_memory();
    printf("%-23s %-17s %-16s %s\n", "DOCUMENT", "HISTORY", "MEANT", "VERDICT");
    for (size_t i = 0; i < count; i++)
        wrong += judge_pair(&pairs[i]);
    wrong += check_documents();
    printf("%u pairs, %u wrong\n", count, wrong);
    return wrong > 0;
}
