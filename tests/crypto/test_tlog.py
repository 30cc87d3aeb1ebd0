"""Checkpoints and offline proofs: what a reporter or a court checks with the log's key and nothing else."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import tlog
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused
from services.crypto.notes import COSIGNATURE, VerifierKey, cosign, sign_note
from services.crypto.signatures import SigningKey
from tests.crypto import tlog_reference as reference

ORIGIN = "adal.test/intake"
KEY = SigningKey.from_seed(bytes(range(32)))
LOG = VerifierKey(ORIGIN, KEY.verify_key)
WITNESS_KEYS = [SigningKey.from_seed(bytes([seed] * 32)) for seed in (1, 2, 3)]
WITNESSES = [VerifierKey(f"w{n}.test", key.verify_key, COSIGNATURE) for n, key in enumerate(WITNESS_KEYS)]

# As in use: 32 random bytes (here: counted) and the leaf of a record.
EXTRAS = [bytes([n % 256, n // 256]) * 16 for n in range(300)]
ENTRIES = [extra + reference.leaf(extra) for extra in EXTRAS]
LEAVES = [tlog.record_hash(entry) for entry in ENTRIES]
FILES = tlog.tiles_for_append(0, LEAVES, lambda *_: b"")
HEAD = tlog.Checkpoint(ORIGIN, 300, reference.mth(LEAVES))
NOTE = tlog.sign_checkpoint(HEAD, KEY)
ROOT_LINE = b64encode(HEAD.root).decode()


def read_tile(level: int, index: int, width: int) -> bytes:
    return FILES[tlog.TileId(level, index, width)]


def witnessed(note: str, count: int) -> str:
    for number in range(count):
        note = cosign(note, f"w{number}.test", WITNESS_KEYS[number], 1_700_000_000 + number)
    return note


PROOF = tlog.make_proof(70, NOTE, read_tile, EXTRAS[70])


def test_a_checkpoint_is_origin_size_and_root():
    assert HEAD.to_text() == f"{ORIGIN}\n300\n{ROOT_LINE}\n"
    assert NOTE.startswith(f"{ORIGIN}\n300\n{ROOT_LINE}\n\n— {ORIGIN} ")
    assert tlog.open_checkpoint(NOTE, LOG) == HEAD


def test_the_checkpoint_of_the_standard_parses():
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = tlog.Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == (
        "example.com/behind-the-sofa",
        20852163,
        (),
    )
    assert checkpoint.to_text() == text


def test_extension_lines_are_kept():
    checkpoint = tlog.Checkpoint(ORIGIN, 0, tlog.EMPTY_ROOT, ("one", "two words"))
    assert tlog.open_checkpoint(tlog.sign_checkpoint(checkpoint, KEY), LOG) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n300\n",
        f"{ORIGIN}\n300\n{ROOT_LINE}",
        f"\n300\n{ROOT_LINE}\n",
        f"{ORIGIN}\n\n{ROOT_LINE}\n",
        f"{ORIGIN}\n0300\n{ROOT_LINE}\n",
        f"{ORIGIN}\n+300\n{ROOT_LINE}\n",
        f"{ORIGIN}\n-1\n{ROOT_LINE}\n",
        f"{ORIGIN}\n3_0\n{ROOT_LINE}\n",
        f"{ORIGIN}\n٣\n{ROOT_LINE}\n",
        f"{ORIGIN}\n 3\n{ROOT_LINE}\n",
        f"{ORIGIN}\n9223372036854775808\n{ROOT_LINE}\n",
        f"{ORIGIN}\n3\n{ROOT_LINE[:-1]}\n",
        f"{ORIGIN}\n3\nAAAA\n",
        f"{ORIGIN}\n3\n{ROOT_LINE}\n\n",
        f"{ORIGIN}\n3\n{ROOT_LINE}\n\nextension\n",
        f"{ORIGIN}\n3\n{'-' * 44}\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str):
    with pytest.raises(FormatError):
        tlog.Checkpoint.parse(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        tlog.Checkpoint("", 1, bytes(32)),
        tlog.Checkpoint("two\nlines", 1, bytes(32)),
        tlog.Checkpoint(ORIGIN, -1, bytes(32)),
        tlog.Checkpoint(ORIGIN, 2**63, bytes(32)),
        tlog.Checkpoint(ORIGIN, 1, bytes(31)),
        tlog.Checkpoint(ORIGIN, 1, bytes(32), ("",)),
    ],
)
def test_impossible_checkpoints_are_not_signed(checkpoint: tlog.Checkpoint):
    with pytest.raises(FormatError):
        tlog.sign_checkpoint(checkpoint, KEY)


def test_another_logs_checkpoint_is_refused():
    # Signed with the right key and name, but the text speaks for another log.
    text = tlog.Checkpoint("other.test/log", 300, HEAD.root).to_text()
    with pytest.raises(Refused):
        tlog.open_checkpoint(sign_note(text, ORIGIN, KEY), LOG)


def test_a_checkpoint_without_the_logs_signature_is_refused():
    by_witness = sign_note(HEAD.to_text(), "w0.test", WITNESS_KEYS[0])
    with pytest.raises(BadSignature):
        tlog.open_checkpoint(by_witness, LOG, [VerifierKey("w0.test", WITNESS_KEYS[0].verify_key)])


def test_a_quorum_counts_different_witnesses():
    assert tlog.open_checkpoint(witnessed(NOTE, 2), LOG, WITNESSES, 2) == HEAD
    twice = cosign(witnessed(NOTE, 1), "w0.test", WITNESS_KEYS[0], 1_800_000_000)
    unknown = cosign(witnessed(NOTE, 1), "w9.test", WITNESS_KEYS[1], 1_800_000_000)
    for note in (NOTE, witnessed(NOTE, 1), twice, unknown):
        with pytest.raises(Refused):
            tlog.open_checkpoint(note, LOG, WITNESSES, 2)


def test_the_log_is_not_its_own_witness():
    own = VerifierKey(ORIGIN, WITNESS_KEYS[0].verify_key, COSIGNATURE)
    with pytest.raises(Refused):
        tlog.open_checkpoint(cosign(NOTE, ORIGIN, WITNESS_KEYS[0], 5), LOG, [own], 1)
    note = cosign(sign_note(HEAD.to_text(), "x.test", KEY), ORIGIN, WITNESS_KEYS[0], 5)
    with pytest.raises(BadSignature):
        tlog.open_checkpoint(note, LOG, [own])


def test_a_proof_file_has_the_lines_of_the_standard():
    lines = PROOF.to_text().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + b64encode(EXTRAS[70]).decode()
    assert lines[2] == "index 70"
    assert lines[3:12] == [b64encode(one).decode() for one in reference.path(70, LEAVES)]
    assert lines[12] == ""
    assert "\n".join(lines[13:]) == NOTE


@pytest.mark.parametrize("index", [0, 1, 255, 256, 298, 299])
def test_a_proof_shows_its_entry_and_no_other(index: int):
    proof = tlog.LogProof.parse(tlog.make_proof(index, NOTE, read_tile, EXTRAS[index]).to_text())
    assert proof.extra is not None
    assert proof.check(proof.extra + reference.leaf(EXTRAS[index]), LOG) == HEAD
    with pytest.raises(Refused):
        proof.check(ENTRIES[index - 1], LOG)


def test_a_proof_of_a_log_with_one_entry_has_no_hashes():
    head = tlog.Checkpoint(ORIGIN, 1, LEAVES[0])
    proof = tlog.make_proof(0, tlog.sign_checkpoint(head, KEY), lambda *_: LEAVES[0])
    assert "\nindex 0\n\n" in proof.to_text()
    assert tlog.LogProof.parse(proof.to_text()).check(ENTRIES[0], LOG) == head


def test_a_proof_carries_the_witnesses():
    proof = tlog.make_proof(3, witnessed(NOTE, 2), read_tile)
    assert proof.check(ENTRIES[3], LOG, WITNESSES, 2) == HEAD
    with pytest.raises(Refused):
        proof.check(ENTRIES[3], LOG, WITNESSES, 3)


def test_no_proof_is_made_from_damaged_tiles_or_for_missing_entries():
    def damaged(level: int, index: int, width: int) -> bytes:
        tile = read_tile(level, index, width)
        return tile if level else bytes(32) + tile[32:]

    with pytest.raises(Refused):
        tlog.make_proof(1, NOTE, damaged)
    for index in (-1, 300):
        with pytest.raises(Refused):
            tlog.make_proof(index, NOTE, read_tile)


def test_a_proof_under_another_key_is_refused():
    other = VerifierKey(ORIGIN, WITNESS_KEYS[0].verify_key)
    with pytest.raises(BadSignature):
        PROOF.check(ENTRIES[70], other)


def test_two_signed_histories_convict_the_log():
    forked = [*LEAVES[:120], bytes(32), *LEAVES[121:]]
    later = tlog.Checkpoint(ORIGIN, 300, reference.mth(forked))
    seen = tlog.Checkpoint(ORIGIN, 150, reference.mth(LEAVES[:150]))
    for head in (seen, later):
        assert tlog.open_checkpoint(tlog.sign_checkpoint(head, KEY), LOG) == head
    with pytest.raises(Refused):
        tlog.check_consistency(seen.size, seen.root, later.size, later.root, reference.proof(150, forked))


TEXT = PROOF.to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 70", "index 070"),
        TEXT.replace("index 70", "index"),
        TEXT.replace("index 70", "Index 70"),
        TEXT.replace("index 70\n", ""),
        TEXT.replace("extra ", "extra  "),
        TEXT.replace("extra ", "other "),
        TEXT.replace("\nindex", "\nextra AAAA\nindex"),
        TEXT.replace("\n\n", "\n", 1),
        TEXT.replace("\n", "\r\n"),
        "\n" + TEXT,
        TEXT + "\n",
        TEXT[:-1],
        TEXT.replace("index 70\n", "index 70\n\n"),
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nindex 0\n" + (ROOT_LINE + "\n") * 64 + "\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + HEAD.to_text(),
        "c2sp.org/tlog-proof@v1\nextra " + b64encode(bytes(65537)).decode() + "\nindex 0\n\n" + NOTE,
    ],
)
def test_malformed_proofs_are_refused(text: str):
    with pytest.raises(FormatError):
        tlog.LogProof.parse(text)


@pytest.mark.parametrize(
    "proof",
    [
        tlog.LogProof(-1, (), NOTE),
        tlog.LogProof(0, (bytes(31),), NOTE),
        tlog.LogProof(0, (), NOTE, b""),
        tlog.LogProof(0, (), "not a note"),
    ],
)
def test_impossible_proofs_are_not_written(proof: tlog.LogProof):
    with pytest.raises(FormatError):
        proof.to_text()


def test_every_changed_character_of_a_proof_is_refused():
    start = TEXT.index("index")  # what comes before is the extra line, which nothing authenticates
    for at in range(start, len(TEXT)):
        changed = TEXT[:at] + chr(ord(TEXT[at]) ^ 1) + TEXT[at + 1 :]
        with pytest.raises(CryptoError):
            tlog.LogProof.parse(changed).check(ENTRIES[70], LOG)


@settings(max_examples=100, deadline=None)
@given(st.integers(TEXT.index("index"), len(TEXT) - 1), st.text(max_size=3), st.integers(0, 50))
def test_any_edit_of_a_proof_is_refused_cleanly(at: int, new: str, drop: int):
    edited = TEXT[:at] + new + TEXT[at + drop :]
    if edited != TEXT:
        with pytest.raises(CryptoError):
            tlog.LogProof.parse(edited).check(ENTRIES[70], LOG)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123 \n=Ab", max_size=60) | st.text(max_size=60))
def test_any_text_as_checkpoint_or_proof_is_refused_cleanly(text: str):
    with pytest.raises(CryptoError):
        tlog.LogProof.parse(text)
    with pytest.raises(CryptoError):
        tlog.LogProof.parse("c2sp.org/tlog-proof@v1\n" + text)
    with pytest.raises(CryptoError):
        tlog.Checkpoint.parse(text)


def test_reexported_names_are_all_there():
    assert all(hasattr(tlog, name) for name in tlog.__all__)
