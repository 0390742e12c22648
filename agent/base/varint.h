/* varint.h - whole numbers in as few bytes as they need (LEB128): seven bits a byte, the lowest first; a byte's highest bit says
 * that more follow. Signed ones are zigzagged before, so that small ones stay short whatever their sign.
 *
 *     300 = 10 0101100  ──▶  1│0101100  0│0000010          zigzag:  0, -1, 1, -2, 2 …  ──▶  0, 1, 2, 3, 4 …
 *
 * The black box and the packed history are made of these (docs/formats.md). Context: any (pure). */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GS_VARINT_MAX = 10 };   // bytes of the largest
/* NUMBER into OUT; returns how many bytes it takes. */
size_t gs_varint_write(uint64_t number, unsigned char out[GS_VARINT_MAX]);
/* The number at *AT, which moves behind it. False, with 0 in *NUMBER: it goes on behind END, or has more than 64 bits; *AT then
 * is where that was seen. */
bool gs_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *number) GS_CHECK_RESULT;
uint64_t gs_varint_zigzag(int64_t number);
int64_t gs_varint_unzigzag(uint64_t number);
