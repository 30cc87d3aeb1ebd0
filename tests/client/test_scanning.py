"""A scanner sees an opened file before anybody: real small programs, real exit codes, nothing kept on a refusal."""

import stat
import sys
from pathlib import Path

import pytest

from services.client.downloads import save, write_new
from services.client.scanning import Infected, NotScanned, Scanner

#: A scanner as small as one can be: it knows the harmless test word of scanner makers, split so that no scanner minds.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PROGRAM = """
import sys, pathlib
data = pathlib.Path(sys.argv[1]).read_bytes()
print("secret words of the file", data[:9])
sys.exit(1 if b"EICAR-STANDARD" in data else 2 if data == b"broken" else 0)
"""


@pytest.fixture
def scanner(tmp_path: Path) -> Scanner:
    program = tmp_path / "scan ner.py"
    program.write_text(PROGRAM)
    return Scanner.parse(f"'{sys.executable}' '{program}' {{file}}")


def test_a_clean_file_is_kept_and_the_scanner_saw_it_whole(scanner: Scanner, tmp_path: Path):
    seen: list[tuple[bytes, int]] = []

    def inspect(path: Path) -> None:
        seen.append((path.read_bytes(), stat.S_IMODE(path.stat().st_mode)))
        scanner.check(path)

    path = save(iter([b"all ", b"of it"]), tmp_path / "to", "name.txt", inspect)
    assert seen == [(b"all of it", 0o600)]
    assert path.read_bytes() == b"all of it"
    assert list((tmp_path / "to").iterdir()) == [path]


@pytest.mark.parametrize(("data", "error"), [(EICAR, Infected), (b"broken", NotScanned)])
def test_what_is_refused_or_not_scanned_is_not_kept(
    scanner: Scanner, tmp_path: Path, data: bytes, error: type[Exception], capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(error) as refused:
        save(iter([data]), tmp_path / "to", "name.txt", scanner.check)
    assert list((tmp_path / "to").iterdir()) == []
    printed = capfd.readouterr()
    assert "secret words" not in printed.out + printed.err + str(refused.value)


def test_a_scanner_that_is_missing_or_hangs_is_no_consent(tmp_path: Path):
    file = tmp_path / "f"
    file.write_bytes(b"x")
    with pytest.raises(NotScanned):
        Scanner.parse(f"{tmp_path}/missing {{file}}").check(file)
    slow = Scanner((sys.executable, "-c", "import time; time.sleep(60)", "{file}"), seconds=0.2)
    with pytest.raises(NotScanned):
        slow.check(file)


def test_the_name_of_a_file_is_one_word_of_the_command(tmp_path: Path):
    odd = tmp_path / "a b; touch evil 'c'"
    odd.write_bytes(b"x")
    script = "import sys, os; sys.exit(0 if len(sys.argv) == 2 and os.path.isabs(sys.argv[1]) else 3)"
    Scanner((sys.executable, "-c", script, "{file}")).check(odd)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("text", ["", "clamscan", "{file}", "'unclosed {file}"])
def test_a_command_that_cannot_scan_is_refused(text: str):
    with pytest.raises(ValueError, match=r"scanner|quotation"):
        Scanner.parse(text)


def test_a_new_file_is_private_hashed_and_never_replaces_another(tmp_path: Path):
    path = tmp_path / "out.age"
    digest, size = write_new(iter([b"ab", b"c"]), path)
    assert digest.hex().startswith("ba7816bf")
    assert (size, path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (3, b"abc", 0o600)
    with pytest.raises(FileExistsError):
        write_new(iter([b"other"]), path)
    assert path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [path]
