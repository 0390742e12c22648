/* Whose code a function is, by its name and its file: the runtime's, a distribution's, plumbing, or the program's own. */
#include "base/text.h"
#include "symbol/symbol.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void a_return_type_is_not_part_of_the_name(void **state)
{
    static const char *const names[][2] = {
        {"main", "main"},
        {"cache::put(int)", "cache::put(int)"},
        {"void cache::put<int>(int)", "cache::put<int>(int)"},
        {"std::pair<std::_Rb_tree_iterator<int>, bool> cache::Store<int>::put<int const&>(int const&)",
         "cache::Store<int>::put<int const&>(int const&)"},
        {"std::pair<int, bool> std::_Rb_tree<int, int>::_M_insert_unique<int const&>(int const&)",
         "std::_Rb_tree<int, int>::_M_insert_unique<int const&>(int const&)"},
        {"(anonymous namespace)::fill(int)", "(anonymous namespace)::fill(int)"},
        {"unsigned long (anonymous namespace)::count<char>(char)",
         "(anonymous namespace)::count<char>(char)"},
        {"void* operator new<Arena>(unsigned long, Arena&)", "operator new<Arena>(unsigned long, Arena&)"},
        {"operator new(unsigned long)", "operator new(unsigned long)"},
        {"std::ostream& operator<< <char>(std::ostream&, char)", "operator<< <char>(std::ostream&, char)"},
        {"bool std::operator< <int>(int, int)", "std::operator< <int>(int, int)"},
        {"Key::operator std::string() const", "Key::operator std::string() const"},
        {"void f<int>(int)::{lambda(std::string const&)#1}::operator()(std::string const&) const",
         "f<int>(int)::{lambda(std::string const&)#1}::operator()(std::string const&) const"},
        {"int (*pick<int>(char))(long)", "pick<int>(char))(long)"},
        {"non-virtual thunk to cache::Store::put(int)", "cache::Store::put(int)"},
        {"<server::Cache as core::ops::drop::Drop>::drop", "<server::Cache as core::ops::drop::Drop>::drop"},
        {"alloc::slice::<impl [T]>::to_vec", "alloc::slice::<impl [T]>::to_vec"},
        {"my server+0x12a0", "my server+0x12a0"},
        {"", ""},
        {"<", "<"},
        {"a <", "<"},
        {"f(", "f("},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(gs_symbol_qualified_name(names[i][0]), names[i][1]);
}

static void libraries_of_languages_are_runtime_and_functions_that_use_them_are_not(void **state)
{
    static const char *const runtime[] = {
        "std::vector<int, std::allocator<int> >::push_back",
        "void std::vector<cache::Entry>::_M_realloc_insert<cache::Entry>(cache::Entry&&)",
        "std::pair<int, bool> std::_Rb_tree<cache::Key, int>::_M_insert_unique<cache::Key>(cache::Key&&)",
        "__gnu_cxx::new_allocator<int>::allocate",
        "operator new[](unsigned long)",
        "non-virtual thunk to std::basic_iostream<char>::~basic_iostream()",
        "alloc::raw_vec::RawVec<T,A>::reserve::do_reserve_and_handle",
        "alloc::raw_vec::finish_grow",
        "core::ops::function::FnOnce::call_once{{vtable.shim}}",
        "<alloc::vec::Vec<server::Session> as core::clone::Clone>::clone",
        "<alloc::vec::Vec<u8>>::push",
        "<T as alloc::slice::hack::ConvertVec>::to_vec",
        "<u8 as alloc::slice::hack::ConvertVec>::to_vec",
        "<server::Session as alloc::slice::hack::ConvertVec>::to_vec",
        "<&T as core::fmt::Display>::fmt",
        "hashbrown::raw::RawTable<T,A>::reserve_rehash",
        "<hashbrown::map::HashMap<u64, server::Session>>::insert",
        "std::rt::lang_start::{{closure}}",
        "std::collections::hash::map::HashMap<K,V,S>::insert",
        "<str as alloc::string::ToString>::to_string",
        "core::ptr::drop_in_place<server::Session>",
        "malloc",
        "__rust_alloc",
        "_start",
    };
    static const char *const own[] = {
        "std::pair<int, bool> cache::Store<int>::put<int>(int)",
        "void cache::put<std::string>(std::string)",
        "cache::put(std::string const&)",
        "server::handle_login",
        "server::handle::{{closure}}",
        "<server::Cache as core::iter::traits::iterator::Iterator>::next",
        "<server::Cache as core::clone::Clone>::clone",
        "<T as server::Keep>::keep",
        "<alloc_profiler::Tap as core::alloc::global::GlobalAlloc>::alloc",
        "core::Cache::insert(int)",
        "alloc::Table::grow()",
        "core_init",
        "stdlog",
        "main",
        "malloc_conf_init",
        "strdup_all",
        "std_cache::put",
        "my server+0x12a0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof runtime / sizeof *runtime; i++)
        if (!gs_symbol_function_is_runtime(runtime[i]))
            fail_msg("%s passes for the program's", runtime[i]);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (gs_symbol_function_is_runtime(own[i]) || gs_symbol_function_is_plumbing(own[i]))
            fail_msg("%s does not pass for the program's", own[i]);
}

static void functions_that_allocate_for_others_are_plumbing(void **state)
{
    static const char *const plumbing[] = {
        "zmalloc",
        "zmalloc_usable",
        "ztrymalloc_usable",
        "zcalloc_num",
        "sdsnewlen",
        "ngx_alloc",
        "ngx_palloc",
        "ngx_palloc_small",
        "ngx_create_pool",
        "g_malloc0_n",
        "g_slice_alloc",
        "xmalloc",
        "xrealloc",
        "apr_palloc",
        "sqlite3Malloc",
        "sqlite3_malloc64",
        "PyMem_RawMalloc",
        "PyObject_Malloc",
        "_PyObject_Malloc",
        "_PyObject_GC_New",
        "os::malloc(unsigned long, MEMFLAGS)",
        "AllocateHeap",
        "folly::fbvector<int>::push_back",
        "void absl::container_internal::raw_hash_set<P>::emplace_at<int>(unsigned long, int&&)",
        "boost::container::vector<int>::insert",
        "my_malloc",
        "pgsql_calloc",
        "MemoryContextAllocExtended",
        "Session::operator new(unsigned long)",
        "SlabAllocator<Session>::allocate",
        "Perl_safesysmalloc",
        "slabs_alloc",
        "_emalloc",
        "objspace_xmalloc0",
    };
    static const char *const own[] = {
        "createStringObject",
        "dbAdd",
        "tryObjectEncoding",
        "ngx_http_create_request",
        "ngx_http_init_connection",
        "item_alloc",
        "sqlite3BtreeInsert",
        "_PyEval_EvalFrameDefault",
        "list_resize",
        "PyDict_SetItem",
        "cache_insert",
        "xmlParseDocument",
        "poolside",
        "Session::allocate",
        "mallopt",
        "allocate_session",
        "sdsendcommand",
        "G1CollectedHeap::attempt_allocation",
    };
    (void)state;
    for (size_t i = 0; i < sizeof plumbing / sizeof *plumbing; i++)
        if (!gs_symbol_function_is_plumbing(plumbing[i]))
            fail_msg("%s passes for the program's", plumbing[i]);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (gs_symbol_function_is_plumbing(own[i]) || gs_symbol_function_is_runtime(own[i]))
            fail_msg("%s does not pass for the program's", own[i]);
}

static void patterns_match_whole_names(void **state)
{
    (void)state;
    assert_true(gs_symbol_matches("pool_*", "pool_get") && gs_symbol_matches("*", "") &&
                gs_symbol_matches("a?c", "abc") && gs_symbol_matches("*_alloc", "a_alloc_alloc"));
    assert_true(gs_symbol_matches("Pool<*>::get*", "Pool<std::vector<int> >::get_one") &&
                gs_symbol_matches("", ""));
    assert_false(gs_symbol_matches("pool_*", "my_pool_get") || gs_symbol_matches("a?c", "ac") ||
                 gs_symbol_matches("", "a") || gs_symbol_matches("malloc", "mallocx"));
    char pattern[4001], name[60001]; // would take for ever if each '*' were tried at every place
    for (size_t i = 0; i < 4000; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    memset(name, 'a', 60000);
    pattern[4000] = name[60000] = 0;
    pattern[3999] = 'b';
    assert_false(gs_symbol_matches(pattern, name));
}

static void libraries_of_the_distribution_lie_where_the_loader_looks(void **state)
{
    static const char *const theirs[] = {"/usr/lib/x86_64-linux-gnu/libssl.so.3",
                                         "/lib/x86_64-linux-gnu/libz.so.1.2.13",
                                         "/lib/libz.so.1",
                                         "/usr/lib64/libcurl.so.4",
                                         "/lib64/libaudit.so.1",
                                         "/usr/lib/libsqlite3.so.0",
                                         "/usr/lib/aarch64-linux-musl/libz.so",
                                         "/usr/lib/x86_64-linux-gnu/libz.so.1 (deleted)"};
    static const char *const ours[] = {
        "/usr/bin/redis-server",
        "/usr/lib/nginx/modules/ngx_stream_module.so",
        "/usr/lib/x86_64-linux-gnu/perl5/5.36/auto/DBI/DBI.so",
        "/usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
        "/usr/local/lib/libmine.so",
        "/opt/app/lib/libssl.so.3",
        "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
        "/usr/lib/x86_64-linux-gnu/helper",
        "/usr/libexec/x.so",
        "[vdso]",
        "",
        "/home/me/usr/lib/libz.so",
        "/usr/lib/x86_64-linux-gnu/"};
    static const char *const interpreters[] = {"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1",
                                               "libpython3.11.so.1.0",
                                               "/usr/lib/x86_64-linux-gnu/libnode.so.108",
                                               "libperl.so.5.36",
                                               "/x/libjvm.so",
                                               "liblua5.3.so.0",
                                               "libR.so"};
    static const char *const others[] = {"libpythonic.so", "librubyish.so.1", "libssl.so.3",
                                         "libRmath.so",    "libnode",         "/usr/bin/python3.11"};
    (void)state;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (!gs_symbol_path_is_distribution(theirs[i]))
            fail_msg("%s passes for the program's", theirs[i]);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (gs_symbol_path_is_distribution(ours[i]))
            fail_msg("%s passes for the distribution's", ours[i]);
    for (size_t i = 0; i < sizeof interpreters / sizeof *interpreters; i++)
        assert_true(gs_symbol_path_is_interpreter(interpreters[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(gs_symbol_path_is_interpreter(others[i]));
}

static void people_read_short_names(void **state)
{
    static const char *const names[][2] = {
        {"cache::put", "cache::put"},
        {"Store<int, 3>::put", "Store<int, 3>::put"}, // short arguments stay
        {"cache::Store<std::basic_string<char, std::char_traits<char>, std::allocator<char> >, "
         "cache::Session>::put",
         "cache::Store<std::basic_string<…>, …>::put"},
        {"Store<std::basic_string<char, std::char_traits<char>, std::allocator<char> > >::put",
         "Store<std::basic_string<…>>::put"},
        {"Store<cache::Session, cache::LeastRecentlyUsed, cache::Locked>::put<int>",
         "Store<cache::Session, …>::put<int>"},
        {"void f<void (*)(std::string const&, std::string const&, std::string const&)>(int)", "f<…>(int)"},
        {"Key::operator<", "Key::operator<"},
        {"a\x1b[31mb", "a\\x1b[31mb"},
        {"<server::Cache as core::ops::drop::Drop>::drop", "<server::Cache as core::ops::drop::Drop>::drop"},
        {"f<", "f<"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct gs_text text = {0};
        gs_symbol_add_short_name(&text, names[i][0]);
        if (strcmp(text.bytes, names[i][1]) != 0)
            fail_msg("%s, not %s", text.bytes, names[i][1]);
        gs_text_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_return_type_is_not_part_of_the_name),
        cmocka_unit_test(libraries_of_languages_are_runtime_and_functions_that_use_them_are_not),
        cmocka_unit_test(functions_that_allocate_for_others_are_plumbing),
        cmocka_unit_test(patterns_match_whole_names),
        cmocka_unit_test(libraries_of_the_distribution_lie_where_the_loader_looks),
        cmocka_unit_test(people_read_short_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
