#!/bin/bash
# gumshoe ls and show, on incidents that are complete, damaged, and hostile.
. "$(dirname "$0")/lib.sh"

# make NAME RULE TIME FINGERPRINT CULPRIT: an incident folder as the library writes it.
make() {
    mkdir -p "d/$1"
    printf '{"version":1,"complete":true,"rule":"%s","metric":"rss","condition":"above","value":104857600,"line":1,"reason":"r","triggered":"%s","fingerprint":"%s","culprit":{"function":"%s","share":0.5}}' "$2" "$3" "$4" "$5" > "d/$1/incident.json"
    echo "summary of $1" > "d/$1/summary.txt"
}
make 20261124T030500.000Z-leak-1 leak 2026-11-24T03:05:00.000Z aaaa cache_put
make 20261124T040500.000Z-leak-1 leak 2026-11-24T04:05:00.000Z aaaa cache_put
make 20261124T050500.000Z-jump-1 jump 2026-11-24T05:05:00.000Z bbbb load

summary_of() { "$gumshoe" show "$@" | sed '/^Next$/,$d'; }
it "lists incidents, newest first, repeats of one cause together"
"$gumshoe" ls d > out
equal "$(wc -l < out)" 6 "lines"
sed -n 2p out | grep -q '05:05:00  jump .*100 MiB .*load' || fail "$(cat out)"
sed -n 3p out | grep -qx '  d/20261124T050500.000Z-jump-1' || fail "$(cat out)"
sed -n 4p out | grep -q '04:05:00  leak .*cache_put' || fail "$(cat out)"
sed -n 5p out | grep -qx '  2 times since 03:05:00' || fail "$(cat out)"
sed -n 6p out | grep -qx '  d/20261124T040500.000Z-leak-1' || fail "$(cat out)"
it "lists all of them as JSON"
equal "$("$gumshoe" ls --json d | jq -r '.[].dir')" "$(printf 'd/20261124T030500.000Z-leak-1\nd/20261124T040500.000Z-leak-1\nd/20261124T050500.000Z-jump-1')"
it "takes GUMSHOE_DIR, else ./incidents"
equal "$(GUMSHOE_DIR=d "$gumshoe" ls | wc -l)" 6
ln -s d incidents; equal "$(summary_of)" "summary of 20261124T050500.000Z-jump-1"; rm incidents
it "shows the latest, one by the beginning of its name, one by its folder"
equal "$(summary_of --dir d)" "summary of 20261124T050500.000Z-jump-1"
equal "$(summary_of --dir d 20261124T04)" "summary of 20261124T040500.000Z-leak-1"
equal "$(summary_of d/20261124T030500.000Z-leak-1/)" "summary of 20261124T030500.000Z-leak-1"
equal "$("$gumshoe" show --json --dir d | jq -r .rule)" jump
it "says 1 when there is nothing, 3 when there is no such place"
mkdir none
equal "$(status_of "$gumshoe" ls none)" 1
equal "$("$gumshoe" ls --json none 2>/dev/null)" "[]"
equal "$(status_of "$gumshoe" show --dir none)" 1
equal "$(status_of "$gumshoe" show --dir d 1999)" 1
equal "$(status_of "$gumshoe" ls missing)" 3
equal "$(status_of "$gumshoe" show d/missing)" 3
it "refuses paths out of the directory"
equal "$(status_of "$gumshoe" show --dir d ../d/20261124T030500.000Z-leak-1x)" 3
it "prints no terminal escapes, in names and in summaries"
make 20261124T060500.000Z-evil-1 evil 2026-11-24T06:05:00.000Z cccc '\u001b[2Jcleared'
printf 'hello \033]0;title\007 \033[31m <script>\n\ttab\n' > d/20261124T060500.000Z-evil-1/summary.txt
for command in "ls d" "show --dir d"; do ! "$gumshoe" $command | grep -q "$(printf '\033')" || fail "an escape came through $command"; done
"$gumshoe" show --dir d | grep -qF '\x1b]0;title\x07 \x1b[31m <script>' || fail "not shown as it is"
it "follows no link: neither a folder, nor a summary, nor an index"
ln -s /etc d/20261124T070500.000Z-link-1
make 20261124T080500.000Z-sum-1 sum 2026-11-24T08:05:00.000Z dddd f; ln -sf /etc/passwd d/20261124T080500.000Z-sum-1/summary.txt
equal "$(status_of "$gumshoe" show --dir d)" 3 "a summary that is a link"
! "$gumshoe" show --dir d 2>&1 | grep -q root: || fail "it printed /etc/passwd"
mkfifo fifo; rm d/20261124T080500.000Z-sum-1/summary.txt; mkfifo d/20261124T080500.000Z-sum-1/summary.txt
equal "$(status_of within_patience "$gumshoe" show --dir d)" 3 "a summary that is a FIFO"
it "skips what is damaged, and says so"
rm -r d/20261124T080500.000Z-sum-1; mkdir d/20261124T090500.000Z-torn-1; echo '{' > d/20261124T090500.000Z-torn-1/incident.json
"$gumshoe" ls d 2>err >out; grep -q '2 incidents are damaged' err || fail "$(cat err)"
it "says that an incident is not complete"
make 20261124T100500.000Z-part-1 part 2026-11-24T10:05:00.000Z eeee f
sed -i 's/"complete":true/"complete":false/' d/20261124T100500.000Z-part-1/incident.json
"$gumshoe" show --dir d | grep -q 'not complete' || fail "it is shown as complete"
it "refuses profiles with false sizes"
head -c 100 /dev/urandom > lie.pb.gz; : > empty.pb.gz; printf '\037\213\010\0' > cut.pb.gz
for file in lie.pb.gz empty.pb.gz cut.pb.gz missing; do equal "$(status_of "$gumshoe" top $file)" 3 "$file"; done
