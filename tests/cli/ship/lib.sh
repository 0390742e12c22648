# ship/lib.sh - what the tests of `gumshoe ship` share: a server, incidents, and keys that must never be seen.
. "$(dirname "$0")/lib.sh"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY 2> /dev/null || true
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY AWS_REGION=eu-test-1
unset AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3 AWS_DEFAULT_REGION GUMSHOE_SHIP_HEADERS 2> /dev/null || true
secrets=(wJalrXUtnFEMI temporary/secret session/Token hunter2)

# serve DIR [PORT [CERT KEY]]: a server (server.py) of DIR; sets port and server.
serve() {
    mkdir -p "$1" && rm -f "$1/port"
    python3 "$source_dir/tests/cli/ship/server.py" "$@" & server=$!
    started="$started $server"
    wait_until test -s "$1/port"
    port=$(cat "$1/port")
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
}
end_server() { kill -9 "$server"; wait "$server" 2> /dev/null || true; }

# make_incident DIR NUMBER [BYTES]: an incident of its own, with a file of BYTES random bytes, the same for the same number.
make_incident() {
    local folder; folder=$1/$(printf '20261127T0305%02d.000Z-leak-7' "$2")
    mkdir -p -m 700 "$folder"
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(int(sys.argv[1])).randbytes(int(sys.argv[2])))' "$2" "${3:-3000}" > "$folder/heap.txt"
    echo "summary $2" > "$folder/summary.txt"
    printf '{"version": 1, "complete": true,\n "rule": "leak", "metric": "rss", "condition": "above", "value": %d, "reason": "r", "host": "h1", "pid": 7,\n "triggered": "2026-11-27T03:05:%02d.000Z", "program": "shop", "culprit": {"function": "cache_put", "share": 0.5}, "files": []}\n' "$2" "$2" > "$folder/incident.json"
}

# ship OPTION…: its output is in out and err; everything it ever said is in "said" as well.
ship() {
    local status=0
    "$gumshoe" ship "$@" > "$tmp/out" 2> "$tmp/err" || status=$?
    cat "$tmp/out" "$tmp/err" >> "$tmp/said"
    return $status
}

# arrived SERVER-DIR DIR: in the store are all the incidents in DIR, each once, as they are, and nothing else.
arrived() {
    local folder found
    equal "$(find "$1/store" -type f ! -name incident.json ! -name _bundle.tar.gz | wc -l)" 0 "other files in the store"
    equal "$(find "$1/store" -name incident.json | wc -l)" "$(ls "$2" | wc -l)" "incidents in the store"
    equal "$(find "$1/store" -name _bundle.tar.gz | wc -l)" "$(ls "$2" | wc -l)" "bundles in the store"
    for folder in "$2"/*; do
        found=$(find "$1/store" -path "*/$(basename "$folder")-*/incident.json")
        equal "$(printf '%s\n' "$found" | grep -c .)" 1 "places of $folder"
        rm -rf unpacked && mkdir unpacked && tar -xzf "$(dirname "$found")/_bundle.tar.gz" -C unpacked
        diff -r "$folder" "unpacked/$(basename "$folder")" || fail "the bundle of $folder differs"
        equal "$(wc -l < "$found")" 1 "lines of $found"
        jq -S 'del(.id, .bundle)' "$found" > got.json && jq -S . "$folder/incident.json" | cmp - got.json || fail "the incident.json of $folder differs"
        equal "$(jq -r '.id + "/" + .bundle' "$found")" "$(basename "$(dirname "$found")")/_bundle.tar.gz" "its id and bundle"
    done
}
# requests SERVER-DIR EXPRESSION: how many lines of the server's log jq's EXPRESSION holds for.
requests() { jq -s "map(select($2)) | length" "$1/log"; }
has_request() { [ "$(requests "$1" "$2")" -ge "${3:-1}" ]; }
no_secret_in() { local secret; for secret in "${secrets[@]}"; do ! grep -rqaF -- "$secret" "$@" || fail "a secret is in $*"; done; }
