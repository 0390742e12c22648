/* say.h - what hosts share that a test leads from step to step. */
#pragma once
#include <stdio.h>
#include <unistd.h>

/* Print WORD, and wait for a line of input; at the end of the input do not wait. */
static void say_and_wait(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
    for (char byte; read(0, &byte, 1) == 1 && byte != '\n';)
        ;
}
