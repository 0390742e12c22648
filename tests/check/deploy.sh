#!/bin/bash
# examples/deploy: systemd accepts the unit and the drop-in; the system calls that the drop-in allows are the ones that it must.
. "$(dirname "$0")/../host/lib.sh"
command -v systemd-analyze > /dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
cp -r "$source_dir/examples/deploy" "$tmp/units"
cp /lib/systemd/system/redis-server.service /lib/systemd/system/nginx.service "$tmp/units"
# verify UNIT: nothing is said of it.
verify() {
    SYSTEMD_UNIT_PATH=$tmp/units: systemd-analyze verify "$tmp/units/$1" > "$tmp/said" 2>&1 || return 1
    ! grep -E 'server\.service|gumshoe\.conf' "$tmp/said"
}
it "a unit of one's own is accepted, and so are Debian's redis-server and nginx with the drop-ins"
verify server.service || fail "$(cat "$tmp/said")"
verify redis-server.service || fail "$(cat "$tmp/said")"
verify nginx.service || fail "$(cat "$tmp/said")"
it "notices a mistake in either (this check can fail)"
sed -i 's/^MemoryMax=.*/MemoryMaxx=512M/' "$tmp/units/server.service"
! verify server.service || fail "a key that does not exist"
sed -i 's/^StateDirectoryMode=.*/StateDirectoryMode=private/' "$tmp/units/redis-server.service.d/gumshoe.conf"
! verify redis-server.service || fail "a mode that is none"
