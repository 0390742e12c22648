"""wire.py - protobuf as bytes, for the tests that write profiles: by itself, so that it judges the code under test by nothing of that
code."""


def number(value):
    """VALUE as a varint; a negative one as 64 bits."""
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(key, value):
    """Field KEY with a number, which is left out if it is 0, or with bytes."""
    if isinstance(value, int):
        return number(key << 3) + number(value) if value else b""
    return number(key << 3 | 2) + number(len(value)) + value
