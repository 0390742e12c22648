/* box_story.h - what the tests of the black box share: this process as the host, in a store of its own, and its box. What it allocates
 * is counted in the probe's table, which outlives a test: each test has offsets of its own for its allocation sites.
 * What cannot be done fails the test. Who: test_box*.c. */
#pragma once
#include "base/clock.h"
#include "box/box.h"
#include "fresh_store.h"
#include "incident/incident.h"
#include <stddef.h>
#include <stdint.h>

#define MiB(n) ((uint64_t)((n) * 1048576.0))
#define SECOND GS_NS_PER_S
#define STORY(name) cmocka_unit_test_setup_teardown(name, in_a_fresh_store, remove_store)

extern struct box_story {
    char dir[FRESH_DIR];
    struct gs_store *store;
    struct gs_incident_context context; // metric rss, a memory limit of 512 MiB
    struct gs_box *box;
} box_story;
extern const char box_story_rules[]; // the text of the scene's rules

int in_a_fresh_store(void **state);
int remove_store(void **state);

/* The stack of an allocation site, at an address of this program. */
uint32_t site(uintptr_t offset);
void allocate(uint32_t stack, uint64_t objects, uint64_t bytes);
/* A tick at which rss is RSS: into the history, and into the box. */
void tick(double rss);

/* Where the box stands, what its file holds (freed with gs_free), and what that says (freed with gs_box_contents_free). */
const char *box_path(void);
char *file_now(size_t *length);
struct gs_box_contents *read_now(void);
/* The stack of site OFFSET as CONTENTS have it; NULL: they have not. */
const struct gs_given_stack *found(const struct gs_box_contents *contents, uintptr_t offset);
