/* plumbing.c - functions that allocate for their callers: wrappers of malloc, pools, strings and containers. Such a function is
 * on the stack of everything that a program holds, so it is not the culprit; its caller may be.
 *
 * A row belongs here if the function (or every function that the pattern matches) gets memory that its caller asked for and
 * keeps none of it for itself. What fills a cache or makes an object of the program's own does not. Context: any (pure). */
#include "symbol/inside.h"
#include <stdint.h>
#include <string.h>

// clang-format off
static const char *const patterns[] = {
    /* whatever the program */
    "*_malloc", "*_calloc", "*_realloc", "*_reallocarray", "*_zalloc", "*_strdup", "*_strndup", "*_memdup", "*::operator new*",
    "*llocator::allocate", "*llocator<*>::allocate", "malloc_multiply", "xmalloc*", "xcalloc*", "xrealloc*", "xstrdup*",
    "xstrndup*", "xmemdup*", "xzalloc*", "ymalloc*", "emalloc", "ecalloc", "erealloc", "estrdup", "smalloc", "safe_malloc*",
    "safe_calloc*", "safe_realloc*", "mem_alloc", "mem_realloc", "memdup", "reallocf", "asprintf", "vasprintf",
    /* allocators that are linked in */
    "je_*", "tc_*", "mi_*", "_mi_*", "tcmalloc::*", "mallocx", "rallocx", "__libc_malloc", "__libc_calloc", "__libc_realloc",
    "__libc_memalign", "__interceptor_*", "__wrap_malloc", "__wrap_calloc", "__wrap_realloc", "rpmalloc*",
    /* C++: containers and strings of common libraries */
    "boost::*", "absl::*", "folly::*", "fmt::*", "google::protobuf::*", "tbb::*", "eastl::*", "Eigen::*",
    "QArrayData::*", "QVector<*", "QList<*", "QHash<*", "QMap<*", "QString::*", "QByteArray::*", "QListData::*", "QHashData::*",
    /* Rust: containers */
    "indexmap::*", "smallvec::*", "arrayvec::*", "bytes::*", "dashmap::*", "<indexmap::*", "<smallvec::*", "<bytes::*",
    "<dashmap::*", "bumpalo::*", "<bumpalo::*", "tikv_jemalloc*", "mimalloc::*", "<mimalloc::*",
    /* redis, valkey */
    "zmalloc*", "zcalloc*", "zrealloc*", "ztrymalloc*", "ztrycalloc*", "ztryrealloc*", "zstrdup", "zaligned_alloc*",
    "valkey_malloc*", "sdsnew*", "_sdsnewlen", "sdstrynewlen", "sdsempty", "sdsdup", "sdscat*", "sdscpy*", "sdsMakeRoomFor*",
    "_sdsMakeRoomFor", "sdsgrowzero", "sdsResize", "sdsRemoveFreeSpace", "sdssplit*",
    /* nginx */
    "ngx_alloc", "ngx_calloc", "ngx_memalign", "ngx_palloc*", "ngx_pnalloc", "ngx_pcalloc", "ngx_pmemalign", "ngx_create_pool",
    "ngx_array_create", "ngx_array_push*", "ngx_list_create", "ngx_list_push", "ngx_pstrdup", "ngx_create_temp_buf",
    "ngx_create_chain_of_bufs", "ngx_alloc_chain_link", "ngx_slab_*",
    /* Apache */
    "apr_palloc*", "apr_pcalloc*", "apr_pool_create*", "apr_pstrdup*", "apr_pstrndup*", "apr_pmemdup*", "apr_array_*",
    "apr_psprintf", "apr_pvsprintf", "apr_pstrcat*", "allocator_alloc",
    /* memcached, haproxy, varnish, bind, dnsmasq, chrony */
    "slabs_*", "do_slabs_*", "memory_allocate", "pool_alloc*", "__pool_alloc", "pool_get_from_os*", "pool_refill_*",
    "WS_Alloc*", "VSB_new*", "isc_mem_*", "isc__mem_*", "mem_getunlocked", "default_memalloc", "whine_malloc", "Malloc",
    "Malloc2", "Realloc", "Realloc2", "Strdup",
    /* PostgreSQL */
    "palloc*", "repalloc*", "pstrdup", "pnstrdup", "psprintf", "MemoryContextAlloc*", "MemoryContextStrdup",
    "MemoryContextCreate", "AllocSetAlloc*", "AllocSetRealloc", "AllocSetContextCreate*", "GenerationAlloc*",
    "GenerationContextCreate", "SlabAlloc*", "SlabContextCreate", "enlargeStringInfo", "initStringInfo", "makeStringInfo",
    "appendStringInfo*", "appendBinaryStringInfo*",
    /* MySQL, MariaDB */
    "my_malloc*", "my_realloc*", "my_multi_malloc*", "my_strdup*", "my_memdup*", "my_raw_malloc", "alloc_root*",
    "multi_alloc_root", "strdup_root", "strmake_root", "memdup_root", "ut_allocator<*", "mem_heap_*", "ut::*", "MEM_ROOT::*",
    /* SQLite */
    "sqlite3Malloc*", "sqlite3_malloc*", "sqlite3Realloc*", "sqlite3_realloc*", "sqlite3MemMalloc", "sqlite3MemRealloc",
    "sqlite3DbMalloc*", "sqlite3DbRealloc*", "sqlite3DbStrDup", "sqlite3DbStrNDup", "sqlite3DbSpanDup", "mallocWithAlarm",
    "dbMallocRaw*", "dbReallocFinish", "sqlite3_mprintf", "sqlite3_vmprintf", "sqlite3MPrintf", "sqlite3VMPrintf",
    "sqlite3StrAccumEnlarge", "sqlite3_str_append*", "sqlite3PageMalloc", "pcache1*", "sqlite3PcacheFetch*",
    /* GLib */
    "g_malloc*", "g_try_malloc*", "g_realloc*", "g_try_realloc*", "g_slice_*", "g_strdup*", "g_strndup", "g_strconcat",
    "g_strjoin*", "g_memdup*", "g_array_*", "g_ptr_array_*", "g_byte_array_*", "g_string_*", "g_list_*", "g_slist_*",
    "g_hash_table_*", "g_queue_*", "g_bytes_new*", "g_aligned_alloc*",
    /* OpenSSL, libxml2, libuv, curl, systemd, git */
    "CRYPTO_malloc", "CRYPTO_zalloc", "CRYPTO_realloc", "CRYPTO_strdup", "CRYPTO_memdup", "CRYPTO_clear_realloc",
    "CRYPTO_aligned_alloc", "OPENSSL_LH_*", "OPENSSL_sk_*", "BUF_MEM_grow*", "BUF_MEM_new*", "xmlStrdup", "xmlStrndup",
    "xmlBufGrow*", "xmlBufAdd*", "uv__malloc", "uv__calloc", "uv__realloc", "uv__strdup", "Curl_dyn_*", "Curl_memdup",
    "greedy_realloc*", "strbuf_*", "do_xmalloc",
    /* Python */
    "PyMem_*", "_PyMem_*", "PyObject_Malloc", "PyObject_Calloc", "PyObject_Realloc", "_PyObject_Malloc", "_PyObject_Calloc",
    "_PyObject_Realloc", "_PyObject_New*", "_PyObject_GC_*", "PyObject_Init*", "PyType_GenericAlloc", "_PyType_AllocNoTrack",
    "_PyObject_Arena*", "pymalloc_*", "new_arena", "allocate_from_new_pool",
    /* Java */
    "os::malloc", "os::realloc", "os::strdup*", "AllocateHeap", "ReallocateHeap", "Arena::*", "Chunk::*", "ChunkPool::*",
    "ArrayAllocator<*", "MallocArrayAllocator<*", "GrowableArray*<*", "resource_allocate_bytes", "resource_reallocate_bytes",
    /* Ruby, Perl, PHP, Lua, JavaScript */
    "ruby_xmalloc*", "ruby_xcalloc*", "ruby_xrealloc*", "ruby_strdup", "ruby_mimmalloc", "rb_xmalloc*", "rb_xcalloc*",
    "rb_xrealloc*", "rb_gc_impl_*alloc*", "objspace_x*alloc*", "objspace_malloc*", "heap_page_allocate*", "rb_newobj*",
    "newobj_*", "rb_wb_protected_newobj_of", "rb_wb_unprotected_newobj_of", "rb_alloc_tmp_buffer*",
    "Perl_safesys*alloc", "Perl_safesysmalloc", "Perl_more_bodies", "Perl_more_sv", "S_more_sv", "S_new_sv", "Perl_sv_grow*",
    "Perl_savepv*", "Perl_mem_log*",
    "_emalloc*", "_ecalloc*", "_erealloc*", "_estrdup", "_estrndup", "_safe_*alloc*", "_zend_mm_*", "zend_mm_*",
    "__zend_malloc", "__zend_calloc", "__zend_realloc", "smart_str_erealloc", "luaM_*", "l_alloc",
    "node::NodeArrayBufferAllocator::*", "v8::internal::Heap::AllocateExternalBackingStore",
    "v8::internal::BackingStore::Allocate*", "v8::ArrayBuffer::NewBackingStore*", "v8::base::Malloc", "v8::internal::Malloced::*", "v8::internal::AllocWithRetry*", "v8::internal::Zone::*",
    "node::UncheckedMalloc*", "node::Malloc<*", "node::Realloc<*", "node::UncheckedRealloc*", "node::UncheckedCalloc*",
    NULL,
};

/* The entries of allocators. Only names that nothing else has: what they call is taken for the allocator's, whatever its name. */
static const char *const allocators[] = {
    "malloc", "calloc", "realloc", "reallocarray", "memalign", "posix_memalign", "aligned_alloc", "valloc", "pvalloc",
    "mallocx", "rallocx", "operator new*", "je_malloc*", "je_calloc*", "je_realloc*", "je_rallocx*", "je_memalign*",
    "je_aligned_alloc*", "je_posix_memalign*", "tc_malloc*", "tc_calloc", "tc_realloc", "tc_memalign", "tc_posix_memalign",
    "tc_new*", "tcmalloc::*", "mi_malloc*", "mi_calloc*", "mi_realloc*", "mi_zalloc*", "mi_new*", "_mi_malloc_generic", "rpmalloc*",
    NULL,
};
// clang-format on

/* Does PATTERN match NAME[0..LENGTH)? After a mismatch only the last '*' is tried further on, so time is at most the product of
 * both lengths. */
static bool matches(const char *pattern, const char *name, size_t length)
{
    const char *star = NULL, *retry = NULL, *end = name + length;
    while (name < end) {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

bool gs_symbol_matches(const char *pattern, const char *function)
{
    const char *name = gs_symbol_qualified_name(function);
    return matches(pattern, name, strlen(name)) ||
           matches(pattern, name, gs_symbol_length_without_parameters(name));
}

static bool matches_one_of(const char *const *pattern, const char *function)
{
    const char *name = gs_symbol_qualified_name(function);
    size_t length = gs_symbol_length_without_parameters(name);
    for (; *pattern; pattern++)
        if ((**pattern == '*' || **pattern == *name) && matches(*pattern, name, length))
            return true;
    return false;
}

bool gs_symbol_function_is_plumbing(const char *function)
{
    return matches_one_of(patterns, function);
}

bool gs_symbol_function_is_allocator(const char *function)
{
    return matches_one_of(allocators, function);
}
