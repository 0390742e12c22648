#!/bin/bash
# `gumshoe flame` as its readers see it: in a real browser, opened from disk. Screenshots are left in BUILD/browser: look at them.
. "$(dirname "$0")/../cli/lib.sh"
command -v chromium > /dev/null || command -v chromium-browser > /dev/null || { echo "chromium is not installed"; exit 77; }
stacks() { python3 "$source_dir/tests/cli/stacks.py" "$@"; }
flame() { "$gumshoe" flame --no-symbolize "$@" || fail "gumshoe flame $*"; }

# Stacks whose figures are worked out by hand below: 1000 kB held in all (kB: 1024 bytes).
libc=/usr/lib/x86_64-linux-gnu/libc.so.6
printf '%s\t%s\n' \
    "_start;main|server.c|20;accept_one|server.c|88;cache_put|cache.c|120;malloc||0|$libc" "10 1024000 5 512000" \
    "_start;main|server.c|22;parse|parse.c|5;parse|parse.c|9;parse|parse.c|9;shop::Map<std::pair<int, shop::Entry>>::insert(shop::Entry const&)|map.cc|77;malloc||0|$libc" "50 2048000 20 256000" \
    "_start;main|server.c|22;SSL_do_handshake||0|/usr/lib/x86_64-linux-gnu/libssl.so.3;malloc||0|$libc" "5 512000 5 204800" \
    "_start;main|server.c|25;log_line|log.c|7" "1 51200 1 51200" | stacks now
sed -n p > base.txt <<B
_start;main|server.c|20;accept_one|server.c|88;cache_put|cache.c|120;malloc||0|$libc	10 102400 1 102400
_start;main|server.c|22;parse|parse.c|5;parse|parse.c|9;parse|parse.c|9;shop::Map<std::pair<int, shop::Entry>>::insert(shop::Entry const&)|map.cc|77;malloc||0|$libc	50 2048000 20 512000
_start;main|server.c|22;SSL_do_handshake||0|/usr/lib/x86_64-linux-gnu/libssl.so.3;malloc||0|$libc	5 512000 5 204800
_start;main|server.c|25;old_logger|log.c|3	1 51200 1 51200
B
stacks base < base.txt
flame -o now.html now
flame -o now.svg now
flame --base base -o diff.html now
flame --base base -o diff.svg now
printf '%s\t%s\n' 'main|server.c|20;grown|a.c|1' 307200 'main|server.c|20;freed|a.c|2' -102400 | stacks negative --type inuse_space bytes # as pprof -base writes it
flame -o negative.html negative
flame --sample alloc_space --focus cache_put -o focus.html now

# Names that mean something in HTML, in SVG, on a terminal, or to whoever reads from right to left.
long=$(printf 'std::vector<std::pair<int, long>, %.0s' $(seq 60)); long="$long int$(printf '>%.0s' $(seq 60))::the_method(int)"
printf '%s\t1 1000 1 1000\n' \
    'main;<script>window.harmed=1</script>' 'main;</script><script>window.harmed=2</script>' 'main;<!--<script>' 'main;]]><script>window.harmed=3</script>' \
    'main;"><img src=x onerror="window.harmed=4">|<b>file</b>.c|3' "main;'/onmouseover='window.harmed=5" 'main;&lt\x3bscript&gt\x3b' 'main;\x1b[31mred\x1b]0\x3btitle\x07' \
    'main;\xe2\x80\xaeevil\xe2\x80\xac' 'main;\xff\xfe\xc0\x80' 'main;\xed\xa0\x80\xef\xbf\xbf' 'main;__proto__' 'main;constructor' "main;$long" \
    'main;javascript:window.harmed=6' 'main;operator<<(std::ostream&, int)' 'main;${window.harmed=7}' | stacks hostile
flame --title '</title><script>window.harmed=8</script>' -o hostile.html hostile
flame --title '</title><script>window.harmed=8</script>' --base now -o hostile.svg hostile

printf 'main;f\t5 6\n' | stacks units --type inuse_space constructor --type alloc_space __proto__
flame -o units.html units

stacks --many 5000 many
flame -o many.html many

it "keeps 5,000 stacks under 300 KiB"
size=$(stat -c %s many.html)
[ "$size" -lt $((300 << 10)) ] || fail "many.html has $size bytes"
it "loads nothing and runs nothing but its own scripts"
outside() { grep -nE '(src|href)=|url\(|@import|https?://' "$1" | grep -v 'http://www.w3.org/2000/svg'; }
for page in now.html diff.html many.html; do ! outside "$page" || fail "$page refers to something outside"; done
it "shows no byte that a terminal or a direction of writing would follow"
! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' hostile.html hostile.svg || fail "a control character"
it "writes SVG that is XML, whatever the names"
for picture in *.svg; do python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$picture" || fail "$picture"; done
it "refuses what it cannot write, and leaves nothing behind"
equal "$(status_of "$gumshoe" flame now)" 2 "no -o"
equal "$(status_of "$gumshoe" flame -o now.png now)" 2 "another ending"
equal "$(status_of "$gumshoe" flame -o no/such/folder.html now)" 3 "no folder"
equal "$(status_of "$gumshoe" flame -o a.html nothing)" 3 "no profile"
equal "$(status_of "$gumshoe" flame -o a.html --base nothing now)" 3 "no base"
equal "$(status_of "$gumshoe" flame -o a.html --sample nothing now)" 2 "no such sample type"
[ ! -e a.html ] || fail "a.html was written"

python3 "$source_dir/tests/browser/flame.py" "$build/browser" || fail "in the browser"
