"""Guesses what a file is that is no JSON Lines in UTF-8, to say what to do about it."""

import codecs

_MAGIC_NUMBERS = {
    b"\x1f\x8b": "; the file is compressed by gzip: let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "; the file is compressed by zstd: let its name end in .zst",
    codecs.BOM_UTF16_LE: "; the file looks like UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "; the file looks like UTF-16: save it as UTF-8",
}


def other_encoding(line: bytes) -> str:
    """What the file may be whose line is no UTF-8, to be appended to a message; else nothing."""
    for begin, hint in _MAGIC_NUMBERS.items():
        if line.startswith(begin):
            return hint
    return ""


def other_format(line: bytes) -> str:
    """What the file may be whose line is no JSON, to be appended to a message; else nothing."""
    if b"\0" in line:
        return "; the file looks like UTF-16: save it as UTF-8"
    text = line.strip()
    if text.startswith(b"["):
        return "; is it a JSON array? write one object a line"
    if text == b"{":
        return "; is the JSON spread over lines? write one object a line"
    if b"," in text and not text.startswith((b"{", b'"', b"}")):
        return "; is it CSV? convert it to JSON Lines or Parquet"
    return ""
