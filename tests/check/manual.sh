#!/bin/bash
# The man pages say everything there is: each command and option, each key of the rules, each exported function. And they are free of
# warnings.
. "$(dirname "$0")/../host/lib.sh"
docs=$source_dir/docs

# page FILE: as text, in one line, with single spaces.
page() { mandoc -T ascii "$1" | col -b | tr -s ' \n' ' '; }
# lacks FILE WORD…: the words that the page does not have.
lacks() { local text word; text=$(page "$1"); shift; for word; do echo "$text" | grep -qE -- "(^|[^A-Za-z0-9_])$(sed 's/[$.]/\\&/g' <<< "$word")([^A-Za-z0-9_]|\$)" || echo "$word"; done; }
# synopsis COMMAND: its part of the synopsis; what VIEW stands for is in it.
synopsis() {
    local text; text=$(page "$docs/gumshoe.1"); text=${text#* SYNOPSIS }; text=${text%% DESCRIPTION *}
    local view=${text#*VIEW is any of}
    text="${text%%VIEW is any of*} gumshoe "
    text=${text#*gumshoe $1 }; text=${text%%gumshoe *}
    case $text in *VIEW*) text="$text $view" ;; esac
    echo "$text"
}
# options COMMAND: the options that it takes, by its own help.
options() { "$gumshoe" "$1" --help | sed -n 's/^  \(--\{0,1\}[a-z][a-z-]*\).*/\1/p'; }

it "has no warnings"
for file in gumshoe.1 gumshoe-rules.5 libgumshoe.3; do
    mandoc -T lint -W warning "$docs/$file" || fail "$file"
    groff -ww -man -T utf8 "$docs/$file" 2>&1 > /dev/null | grep . && fail "$file: groff"
done
it "has every command and every option in the synopsis of gumshoe(1), and a section for the command"
commands=$("$gumshoe" --help | sed -n '/^usage/,$s/^  \([a-z]*\) .*/\1/p' | grep -v '^gumshoe$')
[ "$(wc -w <<< "$commands")" -ge 18 ] || fail "commands: $commands"
for command in $commands; do
    grep -qx ".B $command" "$docs/gumshoe.1" || fail "no section for $command"
    text=$(synopsis "$command"); [ -n "$text" ] || fail "no synopsis of $command"
    for option in $(options "$command"); do
        grep -qE -- "(^|[^a-z-])$option([^a-z-]|\$)" <<< "$text" || fail "the synopsis of $command lacks $option: $text"
    done
done
it "has no option in a synopsis that the command does not take"
for command in $commands; do
    for option in $(synopsis "$command" | grep -oE -- '(^|[^a-z-])--[a-z-]+' | tr -d '[(| '); do
        case $option in --help | --version) continue ;; esac
        [ "$command/$option" != diff/--lines ] || continue
        options "$command" | grep -qx -- "$option" || case "$(synopsis "$command")" in *VIEW*) ;; *) fail "$command does not take $option" ;; esac
    done
done
it "has every key of the rules in gumshoe-rules(5)"
keys=$(jq -r '.. | objects | .properties? // empty | keys[]' "$source_dir/rules/rules.schema.json" | sort -u)
[ "$(wc -w <<< "$keys")" -ge 40 ] || fail "keys: $keys"
missing=$(lacks "$docs/gumshoe-rules.5" $keys); [ -z "$missing" ] || fail "missing: $missing"
it "has every function that the library exports in libgumshoe(3), as the header declares it"
functions=$(nm -D --defined-only "$build/libgumshoe.so" | awk '$3 ~ /^gumshoe_/ { print $3 }')
[ "$(wc -w <<< "$functions")" -ge 12 ] || fail "functions: $functions"
missing=$(lacks "$docs/libgumshoe.3" $functions); [ -z "$missing" ] || fail "missing: $missing"
synopsis=$(page "$docs/libgumshoe.3"); synopsis=${synopsis#* SYNOPSIS }; synopsis=${synopsis%% DESCRIPTION *}
tr '\n' ' ' < "$source_dir/include/gumshoe/gumshoe.h" | tr -s ' ' | grep -oE 'GUMSHOE_API [a-z][^;]*;' | sed 's/GUMSHOE_API //' > "$tmp/declared"
equal "$(wc -l < "$tmp/declared")" 12 "declarations in the header"
while read -r declaration; do
    grep -qF -- "$declaration" <<< "$synopsis" || fail "not as in the header: $declaration"
done < "$tmp/declared"
it "sees what is missing (this check can fail)"
sed '/plumbing/d' "$docs/gumshoe-rules.5" > "$tmp/page.5"
equal "$(lacks "$tmp/page.5" $keys)" plumbing
