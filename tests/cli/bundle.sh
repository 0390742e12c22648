#!/bin/bash
# `gumshoe bundle`: an incident as one file says on a bare machine what it says here; a bundle without names has none; hostile ones do no harm.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$tmp/temporary; mkdir "$TMPDIR"
nothing_left() { equal "$(ls -A "$TMPDIR")" "" "what is left in the temporary directory"; }

cat > leak.cc <<'C'
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <gumshoe/gumshoe.h>
#pragma weak gumshoe_label_set
#pragma weak gumshoe_gauge
namespace wombats { struct Burrow { std::vector<char *> numbat; void dig_quokka(size_t n) { char *p = (char *)malloc(n); memset(p, 1, n); numbat.push_back(p); } }; }
wombats::Burrow burrow;
__attribute__((noinline)) static void *bandicoot_worker(void *) { prctl(PR_SET_NAME, "bilby-thread"); for (;;) pause(); }
int main()
{
    pthread_t thread;
    pthread_create(&thread, nullptr, bandicoot_worker, nullptr);
    if (gumshoe_label_set) gumshoe_label_set("kowaritenant", "dunnart-inc");
    for (;;) { burrow.dig_quokka(65536); if (gumshoe_gauge) gumshoe_gauge("potoroo_queue", 7); usleep(1000); }
}
C
g++ -g -O1 -I"$source_dir/include" -o antechinus_server leak.cc -pthread
cat > rules.json <<'R'
{ "version": 1, "interval": "100ms", "symbolize": "off", "labels": { "team": "kultarr-team" }, "heap": { "sample": "64KiB" }, "incidents": { "keep": 0 },
  "cpu": { "duration": "300ms" }, "rules": [
    { "name": "mulgara-high", "why": "the thylacine cache", "metric": "heap_in_use", "above": "8MiB", "capture": ["heap", "threads", "cpu", "threadcreate"] },
    { "name": "queue", "metric": "gauge:potoroo_queue", "above": 1000000 } ] }
R
"$gumshoe" run --rules rules.json --dir d -- ./antechinus_server & host=$!; started="$started $host"
there() { ls d/2*-mulgara-high-*; }
wait_until there
kill $host; wait $host || true
incident=$(ls -d d/2*-mulgara-high-*); name=$(basename "$incident")

it "packs an incident: one folder, regular files, nothing absolute, and the same bytes each time"
"$gumshoe" bundle -o a.tar.gz "$incident" 2> err || fail "$(cat err)"
"$gumshoe" bundle -o - "$incident" > b.tar.gz
cmp a.tar.gz b.tar.gz
tar tvzf a.tar.gz > list
equal "$(cut -c1 list | sort -u | tr -d '\n')" "-d" "types of members"
equal "$(tar tzf a.tar.gz | grep -vc "^$name/")" 0 "members outside of the folder"
equal "$(stat -c %a a.tar.gz)" 600
nothing_left
mkdir out; tar xzf a.tar.gz -C out
! grep -rF gumshoe-bundle- out || fail "the temporary directory is named"
grep -rqF "$tmp/d" out && fail "the place of the incident on this machine is named: $(grep -rlF "$tmp/d" out)"
equal "$(jq -r '.modules[0] | "\(.path) \(.build_id)"' "out/$name/bundle.json")" "$tmp/antechinus_server $(readelf -n antechinus_server | sed -n 's/.*Build ID: //p')"
complete "out/$name"
it "is read packed, unpacked, and a profile at a time"
for profile in "" /cpu.pb.gz /threads.pb.gz; do
    "$gumshoe" top "$incident$profile" > here
    "$gumshoe" top "a.tar.gz$profile" | cmp here -
    "$gumshoe" top "out/$name$profile" | cmp here -
done
equal "$("$gumshoe" show a.tar.gz)" "$(cat "out/$name/summary.txt")"
equal "$("$gumshoe" show --json a.tar.gz | jq -r .culprit.function)" "$(jq -r .culprit.function "out/$name/incident.json")"
equal "$("$gumshoe" replay --rules rules.json --json a.tar.gz | jq -c .rules)" "$("$gumshoe" replay --rules rules.json --json "$incident" | jq -c .rules)"
equal "$(status_of "$gumshoe" top a.tar.gz/nothing.pb.gz)" 3

it "has the page that \`gumshoe report\` makes of the incident once this has its lines"
cp -r "$incident" with-lines
"$gumshoe" symbolize with-lines 2> err || fail "$(cat err)"
"$gumshoe" report -o page.html with-lines
"$gumshoe" report -o again.html "out/$name"
for page in page.html again.html; do
    equal "$("$source_dir/tests/cli/pages_equal.py" $page "out/$name/report.html" 2> differences)" "" "parts of $page that differ"
done
grep -q 'wombats::Burrow::dig_quokka.*leak.cc:11' "out/$name/report.html" || fail "the page has no lines"

it "says in a bare root, without the program, its sources and a temporary directory, what it says here"
mkdir root; mv "out/$name" root/incident; cp a.tar.gz root
ldd "$build/gumshoe" | grep -o '/[^ ]*' > libraries
for file in "$build/gumshoe" $(cat libraries); do mkdir -p "root$(dirname "$file")"; cp -L "$file" "root$file"; done
bare() { unshare -r chroot root "$build/gumshoe" "$@"; }
if unshare -r true 2> /dev/null; then
    for how in top tree traces "list dig_quokka"; do
        "$gumshoe" $how "$incident" > here 2> /dev/null
        bare $how /incident > there 2> err || fail "gumshoe $how in the root: $(cat err)"
        case $how in list*) sed -i '/^ROUTINE/!d' here there ;; esac # the source is not there
        cmp here there
        [ -s here ] || fail "gumshoe $how prints nothing"
        [ ! -s err ] || fail "gumshoe $how in the root: $(cat err)"
    done
    "$gumshoe" top "$incident" > here
    bare top /a.tar.gz | cmp here -
    bare show /a.tar.gz | grep -q '^Culprit: wombats::Burrow::dig_quokka.*leak.cc:11' || fail "$(bare show /a.tar.gz)"
else
    echo "    (no user namespaces here)"
fi

it "brings symbols along, as --debug-dir and gdb want them"
"$gumshoe" bundle --with-symbols -o s.tar.gz "$incident" 2> err || fail "$(cat err)"
rm -rf out; mkdir out; tar xzf s.tar.gz -C out
id=$(readelf -n antechinus_server | sed -n 's/.*Build ID: //p')
cmp antechinus_server "out/$name/symbols/.build-id/${id:0:2}/${id:2}.debug"
mv antechinus_server away
"$gumshoe" symbolize -o filled "out/$name/heap.orig.pb.gz" 2> /dev/null || true
"$gumshoe" symbolize -o filled.s --debug-dir "out/$name/symbols" "out/$name/heap.orig.pb.gz" 2> err || fail "$(cat err)"
"$gumshoe" top --lines --no-symbolize filled.s | grep -q 'dig_quokka.* .*leak.cc:11' || fail "$("$gumshoe" top --lines --no-symbolize filled.s)"
! "$gumshoe" top --lines --no-symbolize filled 2> /dev/null | grep -q 'leak.cc:11' || fail "the lines did not come from the bundle"
mv away antechinus_server

# names: every name in the incident that somebody gave: those planted in the program, and all functions, files, modules and labels.
names() {
    printf '%s\n' wombats Burrow numbat dig_quokka bandicoot bilby-thread kowaritenant dunnart potoroo kultarr mulgara thylacine antechinus leak.cc "$tmp" "$(hostname)" "$id" libc.so
    for profile in heap cpu threads threadcreate; do
        "$gumshoe" traces --json --no-symbolize "root/incident/$profile.pb.gz" | jq -r '.traces[] | (.frames[] | .function, .file), (.labels | (.name // [])[], (.wchan // [])[],
            (to_entries[] | select(.key as $k | ["tid", "state", "call", "name", "waits_for", "wchan"] | index($k) | not) | .key, .value[] | strings))'
    done
}
it "replaces every name: none is found in any file, unpacked"
names | grep .... | sort -u > all # a shorter one may be in any stand-in, which is random
sed -n 's/^#define __NR_\([a-z0-9_]*\).*/\1/p' /usr/include/*/asm/unistd_64.h | sort > calls # system calls are the kernel's
comm -23 all calls > named
[ "$(wc -l < named)" -gt 25 ] || fail "few names: $(cat named)"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > key
"$gumshoe" bundle --anonymize --key key --names known -o n.tar.gz "$incident" 2> err || fail "$(cat err)"
nothing_left
rm -rf out; mkdir out; tar xzf n.tar.gz -C out
find out -name '*.gz' -exec gunzip {} +
find out > paths
# Of the page, its text and its data count: not its script and style, which have words such as "main", nor its packed profiles, made of
# the bundle's, whose base64 may have any short name.
sed -i 's/"data":"[^"]*"//g; /<style>/,/<\/style>/d; /<script>/,/<\/script>/d; s/<\/\?main[^>]*>//g' out/2*/report.html
! grep -rFf named out paths || fail "the names above are in the anonymous bundle"
zcat "$incident/heap.pb.gz" | grep -qaFf named || fail "this check cannot fail"
rm -rf out; mkdir out; tar xzf n.tar.gz -C out; anonymous=$(echo out/2*)
it "keeps figures, and says of each name everywhere the same"
jq -r '.files[] | "\(.name) \(.size)"' "$anonymous/incident.json" | while read -r file size; do equal "$(stat -c %s "$anonymous/$file")" "$size" "$file"; done
equal "$(jq '.files | length' "$anonymous/incident.json")" "$(find "$anonymous" -type f ! -name incident.json ! -name bundle.json | wc -l)" "files that are listed"
culprit=$(jq -r .culprit.function "$anonymous/incident.json")
equal "$(grep -F "$culprit" known | cut -f 2)" "$(jq -r .culprit.function root/incident/incident.json)" "the culprit's name"
equal "$("$gumshoe" top --json "$anonymous" | jq '.rows[0].flat, .total')" "$("$gumshoe" top --json "$incident" | jq '.rows[0].flat, .total')"
equal "$("$gumshoe" top --json "$anonymous" | jq -r --arg f "$culprit" '[.rows[] | select(.function == $f)] | length')" 1 "rows of the culprit"
equal "$("$gumshoe" top --json "$anonymous" | jq '.rows | length')" "$("$gumshoe" top --json "$incident" | jq '.rows | length')"
equal "$("$source_dir/tests/cli/pages_equal.py" --figures page.html "$anonymous/report.html" 2> differences)" "" "figures of the page that differ"
grep -q "^Culprit: $culprit in module_" "$anonymous/summary.txt" || fail "$(cat "$anonymous/summary.txt")"
equal "$("$gumshoe" replay --rules "$anonymous/rules.json" --json "$anonymous" 2> /dev/null | jq -c '[.rules[0].fired | length]')" \
    "$("$gumshoe" replay --rules "$incident/rules.json" --json "$incident" | jq -c '[.rules[0].fired | length]')" "firings of the anonymous rules on the anonymous history"
equal "$("$gumshoe" ls --json out | jq length)" 1
"$gumshoe" bundle --anonymize --key key -o n2.tar.gz "$incident"; cmp n.tar.gz n2.tar.gz
"$gumshoe" bundle --anonymize -o n3.tar.gz "$incident"
! "$gumshoe" top n3.tar.gz | grep -qF "$culprit" || fail "another key gives the same stand-ins"
equal "$(status_of "$gumshoe" bundle --anonymize --with-symbols -o x.tar.gz "$incident")" 2

it "takes nothing along that is no file of the incident's, and leaves no half archive"
cp -r "$incident" "hostile-$name"
ln -s /etc/passwd "hostile-$name/link.txt"; mkfifo "hostile-$name/fifo"; mkdir "hostile-$name/folder"; echo secret > "hostile-$name/.hidden"
within_patience "$gumshoe" bundle -o h.tar.gz "hostile-$name" 2> err || fail "$(cat err)"
equal "$(tar tzf h.tar.gz | grep -cE 'link|fifo|folder|hidden')" 0
equal "$(grep -c 'left out: ' err)" 3 "what was left out"
truncate -s 2G "hostile-$name/large.bin"
equal "$(status_of "$gumshoe" bundle -o l.tar.gz "hostile-$name")" 3
equal "$(ls l.tar.gz* 2> /dev/null)" ""
nothing_left
equal "$(status_of "$gumshoe" bundle -o x.tar.gz /etc)" 3
equal "$(status_of "$gumshoe" bundle -o no/such/x.tar.gz "$incident")" 3
ln -s target link; touch target
equal "$(status_of "$gumshoe" bundle -o link "$incident")" 3
nothing_left
it "refuses archives that it would not write"
make() { python3 - "$@" <<'P'
import io, sys, tarfile
kind, out = sys.argv[1:]
with tarfile.open(out, "w:gz", compresslevel=1) as tar:
    def add(name, data=b"", **more):
        info = tarfile.TarInfo(name); info.size = len(data)
        for key, value in more.items(): setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data))
    if kind == "link": add("x/heap.pb.gz", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    if kind == "hard": add("x/heap.pb.gz", type=tarfile.LNKTYPE, linkname="x/incident.json")
    if kind == "device": add("x/heap.pb.gz", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    if kind == "bomb":
        for i in range(17): add(f"x/{i}", bytes(64 << 20))
    if kind == "deep": add("x/y/heap.pb.gz", b"no"); add("../heap.pb.gz", b"no"); add("/heap.pb.gz", b"no")
    if kind == "text": add("x/heap.pb.gz", b"not a profile")
P
}
for kind in link hard device bomb deep text; do
    make $kind $kind.tar.gz
    (ulimit -v 400000; "$gumshoe" top $kind.tar.gz) > out.txt 2> err && fail "$kind: it was read"
    case $kind in link | hard | device) grep -q 'neither a file nor a folder' err || fail "$kind: $(cat err)" ;; esac
    [ -s err ] && [ ! -s out.txt ] || fail "$kind: $(cat out.txt err)"
done
"$gumshoe" top bomb.tar.gz 2>&1 | grep -q 'larger than 1 GiB' || fail "$("$gumshoe" top bomb.tar.gz 2>&1)"
head -c 4000 a.tar.gz > cut.tar.gz
equal "$(status_of "$gumshoe" show cut.tar.gz)" 3
