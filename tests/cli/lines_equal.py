#!/usr/bin/env python3
"""lines_equal.py FRAMES ADDR2LINE [DEBUG]: do the frames of a profile (profile_file.py frames) agree with what an independent reader of the
same debug information says (eu-addr2line or llvm-addr2line, with -a --pretty-print -f -i)? Prints how many addresses and frames agree; ends with
status 1 at the first address that does not, and prints both.

Each frame's file and line are compared, and each inlined function's name as the linker knows it. The name of the outermost function
is the symbol table's: aliases may differ there, so it is compared only where the other reader found the same symbol. An address that
neither knows a line for agrees, whatever it is called; so does one that lies between functions or behind the last one, where
eu-addr2line prints the line before it: those are the ones with "??" for the function, and those outside of the .debug_aranges of
DEBUG, a file."""
import bisect
import os
import re
import subprocess
import sys


def ours(path):
    found, at = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("0x"):
                at = found.setdefault(int(line, 16), [])
            else:
                _, _, system, where, _ = line.rstrip("\n").split("\t")
                at.append((system, where))
    return found


def theirs(path):
    found, at = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if not line.strip():
                continue
            match = re.match(r"(0x[0-9a-f]+): (.*)$", line)
            if match:
                at = found.setdefault(int(match[1], 16), [])
                line = match[2]
            line = re.sub(r"^ *\(inlined by\) ", "", line)
            name, _, where = line.rpartition(" at ")
            where = re.sub(r"(:\d+):\d+$", r"\1", where)  # a column
            where = re.sub(r" \(discriminator \d+\)$", "", where)
            at.append((name, where))
    return found


def is_known(where):
    return not where.startswith("??") and not where.startswith(":")


def same_place(ours_, theirs_):
    if not is_known(ours_) and not is_known(theirs_):
        return True
    (file, line), (other, other_line) = ours_.rsplit(":", 1), theirs_.rsplit(":", 1)
    other_line = "0" if other_line == "?" else other_line
    return line == other_line and os.path.normpath(file) == os.path.normpath(other)


def aranges(debug):
    text = subprocess.run(["readelf", "--debug-dump=aranges", debug], check=True, capture_output=True, text=True).stdout
    found = [(int(match[1], 16), int(match[2], 16)) for match in re.finditer(r"^ +([0-9a-f]{16}) ([0-9a-f]{16}) *$", text, re.M)]
    return sorted((start, start + size) for start, size in found if size)


def is_in(ranges, address):
    index = bisect.bisect_right(ranges, (address, 1 << 64)) - 1
    return index >= 0 and address < ranges[index][1]


def agree(left, right):
    left = [frame for frame in left if is_known(frame[1])] or [("", ":0")]
    if left == [("", ":0")] and (not is_known(right[0][1]) or right[0][0] == "??"):
        return True
    if len(left) != len(right):
        return False
    for index, ((name, where), (other, other_where)) in enumerate(zip(left, right)):
        outermost = index == len(left) - 1
        if not same_place(where, other_where) or (name != other and not outermost):
            return False
    return True


def main():
    left, right = ours(sys.argv[1]), theirs(sys.argv[2])
    second = theirs(sys.argv[4]) if len(sys.argv) > 4 else None
    if set(left) != set(right) or not left:
        print(f"{len(left)} and {len(right)} addresses: not the same ones")
        sys.exit(1)
    ranges = aranges(sys.argv[3])
    frames = known = by_second = 0
    for address, mine in left.items():
        if not is_in(ranges, address):
            right[address] = [("??", "??:0")]
        if not agree(mine, right[address]):
            if not second or not agree(mine, second[address]):
                print(f"{address:#x}\n ours:", *mine, "\n theirs:", *right[address], "\n and:", *(second or right)[address], sep="\n  ")
                sys.exit(1)
            by_second += 1
        known += is_known(right[address][0][1])
        frames += len(mine)
    print(f"{len(left)} addresses, {known} with lines, {frames} frames; {by_second} by the second reader")


main()
