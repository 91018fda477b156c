"""The encoding of a text file that does not name it."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

UTF8 = "UTF-8"
WINDOWS = "Windows-1252"
# Written by spreadsheet programs in countries whose letters Windows-1252 lacks.
CANDIDATES = [
    "cp1252",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_kr",
    "cp1251",
    "cp1253",
    "cp1255",
    "cp1256",
]
_LONG_RUN = re.compile(rb"[\x80-\xff]{3}")


def decode(raw: bytes) -> tuple[str, str]:
    """The text and the name of its encoding.

    UTF-8 is tried first, because text in another encoding is rarely valid UTF-8. Text in which at
    most two bytes beyond ASCII follow each other is western European (Windows-1252, in which five
    byte values become a replacement character). Longer runs may be another script, whose encoding
    is detected. Raises ValueError, as the end of a sentence, for bytes that are no text.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16"), "UTF-16"
    if b"\0" in raw:
        raise ValueError("contains NUL bytes: it is not a text file, or it is UTF-16")
    try:
        return raw.decode("utf-8-sig"), UTF8
    except UnicodeDecodeError:
        pass

    if _LONG_RUN.search(raw) is None:
        return raw.decode("cp1252", errors="replace"), WINDOWS
    best = from_bytes(raw, cp_isolation=CANDIDATES).best()
    if best is None:
        raise ValueError("is in an encoding that is not known")
    return str(best), best.encoding
