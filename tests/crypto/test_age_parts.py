"""The part rule: 1 to 8 stanzas, all hybrid, held to by whoever seals, stores and opens."""

import os
from collections.abc import Sequence

import pytest

from services.crypto import age
from services.crypto.age_header import Source, Stanza, read_header, write_header
from services.crypto.age_stream import seal_stream
from services.crypto.errors import FormatError, Refused, WrongKey

KEY = age.HybridIdentity.from_seed(bytes(range(32)))
CLASSICAL = age.X25519Identity.from_seed(bytes(range(32)))
FILE_KEY = bytes(16)
SIZES = [0, 1, 65535, 65536, 65537, 131072]


def forged(stanzas: Sequence[Stanza]) -> bytes:
    """A file with these stanzas and a right MAC, as only somebody who wants to break the rule makes one."""
    nonce = bytes(16)
    payload = seal_stream(age._payload_key(FILE_KEY, nonce), Source([b"text"]))
    return write_header(stanzas, age._mac_key(FILE_KEY)) + nonce + b"".join(payload)


HYBRID = KEY.recipient.wrap(FILE_KEY)
X25519 = CLASSICAL.recipient.wrap(FILE_KEY)
SCRYPT = age.Passphrase("invented", log_n=2).wrap(FILE_KEY)
GREASE = Stanza("grease", ("x",), b"body")


def test_the_forging_helper_makes_files_that_open() -> None:
    # Otherwise the refusals below could have another reason.
    for stanzas in ([HYBRID], [HYBRID, X25519], [X25519, HYBRID], [HYBRID, GREASE], [HYBRID] * 9):
        assert age.decrypt(forged(stanzas), [KEY]) == b"text"
    assert age.open_part(forged([HYBRID]), KEY) == b"text"
    assert age.open_part(forged([HYBRID] * 8), KEY) == b"text"


@pytest.mark.parametrize(
    "stanzas",
    [
        [HYBRID, X25519],
        [X25519, HYBRID],
        [X25519],
        [SCRYPT],
        [HYBRID, SCRYPT],
        [HYBRID, GREASE],
        [GREASE],
        [HYBRID] * 9,
    ],
    ids=["hybrid+x", "x+hybrid", "x", "scrypt", "hybrid+scrypt", "hybrid+unknown", "unknown", "nine"],
)
def test_any_other_mix_is_refused_by_store_and_opener(stanzas: list[Stanza]) -> None:
    file = forged(stanzas)
    with pytest.raises(Refused):
        age.check_part(file)
    with pytest.raises(Refused):
        age.open_part(file, KEY)
    with pytest.raises(Refused):
        age.open_part_stream([file], KEY)


@pytest.mark.parametrize("size", SIZES)
def test_parts_open_to_what_was_sealed(size: int) -> None:
    text = os.urandom(size)
    other = age.HybridIdentity.generate()
    part = age.seal(text, [other.recipient, KEY.recipient])
    age.check_part(part)
    assert age.open_part(part, KEY) == text
    assert b"".join(age.open_part_stream([part], other)) == text
    streamed = b"".join(age.seal_part_stream(iter([text]), [KEY.recipient]))
    assert age.open_part(streamed, KEY) == text


def test_sealing_takes_one_to_eight_hybrid_recipients() -> None:
    for count in range(1, 9):
        assert age.stanza_types(age.seal(b"", [KEY.recipient] * count)) == ["mlkem768x25519"] * count
    for bad in ([], [KEY.recipient] * 9, [CLASSICAL.recipient], [KEY.recipient, CLASSICAL.recipient]):
        with pytest.raises(Refused):
            age.seal(b"text", bad)  # type: ignore[arg-type]


def test_the_check_needs_the_header_only() -> None:
    part = age.seal(bytes(100_000), [KEY.recipient] * 8)
    end = part.index(b"\n", part.index(b"\n--- ") + 1) + 1
    age.check_part(part[:end])
    with pytest.raises(FormatError):
        age.check_part(part[: end - 1])


def test_a_hybrid_stanza_that_nobody_could_open_is_malformed() -> None:
    # Intake has no key, but need not store what has the wrong shape.
    (enc,) = HYBRID.args
    for stanza in (
        Stanza(HYBRID.type, (), HYBRID.body),
        Stanza(HYBRID.type, (enc, enc), HYBRID.body),
        Stanza(HYBRID.type, (enc[:-4],), HYBRID.body),
        Stanza(HYBRID.type, HYBRID.args, HYBRID.body[:-1]),
    ):
        with pytest.raises(FormatError):
            age.check_part(forged([HYBRID, stanza]))


def test_a_part_for_somebody_else_stays_closed() -> None:
    part = age.seal(b"text", [KEY.recipient])
    with pytest.raises(WrongKey):
        age.open_part(part, age.HybridIdentity.generate())


def test_what_is_no_age_file_is_no_part() -> None:
    for data in (
        b"",
        b"text",
        b"age-encryption.org/v1\n",
        age.armor(age.seal(b"", [KEY.recipient])).encode(),
    ):
        with pytest.raises(FormatError):
            age.check_part(data)
        with pytest.raises(FormatError):
            age.open_part(data, KEY)


def test_stanzas_of_two_seals_are_never_alike() -> None:
    first, second = (read_header(Source([age.seal(b"", [KEY.recipient])])).stanzas[0] for _ in range(2))
    assert first.args != second.args
    assert first.body != second.body
