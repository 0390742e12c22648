/* ways.h - the ways of compiling victims.c; CMakeLists.txt has the same list with their options. */
#define WAYS(X) X(o0) X(o1) X(o2) X(o3) X(os) X(o2_fp) X(o2_lto) X(o3_split) X(o2_protect)
