/* varint.c - integers of variable length: LEB128, and zigzag for signed ones. */
#include "base/varint.h"

size_t gs_varint_write(uint64_t number, unsigned char out[GS_VARINT_MAX])
{
    size_t length = 0;
    do
        out[length++] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
    while (number >>= 7);
    return length;
}

bool gs_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *number)
{
    uint64_t value = 0;
    *number = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1) // the tenth byte holds only one bit
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *number = value;
            return true;
        }
    }
    return false;
}

uint64_t gs_varint_zigzag(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

int64_t gs_varint_unzigzag(uint64_t number)
{
    return (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
}
