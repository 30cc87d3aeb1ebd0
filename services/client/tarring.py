"""A tar file made piece by piece: names, sizes and bytes in, an archive out that any `tar` reads, in constant memory.

The last members say what was in it: `manifest.json`, and `SHA256SUMS` for `sha256sum -c`.
"""

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto.errors import Refused

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_BLOCK, _RECORD = 512, 10_240
_UTC_DAY = 86_400
_EPOCH = date(1970, 1, 1)

#: Opens the bytes of a member when its turn comes.
Open = Callable[[], AbstractContextManager[Iterator[bytes]]]


@dataclass(frozen=True)
class Member:
    """A file of the archive: its name (with `/`), its exact size, and how to open it."""

    name: str
    size: int
    open: Open = field(repr=False)

    @classmethod
    def of(cls, name: str, data: bytes) -> "Member":
        """A small file that is there already."""
        return cls(name, len(data), lambda: nullcontext(iter([data])))

    @classmethod
    def of_json(cls, name: str, value: Any) -> "Member":
        """A JSON file that a person can read too."""
        return cls.of(name, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")


def tar_stream(members: Iterable[Member], day: date) -> Iterator[bytes]:
    """The archive; every file has the time 00:00 UTC of `day` and the mode 0600.

    Errors, while iterating: Refused for a member of another size than announced, and whatever a member raises.
    """
    lines: list[dict[str, Any]] = []
    written = 0
    for piece in _all(members, day, lines):
        written += len(piece)
        yield piece
    # Two empty blocks end an archive, and some tools want whole records.
    yield bytes(2 * _BLOCK + -(written + 2 * _BLOCK) % _RECORD)


def _all(members: Iterable[Member], day: date, lines: list[dict[str, Any]]) -> Iterator[bytes]:
    for member in members:
        yield from _member(member, day, lines)
    yield from _member(Member.of_json(MANIFEST, {"files": list(lines), "v": 1}), day, lines)
    sums = "".join(f"{line['sha256']}  {line['name']}\n" for line in lines)
    yield from _member(Member.of(SUMS, sums.encode()), day, [])


def _member(member: Member, day: date, lines: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _header(member, day)
    digest, left = sha256(), member.size
    with member.open() as chunks:
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            yield chunk
    if left:
        raise Refused("the size is not the announced one")
    yield bytes(-member.size % _BLOCK)
    lines.append({"name": member.name, "sha256": digest.hexdigest(), "size": member.size})


def _header(member: Member, day: date) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, 0o600
    info.mtime = (day - _EPOCH).days * _UTC_DAY
    return info.tobuf(tarfile.PAX_FORMAT)
