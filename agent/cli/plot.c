/* plot.c - draws a metric over time in characters: "*" the values, "-" the rule's line, "^" where the rule fires.
 *
 *      130 MiB |                                        *
 *              |-------------------------------------------
 *      100 MiB |****************************************
 *              |                                        ^
 *               0                                     110
 */
#include "cli/cli.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HEIGHT = 7, WIDTH_MAX = 512 };

struct scale {
    double low, high;
};

static void widen(struct scale *scale, double value)
{
    if (!isfinite(value))
        return;
    if (!(value >= scale->low))
        scale->low = value;
    if (!(value <= scale->high))
        scale->high = value;
}

/* The row, of HEIGHT, that VALUE is in; row 0 is the top. */
static int row_of(const struct scale *scale, double value)
{
    double range = scale->high - scale->low;
    int row = range > 0 ? (int)((scale->high - value) / range * HEIGHT) : HEIGHT / 2;
    return row < HEIGHT ? row : HEIGHT - 1;
}

static char cell(const struct gs_column *column, const struct scale *scale, int row)
{
    bool seen = !isnan(column->low);
    if (seen && row_of(scale, column->high) <= row && row <= row_of(scale, column->low))
        return '*';
    return isfinite(column->line) && row_of(scale, column->line) == row ? '-' : ' ';
}

/* Print LABEL, a bar, and CELLS without trailing blanks. */
static void print_line(const char *label, char *cells, size_t count)
{
    while (count && cells[count - 1] == ' ')
        count--;
    printf("%*s |%.*s\n", GS_PLOT_MARGIN - 2, label, (int)count, cells);
}

static void print_times(size_t count, const char *from, const char *to)
{
    int left = (int)strlen(from), right = (int)count - left;
    printf("%*s%s%*s\n", GS_PLOT_MARGIN, "", from, right > (int)strlen(to) ? right : (int)strlen(to) + 1, to);
}

void gs_cli_print_plot(const struct gs_column *column, size_t count, enum gs_unit unit, const char *from,
                       const char *to)
{
    struct scale scale = {NAN, NAN};
    char cells[WIDTH_MAX], label[GS_UNIT_TEXT];
    bool seen = false, fired = false;
    count = count < WIDTH_MAX ? count : WIDTH_MAX;
    for (size_t i = 0; i < count; i++) {
        seen |= !isnan(column[i].low);
        fired |= column[i].fired;
        widen(&scale, column[i].low);
        widen(&scale, column[i].high);
        widen(&scale, column[i].line);
    }
    for (int row = 0; seen && row < HEIGHT; row++) {
        for (size_t i = 0; i < count; i++)
            cells[i] = cell(&column[i], &scale, row);
        bool labelled = row == 0 || row == HEIGHT - 1;
        print_line(labelled ? gs_units_print_value(row ? scale.low : scale.high, unit, label) : "", cells,
                   count);
    }
    for (size_t i = 0; i < count; i++)
        cells[i] = column[i].fired ? '^' : ' ';
    if (seen && fired)
        print_line("", cells, count);
    if (seen)
        print_times(count, from, to);
}
