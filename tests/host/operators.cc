/* operators.cc - every form of new and delete, and what each answers; then 100 MB in use by `hold_plain`, `hold_array` and
 * `hold_aligned`, so that a profile can be asked for them. Ends with its standard input. */
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <unistd.h>

namespace {
struct alignas(128) wide { char bytes[1280]; };
volatile std::size_t much = PTRDIFF_MAX;
int handled;

void give_up() { if (++handled == 3) std::set_new_handler(nullptr); }

void tell(const char *what, bool right) { std::printf("%s: %s\n", what, right ? "yes" : "no"); }

bool throws(void *(*form)())
{
    try {
        form();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

bool aligned_to(void *block, std::size_t alignment) { return reinterpret_cast<std::uintptr_t>(block) % alignment == 0; }

void try_all_forms()
{
    constexpr auto by = std::align_val_t(256);
    tell("new of nothing is a block", [] { void *p = ::operator new(0); ::operator delete(p); return p != nullptr; }());
    tell("new throws", throws([] { return ::operator new(much); }));
    tell("new[] throws", throws([] { return ::operator new[](much); }));
    tell("aligned new throws", throws([] { return ::operator new(much, by); }));
    tell("aligned new[] throws", throws([] { return ::operator new[](much, by); }));
    tell("nothrow is null", ::operator new(much, std::nothrow) == nullptr);
    tell("nothrow [] is null", ::operator new[](much, std::nothrow) == nullptr);
    tell("aligned nothrow is null", ::operator new(much, by, std::nothrow) == nullptr);
    tell("aligned nothrow [] is null", ::operator new[](much, by, std::nothrow) == nullptr);
    std::set_new_handler(give_up);
    tell("the handler is asked three times", throws([] { return ::operator new(much); }) && handled == 3);
    for (int i = 0; i < 2000; i++) { // sampled or not
        void *block[] = {::operator new(100, by), ::operator new[](100, by), ::operator new(100, by, std::nothrow),
                         ::operator new[](100, by, std::nothrow)};
        for (void *p : block)
            if (!aligned_to(p, 256))
                tell("aligned", false);
        ::operator delete(block[0], by);
        ::operator delete[](block[1], by);
        ::operator delete(block[2], 100, by);
        ::operator delete[](block[3], by, std::nothrow);
        ::operator delete(::operator new(50));
        ::operator delete(::operator new(50), std::size_t{50});
        ::operator delete(::operator new(50, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](50));
        ::operator delete[](::operator new[](50), std::size_t{50});
        ::operator delete[](::operator new[](50, std::nothrow), std::nothrow);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
}

void *volatile kept[30000]; // volatile: what nobody reads is else never allocated
__attribute__((noipa)) void hold_plain() { for (int i = 0; i < 10000; i++) kept[i] = new char *[125]; }
__attribute__((noipa)) void hold_array() { for (int i = 10000; i < 20000; i++) kept[i] = ::operator new[](5000); }
__attribute__((noipa)) void hold_aligned() { for (int i = 20000; i < 30000; i++) kept[i] = new wide; }
__attribute__((noipa)) void waste()
{
    for (int i = 0; i < 10000; i++) {
        wide *volatile one = new wide;
        delete one;
        int *volatile many = new int[1000];
        delete[] many;
        ::operator delete(::operator new(20));
    }
}

struct early { // allocates before main, and is destroyed after the library has stopped
    char *text = new char[100000];
    ~early() { delete[] text; }
} before_main;
} // namespace

int main()
{
    char byte;
    try_all_forms();
    hold_plain();
    hold_array();
    hold_aligned();
    waste();
    std::puts("ready");
    std::fflush(stdout);
    return read(0, &byte, 1) < 0;
}
