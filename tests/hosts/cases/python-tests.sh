# Parts of python's own tests that are about processes, signals, threads and memory.
# needs: python3 /usr/lib/python3.11/test/test_subprocess.py
. "$HOSTS_LIB"
cd varies
for part in test_subprocess test_signal test_threading test_thread test_os test_posix test_fork1 test_wait3 test_wait4 test_popen test_mmap test_resource \
    test_faulthandler test_queue test_sched test_selectors test_select test_poll test_epoll test_socketpair test_json test_re test_zlib test_gc \
    test_concurrent_futures test_multiprocessing_fork test_pty test_eintr test_threadsignals test_threading_local test_contextlib; do
    python3 -c "import test.$part" 2> /dev/null || continue
    echo "== $part"
    timeout 300 host python3 -m test -v -u none $part 2>&1 | grep -E '^test_.* \.\.\. (ok|FAIL|ERROR)$|^(FAIL|ERROR):|^FAILED|^OK' | sed -E 's/\(skipped=.*//' | sort
done
