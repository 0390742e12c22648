#!/bin/bash
# The defaults of a rules file stand in one table, which the code reads; the schema and the documents have the same.
. "$(dirname "$0")/../host/lib.sh"
judge=$source_dir/tests/check/defaults.py

it "has the same defaults in the code, the schema and the documents"
"$judge" "$source_dir" || fail "they differ"
it "sees a default that is wrong or missing in any of them (this check can fail)"
# caught WHAT FILE EXPRESSION SAID: with sed's EXPRESSION applied to FILE
caught() {
    rm -rf "$tmp/tree"; mkdir -p "$tmp/tree/agent"
    cp -r "$source_dir/agent/rules" "$tmp/tree/agent"; cp -r "$source_dir/rules" "$source_dir/docs" "$tmp/tree"
    sed -i "$3" "$tmp/tree/$2"
    ! cmp -s "$tmp/tree/$2" "$source_dir/$2" || fail "$1: nothing was changed"
    if "$judge" "$tmp/tree" > "$tmp/said"; then fail "nobody minds $1"; fi
    grep -q "^FAILED: $4" "$tmp/said" || fail "$1: $(head -n 3 "$tmp/said")"
}
caught "another default in the code" agent/rules/defaults.c 's/"growth", AS_JSON({"over": "10m"/"growth", AS_JSON({"over": "20m"/' 'rules.growth.over: 20m in agent'
caught "another default in the schema" rules/rules.schema.json 's/"default": "99Hz"/"default": "100Hz"/' 'cpu.rate: 99Hz in agent'
caught "a default that only the schema has" rules/rules.schema.json 's/"default": 6 *}/"default": 7 }/' 'rules.unusual.score: 6 in agent'
caught "another default in docs/rules.md" docs/rules.md 's/^| `heap.depth` | 64 |/| `heap.depth` | 65 |/' 'heap.depth: "65" in docs'
caught "a row that is missing in docs/rules.md" docs/rules.md '/^| `growth.over` |/d' 'growth.over: "None" in docs'
caught "another default in the manual page" docs/gumshoe-rules.5 's/^14d\. /15d. /' 'incidents.max_age: docs'
