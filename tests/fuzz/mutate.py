"""Faults in files: in their bytes, and in what their bytes mean.

Archives, compressed files, arrays, tensors, pictures, JSON and TOML are taken apart, changed and
put together again with lengths and checksums that fit, so that a fault reaches the code behind
those checks.
"""

import gzip
import io
import os
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.values import as_json, as_text

NAMES = ["../x", "/x", "a/../../x", "C:\\x", "x\ny", ".", "", "a" * 300, "é", "\ud800", "con/x"]
BOMB = 2**28
"""Bytes of zeros that an archive holds, compressed to a thousandth."""

Change = Callable[[bytes, Random], bytes]


def mutated(content: bytes, rng: Random, depth: int = 0) -> bytes:
    """The content of a file with one fault or a few."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        within = next((change for fits, change in KINDS if fits(content)), None)
        if within is None or depth > 3 or rng.random() < 0.3:
            content = rng.choice(BYTES)(content, rng)
            continue
        try:
            content = within(content, rng) if within in FLAT else within(content, rng, depth + 1)
        except Exception:  # an earlier fault left nothing that could be taken apart
            content = rng.choice(BYTES)(content, rng)
    return content


def flipped(content: bytes, rng: Random) -> bytes:
    """Some bits are others."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 4, 32]) if content else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: Random) -> bytes:
    """The end is missing."""
    return content[: rng.choice([0, 1, len(content) - 1, rng.randint(0, len(content))])]


def dropped(content: bytes, rng: Random) -> bytes:
    """A piece is missing."""
    start = rng.randint(0, len(content))
    return content[:start] + content[start + rng.choice([1, 4, 64, len(content) // 3]) :]


def doubled(content: bytes, rng: Random) -> bytes:
    """A piece, or all of it, is there twice."""
    start = rng.choice([0, rng.randint(0, len(content))])
    piece = content[start : start + rng.choice([1, 16, len(content)])]
    return content[:start] + piece + content[start:]


def overwritten(content: bytes, rng: Random) -> bytes:
    """An extreme number stands somewhere, often in the header."""
    size = rng.choice([1, 2, 4, 8])
    number = rng.choice([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1])
    start = rng.randint(0, min(len(content), rng.choice([32, 512, len(content)])))
    piece = number.to_bytes(size, rng.choice(["little", "big"]))
    return content[:start] + piece + content[start + size :]


BYTES: list[Change] = [flipped, cut, dropped, doubled, overwritten]


def as_array(content: bytes, rng: Random) -> bytes:
    """A numpy array whose header says something else."""
    size = 2 if content[6] == 1 else 4
    begin = 8 + size
    end = begin + int.from_bytes(content[8:begin], "little")
    header = content[begin:end].decode("latin-1")
    what, values = rng.choice([
        (r"\([\d, ]*\)", ["(0,)", "()", "(-1,)", "(2**40,)", f"({2**40},)", f"({2**63}, 4)",
                          "(1, 1e9)", "(True,)", "('a',)", "(" * 300, f"({'1, ' * 40})"]),
        (r"'[<>|=][a-z]\d+'", ["'|O'", "'<f2'", "'>f8'", "'<U9'", "'<c16'", "'<M8[s]'", "'|V8'",
                               "'|b1'", "'<u8'", "[('a', '<f4')]", "'x'", "1"]),
        (r"True|False", ["True", "0", "'x'", "None"]),
        (r"$", ["{", "\\", "9" * 5000]),
    ])  # fmt: skip
    header = re.sub(what, lambda _: rng.choice(values), header, count=1)
    raw = header.encode("latin-1")
    return content[:8] + len(raw).to_bytes(size, "little") + raw + content[end:]


def as_tensors(content: bytes, rng: Random) -> bytes:
    """A safetensors file with another header."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = as_json(content[8:end].rstrip(), rng)
    return len(header).to_bytes(8, "little") + header + content[end:]


def as_png(content: bytes, rng: Random) -> bytes:
    """A PNG with a chunk changed whose checksum fits."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        n = int.from_bytes(content[at : at + 4], "big")
        chunks.append([content[at + 4 : at + 8], content[at + 8 : at + 8 + n]])
        at += 12 + n
    one = rng.choice(chunks)
    if rng.random() < 0.1:
        one[0] = rng.choice([b"IHDR", b"IDAT", b"tRNS", b"PLTE", b"acTL", b"zTXt", b"eXIf"])
    elif one[0] == b"IDAT" and rng.random() < 0.3:
        one[1] = zlib.compress(bytes(rng.choice([0, 9, 2**24])))
    else:
        one[1] = rng.choice(BYTES)(one[1], rng)
    if rng.random() < 0.1:
        chunks.insert(rng.randrange(len(chunks)), one)
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return content[:8] + b"".join(packed)


def as_gzip(content: bytes, rng: Random, depth: int) -> bytes:
    """A compressed file with another content."""
    return gzip.compress(mutated(gzip.decompress(content), rng, depth), 1, mtime=0)


def as_zip(content: bytes, rng: Random, depth: int) -> bytes:
    """A zip file with a member of another content, name, kind or size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [[i.filename, archive.read(i), i.external_attr] for i in archive.infolist()]
    out, method = io.BytesIO(), rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    one, how = rng.choice(members), rng.randrange(12)
    if how < 6:
        one[1] = mutated(one[1], rng, depth)
    elif how == 6:
        one[0] = rng.choice([*NAMES, one[0].upper(), one[0] + "/", "x/" + one[0]])
    elif how == 7:
        members.append(one)
    elif how == 8:
        members.remove(one)
    elif how == 9:
        one[2] = rng.choice([0o120777, 0o060600, 0o010600, 0o040755]) << 16
    elif how == 10 and rng.random() < 0.1:
        one[1], method = bytes(BOMB), zipfile.ZIP_DEFLATED
    quiet = warnings.catch_warnings(action="ignore")  # of names that are there twice
    with zipfile.ZipFile(out, "w", method) as archive, quiet:
        for name, data, attributes in members:
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.external_attr, info.compress_type = attributes, method
            archive.writestr(info, data)
    packed = out.getvalue()
    if how == 11:  # sizes that the directory claims
        at = packed.rfind(b"PK\1\2") + rng.choice([16, 20, 24, 42])
        claimed = rng.choice([0, 1, 2**31, 2**32 - 2, 2**32 - 1])
        packed = packed[:at] + struct.pack("<I", claimed) + packed[at + 4 :]
    return packed


def as_tar(content: bytes, rng: Random, depth: int) -> bytes:
    """A tar file with a member of another content, name, kind or size."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [[i, f.read() if (f := archive.extractfile(i)) else b""] for i in archive]
    out = io.BytesIO()
    one, how = rng.choice(members), rng.randrange(6)
    if how < 2:
        one[1] = mutated(one[1], rng, depth)
    one[0].size = len(one[1])
    if how == 2:
        one[0].name = rng.choice(NAMES)
    elif how == 3:
        one[0].type = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                  tarfile.FIFOTYPE, tarfile.DIRTYPE, b"Z"])  # fmt: skip
        one[0].linkname = rng.choice(NAMES)
    elif how == 4:
        members.append(one)
    elif how == 5:
        one[0].size = rng.choice([0, 1, 2**20, 2**33 - 1, 2**40])
    how_written = rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    for info, data in members:
        out.write(info.tobuf(how_written, errors="surrogatepass"))
        out.write(data + bytes(-len(data) % 512))
    return out.getvalue() + bytes(10240)


def _json(content: bytes) -> bool:
    return content[:1] in (b"{", b"[") and content[-1:].strip() in (b"}", b"]", b"")


def _text(content: bytes) -> bool:
    try:
        return content.isascii() or bool(content.decode())
    except UnicodeDecodeError:
        return False


KINDS: list[tuple[Callable[[bytes], bool], Any]] = [
    (lambda c: c[:4] == b"PK\3\4", as_zip),
    (lambda c: c[:2] == b"\x1f\x8b", as_gzip),
    (lambda c: c[257:262] == b"ustar", as_tar),
    (lambda c: c[:6] == b"\x93NUMPY", as_array),
    (lambda c: c[:8] == b"\x89PNG\r\n\x1a\n", as_png),
    (lambda c: c[8:9] == b"{" and c[3:8] == bytes(5), as_tensors),
    (_json, as_json),
    (lambda c: b"\0" not in c and _text(c), as_text),
]
"""What recognises a kind of file -> how that kind is changed."""
FLAT = (as_array, as_png, as_tensors, as_json, as_text)


def changed(folder: Path, rng: Random) -> None:
    """Puts a fault into one file of a folder, or into the folder itself."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    if rng.random() < 0.9 or len(files) == 1:
        path.write_bytes(mutated(path.read_bytes(), rng))
        return
    how = rng.choice(["removed", "a folder", "a pipe", "a loop", "empty", "copied", "renamed"])
    if how == "empty":
        path.write_bytes(b"")
    elif how == "copied":
        path.with_name(f"x{path.name}").write_bytes(path.read_bytes())
    elif how == "renamed":
        path.rename(path.with_name(rng.choice(["é", "²", "\udcff", "a b"]) + path.suffix))
    else:
        path.unlink()
        if how == "a folder":
            path.mkdir()
        elif how == "a pipe":
            os.mkfifo(path)
        elif how == "a loop":
            path.symlink_to(path)
