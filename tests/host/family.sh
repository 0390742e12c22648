#!/bin/bash
# The malloc family under watch answers as the plain allocator does, in every corner, sampled or not; errno is
# never changed, also while stacks of the host's threads are taken.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules family '{ "version": 1, "interval": "50ms", "heap": { "sample": "1KiB" }, "rules": [
    { "name": "every-second", "every": "1s", "capture": ["heap", "threads"], "cooldown": "0s" } ] }')

it "gives the same blocks, the same refusals and the same errno"
"$build/hosts/family" < /dev/null > plain
mkfifo input
"$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/family" < input > watched & host=$!; started=$host
exec 3> input
wait_until has_incident d
exec 3>&-
wait $host || fail "the host failed"
diff plain watched || fail "< plain, > watched"
it "tried every function, with success and with failure"
for name in malloc calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc free malloc_usable_size; do
    grep -q "^$name" plain || fail "$name was not tried"
done
[ "$(grep -c 'NULL, errno ENOMEM' plain)" -ge 10 ] && [ "$(grep -c 'a block, errno untouched' plain)" -ge 10 ] || fail "$(cat plain)"
it "kept errno while it was sampled and its stacks were taken"
grep -qx 'errno is kept in a storm: yes' watched || fail "errno was changed"
complete "$(incident d)"
jq -e '.culprit.function != null' "$(incident d)/incident.json" >/dev/null || fail "no sample was taken"
