/* varint.h - integers of variable length (LEB128): seven bits in each byte, the lowest first; the highest bit of a byte is
 * set if more bytes follow. Signed integers are zigzag-coded first, so that small negative ones are short, too.
 *
 *     300 = 10 0101100  ──▶  1│0101100  0│0000010          zigzag:  0, -1, 1, -2, 2 …  ──▶  0, 1, 2, 3, 4 …
 *
 * Used in the black box and the packed history (docs/formats.md). Context: any (pure). */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GS_VARINT_MAX = 10 };   // bytes of the largest integer
/* Write NUMBER to OUT. Returns the number of bytes. */
size_t gs_varint_write(uint64_t number, unsigned char out[GS_VARINT_MAX]);
/* Read the integer at *AT, and move *AT behind it. False: it does not end before END, or has more than 64 bits; then *NUMBER
 * is 0 and *AT is the position of the error. */
bool gs_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *number) GS_CHECK_RESULT;
uint64_t gs_varint_zigzag(int64_t number);
int64_t gs_varint_unzigzag(uint64_t number);
