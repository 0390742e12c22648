#!/usr/bin/env python3
"""foreign.py DIR: profiles in the shapes that other programs write, each as a file of DIR.

It encodes profile.proto by itself. The figures of all are those of one program: main calls work and idle."""
import gzip
import os
import sys

from wire import number


def field(key, value):
    """As in wire.py, but a 0 is written: some programs do."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    if isinstance(value, str):
        value = value.encode()
    return number(key << 3 | 2) + number(len(value)) + value


def packed(key, values):
    return field(key, b"".join(map(number, values)))


def unpacked(key, values):
    return b"".join(field(key, value) for value in values)


TYPES = [("samples", "count"), ("cpu", "nanoseconds")]
STACKS = [(["work", "main"], 7), (["idle", "main"], 3), (["work", "work", "main"], 2)]  # leaf first


def profile(repeated=packed, types=TYPES, mapping=False, step=1, strings_first=False, line_without_function=False, labels=False, times=1):
    """The program's profile. STEP: the distance of ids; STRINGS_FIRST: the table of strings leads, in reverse order of use."""
    names = ["", *(text for kind in types for text in kind), "main", "work", "idle", "/src/x.rs", "/bin/x", "abcd1234", "thread", "worker one"]
    table = ["", *reversed(list(dict.fromkeys(names[1:])))]
    text = table.index
    body = b"".join(field(1, field(1, text(kind)) + field(2, text(unit))) for kind, unit in types)
    for frames, count in STACKS * times:
        locations = [step * (1 + ["main", "work", "idle"].index(frame)) for frame in frames]
        sample = repeated(1, locations) + repeated(2, [count * (1 if unit == "count" else 10000000) for _, unit in types])
        if labels:
            sample += field(3, field(1, text("thread")) + field(2, text("worker one")))
        body += field(2, sample)
    if mapping:
        body += field(3, field(1, 5) + field(2, 0x400000) + field(3, 0x500000) + field(5, text("/bin/x")) + field(6, text("abcd1234")))
    for at, name in enumerate(["main", "work", "idle"], 1):
        lines = field(4, field(1, at * step) + field(2, 10 * at))
        if line_without_function:
            lines = field(4, field(2, 99)) + lines
        body += field(4, field(1, at * step) + (field(2, 5) + field(3, 0x400000 + 16 * at) if mapping else b"") + lines)
        body += field(5, field(1, at * step) + field(2, text(name)) + field(3, text(name)) + field(4, text("/src/x.rs")))
    strings = b"".join(field(6, entry) for entry in table)
    tail = field(9, 1700000000000000000) + field(10, 1000000000)
    return strings + body + tail if strings_first else body + strings + tail


def main():
    plain = profile()
    cut = len(plain) // 2
    many = [(f"kind-{i}", "count") for i in range(16)]
    shapes = {
        "packed": gzip.compress(plain),  # Go, Node
        "unpacked": gzip.compress(profile(unpacked)),  # proto2 writers: perf_to_profile of old
        "plain": plain,  # not compressed
        "members": gzip.compress(plain[:cut]) + gzip.compress(plain[cut:]),  # parallel compressors, cat
        "mapped": gzip.compress(profile(mapping=True)),  # perf_to_profile
        "no-mapping": gzip.compress(profile(labels=True)),  # pprof-rs, py-spy's converters
        "wide-ids": gzip.compress(profile(step=1 << 40)),  # ids that are hashes
        "strings-first": gzip.compress(profile(strings_first=True)),
        "many-types": gzip.compress(profile(types=many)),  # ddprof
        "unknown-fields": gzip.compress(plain + field(77, "later") + number(78 << 3 | 5) + b"\1\2\3\4" + number(79 << 3 | 1) + bytes(8)),
    }
    for name, data in shapes.items():
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(data)
    with open(os.path.join(sys.argv[1], "repeated"), "wb") as file:
        file.write(gzip.compress(profile(times=2)))
    with open(os.path.join(sys.argv[1], "no-function"), "wb") as file:
        file.write(gzip.compress(profile(line_without_function=True)))
    with open(os.path.join(sys.argv[1], "bomb"), "wb") as file:  # many members of 1 MiB each: 1 GiB
        file.write(gzip.compress(bytes(1 << 20)) * 1024)
    with open(os.path.join(sys.argv[1], "trailing"), "wb") as file:
        file.write(gzip.compress(plain) + b"not gzip")


main()
