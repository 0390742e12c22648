# A configure script that autoconf made, and what it finds out: hundreds of command substitutions, traps and compilations.
# needs: gcc make autoconf
. "$HOSTS_LIB"
cat > configure.ac <<'C'
AC_INIT([small], [1.0])
AC_CONFIG_HEADERS([config.h])
AC_PROG_CC
AC_CHECK_HEADERS([stdlib.h string.h sys/mman.h pthread.h nowhere.h linux/futex.h])
AC_CHECK_FUNCS([malloc mmap pthread_create strlcpy nowhere memmem qsort_r])
AC_CHECK_SIZEOF([void *])
AC_CHECK_SIZEOF([long double])
AC_SEARCH_LIBS([cos], [m])
AC_C_BIGENDIAN
AC_TYPE_SIZE_T
AC_FUNC_FORK
AC_FUNC_STRERROR_R
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
C
printf 'all: small\nsmall: small.c config.h\n\t@CC@ @CFLAGS@ -I. -o $@ small.c @LIBS@\ncheck: small\n\t./small\n' > Makefile.in
printf '#include "config.h"\n#include <stdio.h>\nint main(void) { printf("%%d\\n", (int)SIZEOF_VOID_P); return 0; }\n' > small.c
autoreconf -i > varies/said 2>&1 || { cat varies/said; exit 1; }
rm -rf autom4te.cache
host ./configure
echo "status $?"
host make check
sed -E 's/^(\$|PPID|BASHPID|.*pid).*//; s/[0-9]{10}//' config.h
rm -f config.log
