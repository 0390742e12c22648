#!/bin/bash
# Each allocation of the agent's own fails once, in all that it does (of the many, some): the host lives, no incident says that it
# is complete unless it is, and the same thing done again succeeds. GUMSHOE_STRIDE=1 tries every one, and memory that does not
# come back; ways/memory_fails.py says what must hold.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
export GUMSHOE_DIR=$tmp/d
watch='"version": 1, "interval": "100ms", "heap": { "sample": "16KiB", "baseline": "1s" }, "cpu": { "duration": "100ms" },
  "incidents": { "keep": 0, "max_bytes": "100GiB", "max_per_hour": 0 }, "labels": { "service": "memory that fails" }'
calm=$(rules calm "{ $watch, \"rules\": [ { \"name\": \"never\", \"metric\": \"rss\", \"above\": \"80%\", \"why\": \"for its words\" },
  { \"name\": \"jump\", \"metric\": \"heap_in_use\", \"jitter\": { \"rise\": \"90%\", \"over\": 100 }, \"for\": \"1h\" } ] }")
busy=$(rules busy "{ $watch, \"on_incident\": [ \"/bin/true\", \"{dir}\", \"{label:service}: {reason}\" ],
  \"rules\": [ { \"name\": \"fds\", \"metric\": \"fds\", \"above\": 1, \"again\": \"always\", \"cooldown\": \"100ms\", \"max_per_hour\": 0,
  \"capture\": [ \"threads\" ] }, { \"name\": \"hourly\", \"every\": \"1h\" } ] }")

# survives RULES WAY STRIDE STRIDE-OF-ALL [MANY]: of the allocations in WAY each STRIDEth fails; and MANY behind it.
survives() {
    it "survives failed allocations: $2"
    local stride=$3
    [ -z "${GUMSHOE_STRIDE:-}" ] || stride=$((GUMSHOE_STRIDE * $4))
    rm -rf "$GUMSHOE_DIR" "$GUMSHOE_LOG"
    cp "$1" in_force.json
    GUMSHOE_RULES=$tmp/in_force.json python3 "$source_dir/tests/host/ways/memory_fails.py" "$build/hosts/memory_fails" "$2" "$stride" "${5:-1}" && return
    tail -n 40 "$GUMSHOE_LOG" > last_words && mv last_words "$GUMSHOE_LOG"
    fail "$2"
}
survives "$calm" captures 43 1
survives "$calm" deadlocks 61 1
survives "$calm" cpu 83 1
survives "$calm" starts 61 1
survives "$calm" asks 11 1
survives "$calm" profiles 17 1
survives "$calm" dies 61 1
survives "$calm" heirs 97 1
survives "$busy" fires 701 7
survives "$calm" reloads 101 5
[ -n "${GUMSHOE_STRIDE:-}" ] || exit 0
for way in captures deadlocks cpu asks profiles heirs; do survives "$calm" $way 1 5 1000000; done
