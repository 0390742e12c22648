#!/bin/bash
# The scripts and styles of the pages are small and readable, have nothing that is not used, and make no markup out of text.
. "$(dirname "$0")/../host/lib.sh"
page=$source_dir/tests/check/page

it "finds no fault in this tree"
"$page" "$source_dir" || fail "the places above"

# caught WHAT FILE SAID: with standard input at the end of FILE, SAID is all that is said of a copied tree.
caught() {
    rm -rf "$tmp/agent"
    mkdir -p "$tmp/agent"
    cp -r "$source_dir/agent/reader" "$tmp/agent"
    cat >> "$tmp/agent/reader/page/$2"
    ! "$page" "$tmp" > "$tmp/said" || fail "nobody minds $1"
    equal "$(sed 's/:[0-9]*:/:/' "$tmp/said")" "$3" "what is said of $1"
}
it "catches what it looks for (this check can fail)"
caught "markup" tools.js "tools.js: makes markup of text" <<< "document.body.innerHTML = name;"
caught "a long line" tree.js "tree.js: 126 columns" <<< "// $(printf '%0123d' 0)"
caught "a loose comparison" graph.js "graph.js: == or != (write === or !==)" <<< "if (a == b) a();"
caught "a constant that is not used" report.js "report.js: LEFTOVER is not used" <<< "    const LEFTOVER = 1;"
caught "a method that is not used" graph_draw.js "graph_draw.js: drawTwice is not used" <<< "        drawTwice() {"
caught "a class that nothing has" base.css "styles: nothing has the class or id leftover" <<< ".leftover { margin: 0; }"
caught "a colour that nothing has" base.css "styles: nothing has the colour --leftover" <<< ":root { --leftover: #ffffff; }"
caught "a file that no page has" other.js $'other.js: does not begin with \'use strict\'\nother.js: does not say what it is for\nother.js: no page has it' <<< "//"
caught "a page that grows" report.css "$(printf 'the page has %d lines' 1500)" < <(
    lines=$(cat "$source_dir"/agent/reader/page/[!s]*.* | wc -l); yes "" | head -n $((1500 - lines)))
