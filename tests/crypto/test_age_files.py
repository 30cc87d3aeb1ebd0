"""Files of any size open to what was sealed; cut, altered, reordered or for others, they end in an error."""

import os
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.age_header import MAX_HEADER, Source, Stanza, read_header, write_header
from services.crypto.age_stream import CHUNK, TAG
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey

HYBRID = age.HybridIdentity.from_seed(bytes(range(32)))
CLASSICAL = age.X25519Identity.from_seed(bytes(range(32)))
PHRASE = age.Passphrase("invented words", log_n=2)
BORDERS = [0, 1, 15, 16, 17] + [
    n * CHUNK + step for n in (1, 2, 3) for step in (-17, -16, -1, 0, 1, 15, 16, 17)
]
SETTINGS = settings(max_examples=60, deadline=None)
ENCRYPTED = CHUNK + TAG


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def payload_start(file: bytes | bytearray) -> int:
    """Where the first chunk begins: after the MAC line and the nonce."""
    return file.index(b"\n", file.index(b"\n--- ") + 1) + 1 + 16


def released(file: bytes, identity: age.Identity) -> tuple[bytes, CryptoError | None]:
    out = b""
    try:
        for chunk in age.decrypt_stream(pieces(file, 10_000), [identity]):
            out += chunk
    except CryptoError as error:
        return out, error
    return out, None


@pytest.mark.parametrize("size", BORDERS)
def test_sizes_around_chunk_borders(size: int) -> None:
    text = os.urandom(size)
    chunks = max(1, -(-size // CHUNK))
    pairs: list[tuple[age.Recipient, age.Identity]] = [(PHRASE, PHRASE)]
    for recipient, identity in [*pairs, (HYBRID.recipient, HYBRID), (CLASSICAL.recipient, CLASSICAL)]:
        file = age.encrypt(text, [recipient])
        assert age.decrypt(file, [identity]) == text
        assert len(file) - payload_start(file) == size + chunks * TAG


@SETTINGS
@given(st.sampled_from(BORDERS), st.integers(1, 3 * CHUNK), st.integers(1, 3 * CHUNK))
def test_how_the_data_is_cut_on_the_way_does_not_matter(size: int, fed: int, read: int) -> None:
    text = os.urandom(size)
    file = b"".join(age.encrypt_stream(pieces(text, fed), [CLASSICAL.recipient]))
    assert len(file) == len(age.encrypt(text, [CLASSICAL.recipient]))
    assert b"".join(age.decrypt_stream(pieces(file, read), [CLASSICAL])) == text


def test_empty_pieces_are_nothing() -> None:
    file = b"".join(age.encrypt_stream([b"", b"a", b"", b"b", b""], [HYBRID.recipient]))
    cut = [b"", file[:5], b"", b"", file[5:], b""]
    assert b"".join(age.decrypt_stream(cut, [HYBRID])) == b"ab"


def test_the_same_text_is_never_sealed_the_same_way() -> None:
    files = {age.encrypt(b"text", [HYBRID.recipient]) for _ in range(20)}
    assert len(files) == 20
    assert len({file[payload_start(file) :] for file in files}) == 20


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_recipient_can_open(count: int) -> None:
    keys = [age.HybridIdentity.generate() for _ in range(count)]
    file = age.encrypt(b"text", [key.recipient for key in keys])
    assert [age.decrypt(file, [key]) for key in keys] == [b"text"] * count
    strangers = [age.HybridIdentity.generate() for _ in range(3)]
    assert age.decrypt(file, [*strangers, CLASSICAL, keys[-1]]) == b"text"


@pytest.mark.parametrize("recipient", [HYBRID.recipient, CLASSICAL.recipient, PHRASE])
def test_wrong_keys_open_nothing(recipient: age.Recipient) -> None:
    file = age.encrypt(b"text", [recipient])
    strangers: list[age.Identity] = [age.HybridIdentity.generate(), age.X25519Identity.generate()]
    strangers.append(age.Passphrase("other", log_n=2))
    with pytest.raises(WrongKey):
        age.decrypt(file, strangers)
    with pytest.raises(WrongKey):
        age.decrypt(file, [])


@pytest.mark.parametrize(
    "recipients",
    [
        [],
        [HYBRID.recipient, CLASSICAL.recipient],
        [PHRASE, HYBRID.recipient],
        [CLASSICAL.recipient, PHRASE],
        [PHRASE, PHRASE],
    ],
)
def test_mixed_or_missing_recipients_are_refused_at_the_call(
    recipients: list[age.Recipient],
) -> None:
    with pytest.raises(Refused):
        age.encrypt(b"text", recipients)
    with pytest.raises(Refused):
        age.encrypt_stream(iter([b"text"]), recipients)


def test_wrong_key_is_known_before_the_payload_is_read() -> None:
    file = age.encrypt(bytes(3 * CHUNK), [HYBRID.recipient])
    taken: list[int] = []

    def source() -> Iterator[bytes]:
        for place, piece in enumerate(pieces(file, 4096)):
            taken.append(place)
            yield piece

    with pytest.raises(WrongKey):
        age.decrypt_stream(source(), [CLASSICAL])
    assert len(taken) == 1


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_a_file_cut_at_or_beside_any_border_gives_a_genuine_start_and_an_error(size: int) -> None:
    text = os.urandom(size)
    file = age.encrypt(text, [HYBRID.recipient])
    start = payload_start(file)
    borders = [0, 1, 22, start - 17, start - 16, start - 1, *range(start, len(file), ENCRYPTED)]
    cuts = {cut + step for cut in (*borders, len(file)) for step in (-TAG, -1, 0, 1, TAG)}
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(file)):
        out, error = released(file[:cut], HYBRID)
        assert isinstance(error, FormatError), cut
        assert out == text[: max(0, cut - start) // ENCRYPTED * CHUNK], cut
        with pytest.raises(FormatError):
            age.decrypt(file[:cut], [HYBRID])


def test_a_short_file_cut_anywhere_is_refused() -> None:
    for key in (HYBRID, CLASSICAL):
        file = age.encrypt(b"a short text", [key.recipient])
        for cut in range(len(file)):
            with pytest.raises(FormatError):
                age.decrypt(file[:cut], [key])


def test_any_flipped_bit_is_noticed() -> None:
    file = age.encrypt(b"short", [CLASSICAL.recipient])
    for bit in range(len(file) * 8):
        altered = bytearray(file)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CryptoError):
            age.decrypt(bytes(altered), [CLASSICAL])


def test_a_flipped_bit_in_any_byte_of_a_hybrid_file_is_noticed() -> None:
    file = age.encrypt(b"short", [HYBRID.recipient])
    for place in range(len(file)):
        altered = bytearray(file)
        altered[place] ^= 1 << place % 8
        with pytest.raises(CryptoError):
            age.decrypt(bytes(altered), [HYBRID])


@SETTINGS
@given(st.data())
def test_nothing_after_a_flipped_bit_is_released(data: st.DataObject) -> None:
    text = os.urandom(2 * CHUNK + 100)
    file = bytearray(age.encrypt(text, [CLASSICAL.recipient]))
    start = payload_start(file)
    place = data.draw(st.integers(start, len(file) - 1))
    file[place] ^= 1 << data.draw(st.integers(0, 7))
    out, error = released(bytes(file), CLASSICAL)
    assert isinstance(error, FormatError)
    assert out == text[: (place - start) // ENCRYPTED * CHUNK]


Rearrange = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("rearrange", "genuine"),
    [
        (lambda c: [c[1], c[0], c[2]], 0),
        (lambda c: [c[0], c[2], c[1]], 1),
        (lambda c: [c[0], c[0], c[1], c[2]], 1),
        (lambda c: [c[1], c[2]], 0),
        (lambda c: [c[0], c[2]], 1),
        (lambda c: [c[0], c[1]], 2),
        (lambda c: [*c, c[2]], 2),
        (lambda c: [*c, b"\0"], 2),
        (lambda c: [], 0),
    ],
    ids=[
        "swap-first",
        "swap-last",
        "repeat",
        "drop-first",
        "drop-middle",
        "drop-last",
        "repeat-last",
        "append",
        "drop-all",
    ],
)
def test_chunks_moved_repeated_or_left_out_are_noticed(rearrange: Rearrange, genuine: int) -> None:
    text = os.urandom(2 * CHUNK + 100)
    file = age.encrypt(text, [HYBRID.recipient])
    start = payload_start(file)
    chunks = list(pieces(file[start:], ENCRYPTED))
    out, error = released(file[:start] + b"".join(rearrange(chunks)), HYBRID)
    assert isinstance(error, FormatError)
    assert out[: genuine * CHUNK] == text[: genuine * CHUNK]
    assert text.startswith(out)


def test_payload_of_one_file_does_not_open_under_the_header_of_another() -> None:
    first, second = (age.encrypt(b"text", [HYBRID.recipient]) for _ in range(2))
    mixed = first[: payload_start(first)] + second[payload_start(second) :]
    assert released(mixed, HYBRID)[0] == b""
    with pytest.raises(FormatError):
        age.decrypt(mixed, [HYBRID])


def test_a_stanza_added_or_taken_away_breaks_the_mac() -> None:
    other = age.HybridIdentity.generate()
    file = age.encrypt(b"text", [HYBRID.recipient, other.recipient])
    first, second = read_header(Source([file])).stanzas
    tail = file[file.index(b"\n--- ") + 1 :]
    extra = Stanza("grease", ("x",), b"")
    for stanzas in ([first], [second, first], [first, second, extra]):
        forged = b"age-encryption.org/v1\n" + b"".join(stanza.encode() for stanza in stanzas) + tail
        with pytest.raises(FormatError, match="MAC"):
            age.decrypt(forged, [HYBRID])


def test_streaming_needs_constant_memory() -> None:
    block = os.urandom(1 << 16)
    count = 1024  # 64 MiB

    def run(blocks: int) -> int:
        tracemalloc.start()
        file = age.encrypt_stream((block for _ in range(blocks)), [HYBRID.recipient])
        size = sum(len(chunk) for chunk in age.decrypt_stream(file, [HYBRID]))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size == blocks * len(block)
        return peak

    small, large = run(8), run(count)
    assert large < small + (64 << 10)
    assert large < 2 << 20


def test_a_header_without_an_end_is_refused_in_bounded_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield b"age-encryption.org/v1\n"
        while True:
            yield b"-> grease " + b"a" * 54 + b"\n\n"

    with pytest.raises(FormatError):
        age.decrypt_stream(endless(), [HYBRID])
    with pytest.raises(FormatError):
        age.stanza_types(b"age-encryption.org/v1\n-> " + b"a" * (2 * MAX_HEADER))


def test_header_of_the_largest_size_is_read() -> None:
    stanza = Stanza("grease", (), b"x" * 48)
    left = MAX_HEADER - len(write_header([], b"k" * 32))
    stanzas = [stanza] * (left // len(stanza.encode()))
    assert len(age.stanza_types(write_header(stanzas, b"k" * 32))) == len(stanzas)


def test_errors_carry_nothing_of_the_input() -> None:
    marker = b"MARKER"
    file = age.encrypt(marker, [HYBRID.recipient])
    bad_line = b"age-encryption.org/v1\n" + marker + b"\n"
    inputs = [marker, file + marker, file.replace(b"mlkem", marker), bad_line]
    for data in inputs:
        with pytest.raises(CryptoError) as caught:
            age.decrypt(data, [HYBRID])
        shown = str(caught.value) + repr(caught.value.__cause__)
        assert marker.decode() not in shown
