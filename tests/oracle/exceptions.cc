/* exceptions.cc - exceptions through frames with destructors, from a library's callback, rethrown, and of a new that
 * fails. */
#include "victims.h"
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {
volatile long sink;

struct guard {
    std::string text;
    explicit guard(int n) : text(static_cast<std::size_t>(n) + 20, 'x') {}
    ~guard() { sink = sink + static_cast<long>(text.size()); }
};

__attribute__((noinline)) void fall(int n)
{
    guard kept(n);
    if (n == 0)
        throw std::runtime_error("the bottom");
    fall(n - 1);
    sink = sink + 1;
}

__attribute__((noinline)) void again(int n)
{
    try {
        fall(n);
    } catch (const std::logic_error &) {
        sink = sink + 2;
    } catch (const std::exception &error) {
        sink = sink + static_cast<long>(std::string(error.what()).size());
        throw;
    }
}
} // namespace

void throw_and_catch()
{
    try {
        again(4);
    } catch (...) {
        sink = sink + 3;
    }
    try {
        std::vector<int>(3).at(5);
    } catch (const std::out_of_range &) {
        sink = sink + 4;
    }
    try {
        volatile std::size_t much = PTRDIFF_MAX;
        ::operator delete(::operator new(much));
    } catch (const std::bad_alloc &) {
        sink = sink + 5;
    }
}
