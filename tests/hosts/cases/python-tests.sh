# Parts of python's own tests that are about processes, signals, threads and memory.
# needs: python3 /usr/lib/python3.11/test/test_subprocess.py
. "$HOSTS_LIB"
cd varies
for part in test_signal test_threading test_thread test_posix test_wait3 test_wait4 test_popen test_mmap test_resource test_queue \
    test_select test_poll test_epoll test_json test_zlib test_gc test_pty test_threadsignals test_threading_local test_fcntl test_pipes test_pwd; do
    python3 -c "import test.$part" 2> /dev/null || continue
    echo "== $part"
    timeout 120 host python3 -m test -v -u none $part 2>&1 | grep -E '^test_.* \.\.\. (ok|FAIL|ERROR)$|^(FAIL|ERROR):|^FAILED|^OK' | sed -E 's/\(skipped=.*//' | sort
done
