#!/bin/bash
# picture.sh BUILD OUT.png: the picture of an incident's page for the README: leaky_server under its own rules, until it has an
# incident. The server is built anew, so that no path of this machine is in the picture.
. "$(dirname "$0")/../tests/host/lib.sh"
source_dir=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "$2")
cd "$tmp"
has_lines() { grep -q 'leaky_server.c:' incidents/2*/summary.txt; }
cc -g -O2 -D_GNU_SOURCE -ffile-prefix-map="$source_dir=/src" -I"$source_dir/include" "$source_dir/examples/leaky_server.c" -o leaky_server \
    -L"$build" -lgumshoe -Wl,-rpath,"$build" -lpthread
./leaky_server --seconds 120 --rules "$source_dir/examples/leaky_server.json" --dir incidents > out 2> log &
host=$!; started="$started $host"
wait_until grep -q 'listening on' out
port=$(sed -n 's/listening on 127.0.0.1://p' out)
"$build/examples/client" "$port" 500 200 > /dev/null
"$build/examples/client" "$port" 8000 4000 > /dev/null
wait_until has_lines
kill "$host"; wait "$host" || true
"$gumshoe" report --source "$source_dir/examples" -o page.html "$(incident incidents)"
python3 - "$source_dir/tests/browser" "$out" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
from browser import Browser
with Browser() as browser:
    page = browser.page(width=1180, height=1500)
    page.open("page.html")
    page.wait("document.querySelector('#graph .functions tbody tr')")
    page.evaluate("document.querySelectorAll('.facts dt').forEach((one) => one.textContent === 'File' && one.parentElement.remove())")
    page.evaluate("document.querySelectorAll('#profiles details, #profiles .notes').forEach((one) => one.remove())") # the picture is about the graph
    page.screenshot(sys.argv[2])
P
