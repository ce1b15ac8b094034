"""Image files as bytes: where records end, and any field of any message with another value.

Messages are read by the wire format alone, so nothing here has to be kept in step with the .proto files. What looks
like a message inside a message is taken for one.
"""
import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def sort_of(name):
    return name.split(".")[0].rstrip("0123456789")


def header(name):
    return 4 if name == "inventory.img" else 8


def records(name, data):
    """(where the message starts, where it ends), without bytes behind the last that fits"""
    found, at = [], header(name)
    while at + 4 <= len(data):
        size = struct.unpack_from("<I", data, at)[0]
        if at + 4 + size > len(data):
            break
        found.append((at + 4, at + 4 + size))
        at += 4 + size
        # What was in a pipe stands behind its record, and so do a ghost and pages; that is nobody's record.
        if name.startswith(("pipes-data", "fifo-data", "ghost-file", "stasis-pages")):
            break
    return found


def boundaries(name, data):
    if name.startswith("pages-"):
        return [0]
    return [header(name)] + [end for _, end in records(name, data)]


def get_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError


def put_varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse(data):
    """[[number, type, value], ...]; value is a number, bytes, or such a list. ValueError: it is no message."""
    fields, at = [], 0
    try:
        while at < len(data):
            tag, at = get_varint(data, at)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1000:
                raise ValueError
            if kind == VARINT:
                value, at = get_varint(data, at)
            elif kind in (FIXED64, FIXED32):
                size = 8 if kind == FIXED64 else 4
                value, at = int.from_bytes(data[at:at + size], "little"), at + size
            elif kind == BYTES:
                size, at = get_varint(data, at)
                value, at = data[at:at + size], at + size
                if at > len(data):
                    raise ValueError
                value = parse_or_keep(value)
            else:
                raise ValueError
            fields.append([number, kind, value])
    except IndexError:
        raise ValueError from None
    return fields


def parse_or_keep(data):
    try:
        return parse(data) if data and not all(0x20 <= c < 0x7f for c in data) else data
    except ValueError:
        return data


def build(fields):
    out = b""
    for number, kind, value in fields:
        out += put_varint(number << 3 | kind)
        if kind == VARINT:
            out += put_varint(value)
        elif kind in (FIXED64, FIXED32):
            out += (value & (1 << 64) - 1).to_bytes(8, "little")[:8 if kind == FIXED64 else 4]
        else:
            value = build(value) if isinstance(value, list) else value
            out += put_varint(len(value)) + value
    return out


def walk(fields, path=()):
    """(path of numbers, the list that holds the field, its place there), of all fields however deep"""
    for i, (number, _, value) in enumerate(fields):
        yield path + (number,), fields, i
        if isinstance(value, list):
            yield from walk(value, path + (number,))


def replace(data, record, fields):
    start, end = record
    new = build(fields)
    return data[:start - 4] + struct.pack("<I", len(new)) + new + data[end:]


def change(name, data, path, value):
    """path: the number of the record, then that of the field"""
    record = records(name, data)[path[0]]
    fields = parse(data[record[0]:record[1]])
    for found, where, i in walk(fields):
        if found == path[1:]:
            where[i][2] = value
            return replace(data, record, fields)
    raise KeyError(path)


def other_number(rng, was, pids):
    return rng.choice((0, 1, 2, was + 1, was - 1, was ^ 1 << rng.randrange(32), was ^ 1 << rng.randrange(64), 4096,
                       (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
                       (1 << 64) - 4096, *pids))


def mutate(name, data, rng, pids):
    """(words, contents) with one field changed, doubled or left out; None: there is nothing to change"""
    all_records = records(name, data)
    if not all_records:
        return None
    n = rng.randrange(len(all_records))
    record = all_records[n]
    try:
        fields = parse(data[record[0]:record[1]])
    except ValueError:
        return None
    if not fields:
        return None
    path, where, i = rng.choice(list(walk(fields)))
    words = f"record {n}, field {'.'.join(map(str, path))}"
    value = where[i][2]
    how = rng.randrange(8)
    if how == 0:
        del where[i]
        return f"{words} left out", replace(data, record, fields)
    if how == 1:
        where.insert(i, list(where[i]))
        return f"{words} twice", replace(data, record, fields)
    if isinstance(value, int):
        where[i][2] = other_number(rng, value, pids)
    elif isinstance(value, list):
        where[i][2] = value * rng.choice((0, 2))
    else:
        where[i][2] = rng.choice((b"", value[:-1], value + b"x", value * 300, b"/etc/passwd", b"/tmp/../tmp", b"/dev"))
    return f"{words} = {str(where[i][2])[:60]}", replace(data, record, fields)
