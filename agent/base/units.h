/* units.h - reads and prints quantities with units.
 *
 *   sizes       512B 64KiB 512MiB 1.5GiB 2TiB  10kB 10MB 10GB     a bare 0 is a size
 *   durations   250ms 10s 5m 2h 14d                               a bare 0 is a duration
 *   rates       1MiB/min 5GB/h 10KiB/s            (counts: 10/min; relative: 1%/h)
 *   frequencies 99Hz
 *   percentages 25% 12.5%
 *
 * Readers must match the whole of TEXT. They refuse negative, infinite and huge values (sizes above 2^62 bytes, durations
 * above 100 years). They return 0, -EINVAL or -ERANGE; on an error, `why` is a sentence (unknown unit "MiBs") and `hint` a
 * suggestion (did you mean "MiB"?), or "".
 * Context: any (pure). */
#pragma once
#include "base/attributes.h"
#include <stddef.h>
#include <stdint.h>

struct gs_unit_error { char why[160], hint[96]; };

int gs_units_read_size(const char *text, uint64_t *bytes, struct gs_unit_error *error) GS_CHECK_RESULT;
int gs_units_read_duration(const char *text, int64_t *ns, struct gs_unit_error *error) GS_CHECK_RESULT;
int gs_units_read_rate(const char *text, double *bytes_per_second, struct gs_unit_error *error) GS_CHECK_RESULT;
int gs_units_read_count_rate(const char *text, double *per_second, struct gs_unit_error *error) GS_CHECK_RESULT;
int gs_units_read_share_rate(const char *text, double *per_second, struct gs_unit_error *error) GS_CHECK_RESULT; // "36%/h" is 0.0001
int gs_units_read_frequency(const char *text, double *hertz, struct gs_unit_error *error) GS_CHECK_RESULT;
int gs_units_read_percent(const char *text, double *share, struct gs_unit_error *error) GS_CHECK_RESULT; // "25%" is 0.25

/* Printers write to OUT (GS_UNIT_TEXT bytes) and return OUT, so that a call can be an argument. */
enum { GS_UNIT_TEXT = 32 };
const char *gs_units_print_size(double bytes, char *out);        // "130 MiB", "102.4 MiB", "512 B"; binary units
const char *gs_units_print_duration(int64_t ns, char *out);      // "10 s", "2.5 min", "250 ms"
const char *gs_units_print_percent(double share, char *out);     // 0.27 is "27 %", 0.273 is "27.3 %"
const char *gs_units_print_measured_percent(double share, char *out); // 0.27 is "27.0 %": always one decimal
const char *gs_units_print_count(double count, char *out);       // "1234", "0.5"

/* The unit of a metric's values, and how to print a value ("130 MiB", "12.5 %", "4.2 MiB/s", "17"). */
enum gs_unit { GS_BYTES, GS_COUNT, GS_PERCENT, GS_BYTES_PER_SECOND, GS_PER_SECOND };
const char *gs_units_print_value(double value, enum gs_unit unit, char *out); // GS_PERCENT: 12.5 is "12.5 %"
/* Print VALUE and the LINE that it is compared with; with further decimals, or as bytes, if they differ and would look the same:
 * "1.203 GiB" and "1.2 GiB". Each of the outputs has GS_UNIT_TEXT bytes. */
void gs_units_print_apart(double value, double line, enum gs_unit unit, char *value_out, char *line_out);
