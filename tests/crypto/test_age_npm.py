"""Files of npm's `age-encryption` open here, and ours there. Needs Node, and `npm ci` done in web/client."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.crypto import age
from services.crypto.errors import Refused

SCRIPT = Path(__file__).parent / "node" / "age_interop.mjs"
CLIENT = Path(__file__).parents[2] / "web" / "client"
SIZES = [0, 1, 65535, 65536, 65537, 131071, 131072, 131073, 200_000]
# 0: their library gets one array; else a stream, in pieces of so many bytes.
CHUNKS = [0, 1000, 65536]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def node() -> str:
    wheel = Path(sys.executable).with_name("node")
    return str(wheel) if wheel.exists() else "node"


def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One Node process for all jobs; fails the test, never skips it, when Node or the library is missing."""
    assert (CLIENT / "node_modules" / "age-encryption").is_dir(), "run `npm ci` in web/client first"
    done = subprocess.run(
        [node(), str(SCRIPT)], input=json.dumps(jobs).encode(), capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(answers) == len(jobs)
    return answers


def identity(kind: str) -> age.HybridIdentity | age.X25519Identity:
    return age.HybridIdentity.generate() if kind == "hybrid" else age.X25519Identity.generate()


def opening(key: age.HybridIdentity | age.X25519Identity) -> dict[str, Any]:
    return {"op": "decrypt", "identities": [str(key)]}


@pytest.mark.parametrize("kind", ["hybrid", "x25519"])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_theirs_open_here(kind: str, chunk: int) -> None:
    key, other = identity(kind), identity(kind)
    texts = [os.urandom(size) for size in SIZES]
    recipients = [str(other.recipient), str(key.recipient)]
    job = {"op": "encrypt", "recipients": recipients, "chunk": chunk}
    answers = run([{**job, "plaintext": b64(text)} for text in texts])
    files = [base64.b64decode(answer["file"]) for answer in answers]
    assert [age.decrypt(file, [key]) for file in files] == texts
    assert [b"".join(age.decrypt_stream([file], [other])) for file in files] == texts


@pytest.mark.parametrize("kind", ["hybrid", "x25519"])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_ours_open_there(kind: str, chunk: int) -> None:
    key, other = identity(kind), identity(kind)
    texts = [os.urandom(size) for size in SIZES]
    files = [age.encrypt(text, [other.recipient, key.recipient]) for text in texts]
    answers = run([{**opening(key), "file": b64(file), "chunk": chunk} for file in files])
    assert [base64.b64decode(answer["plaintext"]) for answer in answers] == texts


def test_their_hybrid_files_are_parts_and_their_x25519_files_are_not() -> None:
    keys = {kind: identity(kind) for kind in ("hybrid", "x25519")}
    hybrid, classical = (
        base64.b64decode(answer["file"])
        for answer in run(
            [
                {"op": "encrypt", "recipients": [str(keys[kind].recipient)], "plaintext": b64(b"text")}
                for kind in ("hybrid", "x25519")
            ]
        )
    )
    age.check_part(hybrid)
    assert age.stanza_types(classical) == ["X25519"]
    with pytest.raises(Refused):
        age.check_part(classical)


def test_keys_have_the_same_text_and_the_same_public_half() -> None:
    made = run([{"op": "identity", "kind": kind} for kind in ("hybrid", "x25519") for _ in range(3)])
    for answer in made[:3]:
        parsed = age.HybridIdentity.parse(answer["identity"])
        assert (str(parsed), str(parsed.recipient)) == (answer["identity"], answer["recipient"])
    for answer in made[3:]:
        classical = age.X25519Identity.parse(answer["identity"])
        assert (str(classical), str(classical.recipient)) == (answer["identity"], answer["recipient"])
    ours = [identity(kind) for kind in ("hybrid", "x25519")]
    theirs = run([{"op": "recipient", "identity": str(key)} for key in ours])
    assert [answer["recipient"] for answer in theirs] == [str(key.recipient) for key in ours]


def test_passphrase_files_open_both_ways() -> None:
    phrase = age.Passphrase("құпия сөз, 4 words", log_n=10)
    there, opened, wrong = run(
        [
            {"op": "encrypt", "passphrase": phrase.text, "log_n": 10, "plaintext": b64(b"theirs")},
            {"op": "decrypt", "passphrase": phrase.text, "file": b64(age.encrypt(b"ours", [phrase]))},
            {"op": "decrypt", "passphrase": "another", "file": b64(age.encrypt(b"ours", [phrase]))},
        ]
    )
    assert age.decrypt(base64.b64decode(there["file"]), [phrase]) == b"theirs"
    assert base64.b64decode(opened["plaintext"]) == b"ours"
    assert wrong == {"error": True}


def test_they_refuse_an_altered_or_cut_file_of_ours() -> None:
    key = age.HybridIdentity.generate()
    file = bytearray(age.encrypt(bytes(70_000), [key.recipient]))
    flipped = bytes(file[:-1]) + bytes([file[-1] ^ 1])
    cut = bytes(file[: -(70_000 - 65_536) - 16])
    assert run([{**opening(key), "file": b64(data)} for data in (flipped, cut)]) == [{"error": True}] * 2


def test_armor_is_the_same_text() -> None:
    samples = [os.urandom(size) for size in (0, 1, 47, 48, 49, 96, 5000)]
    armored = run([{"op": "armor", "data": b64(data)} for data in samples])
    texts = [base64.b64decode(answer["data"]) for answer in armored]
    assert [age.dearmor(text) for text in texts] == samples
    back = run([{"op": "dearmor", "data": b64(age.armor(data).encode())} for data in samples])
    assert [base64.b64decode(answer["data"]) for answer in back] == samples
