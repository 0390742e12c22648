#!/bin/bash
# A process in a real cgroup that is named as container runtimes name them: the incident names the container. cgroup v2 and v1; in a
# cgroup namespace of its own the files that are mounted into it tell. What this machine does not allow is skipped, and said.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
id=$(printf '%064x' $$ | tr 0 a)
rules=$(rules never '{ "version": 1, "rules": [ { "name": "never", "metric": "rss", "above": "1TiB" } ] }')
mkfifo input
made=
leave_cgroups() { for at in $made; do rmdir "$at" 2> /dev/null || true; done; }
trap 'leave_cgroups; finish' EXIT

# watched WRAPPER…: an incident of a host that WRAPPER starts; $dir.
watched() {
    rm -rf d out; "$@" "$gumshoe" run --rules "$rules" --dir "$tmp/d" -- "$build/hosts/account" wait < input > out & host=$!; started="$started $host"
    exec 3> input
    wait_until has_watch d
    wait_until grep -q waits out
    dir=$("$gumshoe" capture "$(watched_in d)")
    exec 3>&-
    wait "$host" || fail "the host ended with $?"
}
names_it() {
    equal "$(jq -r '.container.id' "$dir/incident.json")" "$id" "the container"
    grep -q ", container ${id:0:12}" "$dir/summary.txt" || fail "$(head -n 3 "$dir/summary.txt")"
}
enter='echo $$ > "$0/cgroup.procs" && exec "$@"'

# in_cgroup WHAT ROOT PATH: a host in PATH below ROOT.
in_cgroup() {
    local at=$2/gumshoe-test-$$ part
    it "names a container by its cgroup, $1"
    if ! mkdir "$at" 2> /dev/null; then echo "    skipped: no cgroup can be made in $2"; return; fi
    made="$at"
    for part in ${3//\// }; do at=$at/$part; mkdir "$at"; made="$at $made"; done
    if ! sh -c 'echo $$ > "$0/cgroup.procs"' "$at" 2> /dev/null; then echo "    skipped: no process can enter it"; leave_cgroups; return; fi
    watched sh -c "$enter" "$at"
    names_it
    leave_cgroups; made=
}
v2=$(findmnt -nt cgroup2 -o TARGET | head -n 1)
v1=$(findmnt -nt cgroup -O pids -o TARGET | head -n 1)
[ -n "$v2" ] && in_cgroup "v2, as kubelet and containerd name it" "$v2" "kubepods.slice/kubepods-burstable.slice/cri-containerd-$id.scope" || echo "  skipped: no cgroup v2 here"
[ -n "$v2" ] && in_cgroup "v2, as docker names it" "$v2" "system.slice/docker-$id.scope" || true
[ -n "$v1" ] && in_cgroup "v1" "$v1" "docker/$id" || echo "  skipped: no cgroup v1 here"

it "names it in a cgroup namespace of its own, by the files that docker mounts"
mkdir -p "var/lib/docker/containers/$id" && echo box > "var/lib/docker/containers/$id/hostname"
if unshare -m -C true 2> /dev/null; then
    watched unshare -m -C sh -c 'mount --bind "$0" /etc/hostname && exec "$@"' "$tmp/var/lib/docker/containers/$id/hostname"
    names_it
else
    echo "    skipped: no namespace can be made"
fi
