#!/usr/bin/env python3
"""history_file.py DIR EXE PROGRAM < PROCESSES: the history file of a program in DIR/.history, as docs/formats.md describes it. Prints its path.
PROCESSES is a JSON object a line: "pid", "started" (seconds), "interval" (seconds), "metrics" (names), "rows" ([seconds, value, …]);
with "step" (seconds) the rows are STEPS."""
import json
import os
import struct
import sys
import zlib


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def zigzag(value):
    return 2 * value if value >= 0 else -2 * value - 1


def text(words):
    return number(len(words.encode())) + words.encode()


def record(kind, payload):
    crc = zlib.crc32(bytes([kind]) + payload)
    return b"\xf5gsr" + struct.pack("<II", len(payload), crc) + bytes([kind]) + payload, crc


def pack(continues, rows, body):
    return b"gsh\2" + bytes([continues]) + struct.pack("<II", 13 + len(body), rows) + body


def packed_rows(rows, step_ms):
    body, time_ms, step_before = bytearray(), 0, 0
    for second, *values in rows:
        body += number(zigzag(round(second * 1000) - time_ms - step_ms) << 1 | (step_ms != step_before))
        body += number(step_ms) if step_ms != step_before else b""
        for value in values:
            body += b"\3" + struct.pack("<d", value)
        time_ms, step_before = round(second * 1000), step_ms
    return pack(1, len(rows), bytes(body))


def mixed(value):
    for _ in range(2):
        value = (value ^ value >> 32) * 0xd6e8feb86659fd93 % 2 ** 64
    return value ^ value >> 32


def name_of(exe, program):
    hashed = 0xcbf29ce484222325
    for byte in ("%s\n%s" % (exe, program)).encode():
        hashed = (hashed ^ byte) * 0x100000001b3 % 2 ** 64
    return "%s-%016x.gsh" % (program or "program", mixed(hashed))


def process_record(process):
    names = process["metrics"]
    body = number(round(process["interval"] * 1e9)) + number(len(names)) + b"".join(text(name) for name in names)
    numbers = [process["pid"], 0, 0, zigzag(round(process["started"] * 1e9)), 0]
    return record(1, b"".join(map(number, numbers)) + text(sys.argv[2]) + text("here") + pack(0, 0, body))


def rows_record(process, number_of_process, rows):
    packed = packed_rows(rows, round(process.get("step", process["interval"]) * 1000))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    from_ms, to_ms = round(rows[0][0] * 1000), round(rows[-1][0] * 1000)
    head = struct.pack("<I", number_of_process) + number(zigzag(from_ms)) + number(zigzag(to_ms - from_ms))
    head += number(len(rows)) + number(len(packed))
    return record(3 if "step" in process else 2, head + deflate.compress(packed) + deflate.flush())[0]


folder = os.path.join(sys.argv[1], ".history")
os.makedirs(folder, mode=0o700, exist_ok=True)
path = os.path.join(folder, name_of(*sys.argv[2:]))
with open(path, "wb") as file:
    file.write(b"gshist\0\1")
    for line in sys.stdin:
        process = json.loads(line)
        begun, crc = process_record(process)
        file.write(begun)
        for at in range(0, len(process["rows"]), 120):
            file.write(rows_record(process, crc, process["rows"][at:at + 120]))
print(path)
