/* callers.c - a server whose time goes into one helper and into memset, called from two requests, one three times as often as the
 * other. It works for as many seconds of CPU time as its argument says, once it has read a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))
#define END      __asm__ volatile("" ::: "memory")

static char row[1 << 20];

static NOINLINE unsigned score(unsigned seed)
{
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245u + 12345u;
        END;
    }
    return seed;
}

static NOINLINE void clear_row(int c)
{
    for (int i = 0; i < 16; i++) {
        memset(row, c, sizeof row);
        END;
    }
}

static NOINLINE void rank_hits(void)
{
    row[0] = (char)score(1);
    END;
}
static NOINLINE void list_rows(void)
{
    row[1] = (char)score(2);
    END;
}
static NOINLINE void erase_rows(void)
{
    clear_row(row[0]);
    END;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    getchar();
    while ((double)clock() / CLOCKS_PER_SEC < seconds) {
        for (int i = 0; i < 3; i++)
            rank_hits();
        list_rows();
        erase_rows();
    }
}
