/* hash.h - one hash for our tables. Not for keys that an enemy chooses. Context: any (pure). */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline uint64_t gs_hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

static inline uint64_t gs_hash_bytes(const void *bytes, size_t length)
{
    const unsigned char *b = bytes;
    uint64_t h = 0xcbf29ce484222325u; // FNV-1a
    for (size_t i = 0; i < length; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return gs_hash_mix(h);
}
