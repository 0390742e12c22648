/* attributes.h - names for compiler attributes. */
#pragma once
#define GS_CHECK_RESULT    __attribute__((warn_unused_result))
#define GS_PRINTF(fmt, at) __attribute__((format(printf, fmt, at)))
#define GS_LIKELY(x)       __builtin_expect(!!(x), 1)
#define GS_UNLIKELY(x)     __builtin_expect(!!(x), 0)
