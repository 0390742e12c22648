/* server.c - the smallest watched program, for the build files beside it. It captures one incident, and ends. */
#include <gumshoe/gumshoe.h>
#include <stdio.h>

int main(void)
{
    struct gumshoe_error error;
    struct gumshoe_options options = {.size = sizeof options, .error = &error};
    if (gumshoe_start(&options) != 0) {
        fprintf(stderr, "not watched: %s\n", error.message);
        return 1;
    }
    printf("watched by gumshoe %s\n", gumshoe_version());
    return gumshoe_capture("example", GUMSHOE_HEAP | GUMSHOE_THREADS) != 0;
}
