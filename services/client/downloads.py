"""Attachments on disk: mode 0600, under a harmless name, and only when everything about them was checked.

The bytes come from a stranger. They are written under a random name and appear under their own only after the last
chunk and the hash pass; a file that is there already is never replaced.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.crypto.attachments import Envelope

MAX_BYTES = 200
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def file_name(envelope: Envelope) -> str:
    """The name to store under: one segment without control or direction characters, at most 200 bytes, not hidden."""
    name = _FORBIDDEN.sub("_", envelope.safe_name).strip(" .")
    # Names of devices open something else than a file on some systems; a dash first reads as an option.
    if not name or _DEVICES.fullmatch(name) or name.startswith(("-", "~")):
        name = f"_{name}"
    return _shortened(name)


def save(
    chunks: Iterator[bytes], folder: Path, name: str, inspect: Callable[[Path], None] | None = None
) -> Path:
    """Write all chunks, let `inspect` look at the whole file, then give it its name (or `name (2)`, ...); the path.

    Nothing is left behind if `chunks` or `inspect` raises. Errors: OSError, and whatever these raise.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _written(chunks, folder) as temporary:
        if inspect is not None:
            inspect(temporary)
        return _named(temporary, folder, name)


def write_new(chunks: Iterable[bytes], path: Path) -> tuple[bytes, int]:
    """Write all chunks to a file that is not there yet; its SHA-256 and size.

    Errors: FileExistsError, also for one that appeared meanwhile; OSError, and whatever `chunks` raises.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, "File exists")
    digest = sha256()
    with _written(_hashed(chunks, digest), path.parent) as temporary:
        os.link(temporary, path)  # unlike a rename, a link never replaces a file
        return digest.digest(), path.stat().st_size


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


@contextmanager
def _written(chunks: Iterable[bytes], folder: Path) -> Iterator[Path]:
    """A file of mode 0600 with all chunks, under a random name that is gone afterwards."""
    temporary = folder / f".adal-{secrets.token_hex(8)}.part"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _named(temporary: Path, folder: Path, name: str) -> Path:
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    for number in range(1, 10_000):
        path = folder / (name if number == 1 else f"{stem} ({number}){dot}{suffix}")
        try:
            os.link(temporary, path)  # unlike a rename, a link never replaces a file
        except FileExistsError:
            continue
        return path
    raise FileExistsError


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or len(suffix.encode()) > 16:
        stem, dot, suffix = name, "", ""
    room = MAX_BYTES - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + suffix
