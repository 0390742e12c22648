#!/usr/bin/env python3
"""stacks.py OUT [--type TYPE UNIT]... < stacks       a pprof profile of stacks that are given as text

A line is a stack: its frames from the root to the leaf with ";" between them, a tab, and a value for each sample type with
blanks between. A frame is NAME, or NAME|FILE|LINE, or NAME|FILE|LINE|LIBRARY. \\xNN in a line is that byte. Without --type:
alloc_objects, alloc_space, inuse_objects, inuse_space, as in our heap profiles.

stacks.py --many N OUT                                one of N different stacks, always the same ones"""
import gzip
import random
import re
import sys

from wire import field, number

HEAP = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]


class Profile:
    def __init__(self, types):
        self.strings, self.functions, self.locations, self.libraries = {b"": 0}, {}, {}, {}
        self.out = b"".join(field(1, field(1, self.text(kind)) + field(2, self.text(unit))) for kind, unit in types)
        self.out += field(14, self.text(types[-1][0]))
        self.parts = []
        self.library(b"/srv/bin/server")

    def text(self, value):
        value = value.encode() if isinstance(value, str) else value
        return self.strings.setdefault(value, len(self.strings))

    def library(self, path):
        if path not in self.libraries:
            self.libraries[path] = len(self.libraries) + 1
            at = self.libraries[path] << 32
            self.parts.append(field(3, field(1, self.libraries[path]) + field(2, at) + field(3, at + (1 << 24)) + field(5, self.text(path))
                                    + field(7, 1) + field(8, 1) + field(9, 1) + field(10, 1)))
        return self.libraries[path]

    def location(self, frame):
        if frame not in self.locations:
            name, file, line, library = (frame.split(b"|") + [b"", b"", b""])[:4]
            mapping = self.library(library or b"/srv/bin/server")
            function = (name, file)
            if function not in self.functions:
                self.functions[function] = len(self.functions) + 1
                self.parts.append(field(5, field(1, self.functions[function]) + field(2, self.text(name)) + field(3, self.text(name))
                                        + field(4, self.text(file))))
            self.locations[frame] = len(self.locations) + 1
            self.parts.append(field(4, field(1, self.locations[frame]) + field(2, mapping)
                                    + field(3, (mapping << 32) + 16 * self.locations[frame])
                                    + field(4, field(1, self.functions[function]) + field(2, int(line or 0)))))
        return self.locations[frame]

    def add(self, frames, values):
        locations = b"".join(number(self.location(frame)) for frame in reversed(frames))
        self.parts.append(field(2, field(1, locations) + field(2, b"".join(map(number, values)))))

    def write(self, path):
        strings = b"".join(field(6, text) for text in self.strings)
        with gzip.GzipFile(path, "wb", 1, mtime=0) as file:
            file.write(self.out + b"".join(self.parts) + strings)


def read(profile, lines):
    for line in lines:
        stack, _, values = line.rstrip(b"\n").rpartition(b"\t")
        frames = [re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), frame) for frame in stack.split(b";")]
        profile.add(frames, [int(value) for value in values.split()])


def many(profile, count):
    """Stacks as a server's are: they share their beginnings, and part further inside."""
    random.seed(5000)
    modules = [b"net", b"http", b"store", b"cache", b"json", b"tls", b"queue", b"index"]
    names = [b"%s::%s<std::basic_string<char>, std::allocator<std::pair<int const, %s::Entry>>>::%s(unsigned long, %s::Entry const&)"
             % (module, kind, module, verb, module)
             for module in modules for kind in (b"Reader", b"Writer", b"Table", b"Pool") for verb in (b"open", b"insert", b"find", b"grow", b"flush", b"close")]
    seen = set()
    while len(seen) < count:
        stack = [b"_start", b"main|server.cc|12", b"serve|server.cc|%d" % random.choice((40, 44))]
        for level in range(random.randint(6, 26)):
            index = min(int(random.expovariate(0.05 + 0.004 * level)) * (level + 7) % len(names), len(names) - 1)
            stack.append(names[index] + b"|%s.cc|%d" % (modules[index % 8], 10 + index % 5))
        stack += [b"operator new(unsigned long)||0|/usr/lib/x86_64-linux-gnu/libstdc++.so.6", b"malloc||0|/usr/lib/x86_64-linux-gnu/libc.so.6"]
        if tuple(stack) not in seen:
            seen.add(tuple(stack))
            live, size = random.randint(1, 400), random.choice((32, 64, 200, 4096))
            profile.add(stack, [live * 7, live * 7 * size, live, live * size])


def main():
    arguments = sys.argv[1:]
    if arguments[0] == "--many":
        profile = Profile(HEAP)
        many(profile, int(arguments[1]))
        profile.write(arguments[2])
        return
    types = [(arguments[at + 1], arguments[at + 2]) for at in range(1, len(arguments), 3)] or HEAP
    profile = Profile(types)
    read(profile, sys.stdin.buffer)
    profile.write(arguments[0])


main()
