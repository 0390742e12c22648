#!/bin/bash
# Plugins come and go: what is known of a library's frames is never used for another that is loaded at its address.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
libraries=()
for i in $(seq 10); do # the same bytes but for the frame's size
    cat > "$i.s" <<S
    .globl through
    .type through, @function
through:
    .cfi_startproc
    subq \$$((1024 * i + 8)), %rsp
    .cfi_def_cfa_offset $((1024 * i + 16))
    call *%rdi
    addq \$$((1024 * i + 8)), %rsp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size through, . - through
    .section .note.GNU-stack, "", @progbits
S
    gcc -shared -o "$i.so" "$i.s"
    libraries+=("$PWD/$i.so")
done

it "walks stacks in ten libraries that are loaded at one address in turn, each with frames of another size"
status=0
"$build/hosts/linked_reload" "${libraries[@]}" > heap.pb.gz || status=$?
[ $status -ne 77 ] || { echo "the libraries were not loaded at one address" >&2; exit 77; }
equal $status 0 "the host's exit status"
go tool pprof -traces -sample_index=alloc_objects heap.pb.gz > traces 2>/dev/null
go tool pprof -comments heap.pb.gz > comments 2> /dev/null
never_says comments 'are truncated' "a stack is truncated"
astray() { awk '/-----/ { if (through && !home) n++; through = home = 0 } / allocate$/ { through = 1 } / main$/ { home = 1 } END { print n + 0 }' traces; }
equal "$(astray)" 0 "stacks of allocate that do not lead to main"
equal "$(go tool pprof -top -sample_index=alloc_objects heap.pb.gz 2>/dev/null | awk '$6 == "allocate" { print $4 }')" 200 "blocks charged to allocate"

it "survives a storm of dlopen and dlclose, with two threads that allocate and a capture every second"
rules=$(rules storm '{"version": 1, "interval": "100ms", "heap": {"sample": "2KiB"}, "budget": "100%",
    "rules": [{"name": "again", "every": "1s", "cooldown": "0s", "capture": ["heap", "threads"]}], "incidents": {"max_per_hour": 0, "keep": 0}}')
mkfifo input
captured_twice() { [ "$(find incidents -path '*/2*/heap.pb.gz' | wc -l)" -ge 2 ]; }
captured_or_ended() { captured_twice || ! kill -0 $host; }
for tries in $(seq 50); do # 77: another mapping, of the watch's start, has come to where the libraries would be
    rm -rf incidents
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents "$build/hosts/linked_reload" storm "${libraries[@]}" < input > storm.pb.gz & host=$!; started=$host
    exec 3> input
    wait_until captured_or_ended
    exec 3>&-
    status=0
    wait $host || status=$?
    [ $status = 77 ] || break
done
equal $status 0 "the host's exit status"
go tool pprof -comments storm.pb.gz > comments 2> /dev/null
never_says comments 'are truncated' "a stack is truncated"
go tool pprof -traces -sample_index=alloc_objects storm.pb.gz > traces 2>/dev/null
equal "$(astray)" 0 "stacks of allocate that do not lead to main"
[ "$(go tool pprof -top -sample_index=alloc_objects storm.pb.gz 2>/dev/null | awk '$6 == "main" { print int($4) }')" -ge 1000 ] || fail "hardly any block of allocate was seen"
