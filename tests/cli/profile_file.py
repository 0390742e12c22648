#!/usr/bin/env python3
"""profile_file.py make OUT PROGRAM [PATH]  < addresses   a profile of those addresses (of the file, in hex, one a line) with no names,
                                              as of a process that had PROGRAM mapped from PATH
profile_file.py make OUT PROGRAM PATH ADDRESSES ...       the same of several programs, each with its own file of addresses
profile_file.py frames PROFILE                what a profile says of each address: the address in the file, then a line for each frame,
                                              innermost first: NAME, SYSTEM NAME, FILE:LINE, START LINE, with tabs between
profile_file.py mappings PROFILE              path, and the four has_ flags

It reads and writes profile.proto by itself, so that it judges the code under test by nothing of that code."""
import gzip
import re
import subprocess
import sys

from wire import field, number

BASE = 0x7F1200000000


def fields(data):
    at = 0

    def varint():
        nonlocal at
        shift = value = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def segments(program):
    """(offset, address, size) of each executable segment; whether the file is loaded where it says."""
    found = []
    text = output_of("readelf", "-hlW", program)
    for line in text.splitlines():
        match = re.match(r"\s*LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) (...) ", line)
        if match and "E" in match[5]:
            found.append((int(match[1], 16), int(match[2], 16), int(match[4], 16)))
    return found, re.search(r"Type:\s+EXEC", text) is not None


def build_id(program):
    match = re.search(r"Build ID: (\w+)", output_of("readelf", "-nW", program))
    return match[1] if match else ""


def make(out, mapped):
    """MAPPED: (program, path, addresses) of each file of the process."""
    strings = {"": 0}

    def text(value):
        return strings.setdefault(value, len(strings))

    profile = field(1, field(1, text("samples")) + field(2, text("count")))
    mappings = locations = 0
    for number_of_file, (program, path, addresses) in enumerate(mapped):
        parts, fixed = segments(program)
        base = 0 if fixed else BASE + (number_of_file << 32)
        for offset, address, size in parts:
            mappings += 1
            profile += field(3, field(1, mappings) + field(2, base + (address & -4096)) + field(3, base + (address + size + 4095 & -4096))
                             + field(4, offset & -4096) + field(5, text(path)) + field(6, text(build_id(program))))
        for line in addresses:
            locations += 1
            address = int(line, 16)
            mapping = next(n for n, (_, start, size) in enumerate(parts, mappings - len(parts) + 1) if start <= address < start + size)
            profile += field(4, field(1, locations) + field(2, mapping) + field(3, base + address))
            profile += field(2, field(1, number(locations)) + field(2, number(1)))
    for value in strings:
        profile += field(6, value.encode())
    with gzip.open(out, "wb", 1) as file:
        file.write(profile)


def read(path):
    with gzip.open(path) as file:
        data = file.read()
    strings, mappings, functions, locations = [], {}, {}, []
    for key, value in fields(data):
        if key == 6:
            strings.append(value.decode())
        elif key == 3:
            one = dict(fields(value))
            mappings[one[1]] = one
        elif key == 5:
            one = dict(fields(value))
            functions[one[1]] = one
        elif key == 4:
            lines = [dict(fields(inner)) for which, inner in fields(value) if which == 4]
            one = dict((which, inner) for which, inner in fields(value) if which != 4)
            locations.append((one, lines))
    return strings, mappings, functions, locations


def frames(path):
    strings, mappings, functions, locations = read(path)
    for location, lines in locations:
        base = BASE if location[3] >= BASE else 0
        print(f"{location[3] - base:#x}")
        for line in lines:
            function = functions[line[1]]
            print(f"\t{strings[function.get(2, 0)]}\t{strings[function.get(3, 0)]}"
                  f"\t{strings[function.get(4, 0)]}:{line.get(2, 0)}\t{function.get(5, 0)}")


def show_mappings(path):
    strings, mappings, _, _ = read(path)
    for one in mappings.values():
        print(strings[one.get(5, 0)], *(one.get(key, 0) for key in (7, 8, 9, 10)))


def main():
    arguments = sys.argv[3:]
    if sys.argv[1] == "make" and len(arguments) > 2:
        make(sys.argv[2], [(*arguments[at:at + 2], list(open(arguments[at + 2], encoding="ascii"))) for at in range(0, len(arguments), 3)])
    elif sys.argv[1] == "make":
        make(sys.argv[2], [(arguments[0], arguments[-1], sys.stdin)])
    elif sys.argv[1] == "frames":
        frames(sys.argv[2])
    else:
        show_mappings(sys.argv[2])


if __name__ == "__main__":
    main()
