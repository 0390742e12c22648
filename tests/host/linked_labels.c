/* linked_labels.c - a server with two tenants, one of which holds three times as much; its own /debug/pprof/heap goes to
 * standard output. */
#include <gumshoe/gumshoe.h>
#include <stdlib.h>

static void *volatile held[4000];

int main(void)
{
    struct gumshoe_options options = {.size = sizeof options,
        .rules_json = "{\"version\": 1, \"heap\": {\"sample\": \"8KiB\"}, \"budget\": \"100%\","
                      " \"rules\": [{\"name\": \"n\", \"every\": \"24h\"}]}"};
    if (gumshoe_start(&options))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    for (int i = 0; i < 4000; i++) {
        gumshoe_label_set("tenant", i % 4 ? "acme" : "initech");
        held[i] = malloc(100000);
    }
    gumshoe_label_clear("tenant");
    held[0] = malloc(50000000);
    return gumshoe_write_profile(GUMSHOE_HEAP, 1) != 0;
}
