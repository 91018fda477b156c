"""A film whose tracks say that their data lies in another file (an alias in the box `dref`)."""

from pathlib import Path

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf")


def with_alias(film: bytes, target: Path) -> bytes:
    """The film with each `dref` pointing to `target`. The box `moov` must be the last one."""
    return _boxes(film, _alias(target))


def _boxes(data: bytes, alias: bytes) -> bytes:
    rebuilt = b""
    while data:
        size, kind = int.from_bytes(data[:4], "big"), data[4:8]
        body, data = data[8:size], data[size:]
        if kind in _PARENTS:
            body = _boxes(body, alias)
        elif kind == b"dref":
            body = bytes(4) + (1).to_bytes(4, "big") + alias
        rebuilt += (len(body) + 8).to_bytes(4, "big") + kind + body
    return rebuilt


def _alias(target: Path) -> bytes:
    """One entry: a volume, a file name and, as item 2, the absolute path with colons."""
    path = b"disk" + str(target).replace("/", ":").encode()
    path += bytes(len(path) % 2)
    record = bytes(10) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(12)
    record += bytes([len(target.name)]) + target.name.encode().ljust(63, b"\0") + bytes(16)
    record += bytes(2) + bytes(2) + bytes(16)
    record += (2).to_bytes(2, "big") + len(path).to_bytes(2, "big") + path + b"\xff\xff\0\0"
    return (len(record) + 12).to_bytes(4, "big") + b"alis" + bytes(4) + record
