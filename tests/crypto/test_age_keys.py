"""Keys have one text form, secrets stay out of repr, and stanzas of the wrong shape are refused."""

import copy
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age, bech32
from services.crypto.age_header import Stanza
from services.crypto.errors import FormatError, Refused, WrongKey

SEEDS = st.binary(min_size=32, max_size=32)
SETTINGS = settings(max_examples=50, deadline=None)
KINDS = [age.HybridIdentity, age.X25519Identity]
FILE_KEY = bytes(range(16))
LOW_ORDER = bytes(32)
PHRASE = age.Passphrase("four invented words here", log_n=4)


@SETTINGS
@given(SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_text_forms_give_the_same_keys_back(kind: type[age.HybridIdentity], seed: bytes) -> None:
    identity = kind.from_seed(seed)
    assert identity.seed == seed
    assert kind.parse(str(identity)) == identity
    assert type(identity.recipient).parse(str(identity.recipient)) == identity.recipient
    assert hash(type(identity.recipient).parse(str(identity.recipient))) == hash(identity.recipient)


def test_text_forms_have_the_prefixes_of_the_format() -> None:
    hybrid, classical = age.HybridIdentity.generate(), age.X25519Identity.generate()
    assert str(hybrid).startswith("AGE-SECRET-KEY-PQ-1")
    assert str(classical).startswith("AGE-SECRET-KEY-1")
    assert str(hybrid.recipient).startswith("age1pq1")
    assert len(str(hybrid.recipient)) == 1959
    assert str(classical.recipient).startswith("age1")
    assert len(str(classical.recipient)) == 62


def test_generated_identities_differ_and_compare_by_value() -> None:
    first, second = age.HybridIdentity.generate(), age.HybridIdentity.generate()
    assert first != second
    assert first.recipient != second.recipient
    assert first == age.HybridIdentity.from_seed(first.seed)
    assert len({first, age.X25519Identity.from_seed(first.seed)}) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_repr_hides_the_secret(kind: type[age.HybridIdentity]) -> None:
    identity = kind.generate()
    _ = identity.recipient
    shown = repr(identity) + repr([identity])
    assert identity.seed.hex() not in shown
    assert repr(identity.seed) not in shown
    assert str(identity) not in shown
    assert PHRASE.text not in repr(PHRASE)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_case_prefix_or_checksum_is_refused(kind: type[age.HybridIdentity]) -> None:
    identity = kind.generate()
    secret, public = str(identity), str(identity.recipient)
    for bad in (secret.lower(), secret.title(), secret + "\n", " " + secret, secret[:-1], public, ""):
        with pytest.raises(FormatError):
            kind.parse(bad)
    for bad in (public.upper(), public.title(), public + "\n", " " + public, public[:-1], secret, ""):
        with pytest.raises(FormatError):
            type(identity.recipient).parse(bad)


def test_one_kind_of_key_is_not_taken_for_the_other() -> None:
    hybrid, classical = age.HybridIdentity.generate(), age.X25519Identity.generate()
    with pytest.raises(FormatError):
        age.HybridIdentity.parse(str(classical))
    with pytest.raises(FormatError):
        age.X25519Identity.parse(str(hybrid))
    with pytest.raises(FormatError):
        age.HybridRecipient.parse(str(classical.recipient))
    with pytest.raises(FormatError):
        age.X25519Recipient.parse(str(hybrid.recipient))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seed_of_another_length_is_refused(size: int) -> None:
    for kind in KINDS:
        with pytest.raises(FormatError):
            kind.from_seed(bytes(size))
        with pytest.raises(FormatError):
            kind.parse(bech32.encode(kind.HRP, bytes(size)).upper())


def test_recipients_that_are_not_keys_are_refused() -> None:
    key = age.HybridIdentity.generate().recipient.key
    for bad in (key[:-1], key + b"\0", key[:1184] + LOW_ORDER, b"\xff" * 1184 + key[1184:], b""):
        with pytest.raises(FormatError):
            age.HybridRecipient(bad)
    for bad in (LOW_ORDER, bytes([1]) + bytes(31), bytes(31), bytes(33)):
        with pytest.raises(FormatError):
            age.X25519Recipient(bad)


def test_hybrid_key_is_the_seed_expanded_by_shake256() -> None:
    # docs/sealing-format.md and C2SP: ML-KEM seed of 64 bytes, then the X25519 secret.
    identity = age.HybridIdentity.from_seed(bytes(32))
    x25519 = age.X25519Identity.from_seed(hashlib.shake_256(bytes(32)).digest(96)[64:])
    assert identity.recipient.key[1184:] == x25519.recipient.key


@pytest.mark.parametrize("key", [age.HybridIdentity.generate(), age.X25519Identity.generate(), PHRASE])
def test_wrap_gives_the_file_key_to_its_own_identity_only(
    key: age.HybridIdentity | age.X25519Identity | age.Passphrase,
) -> None:
    recipient = key if isinstance(key, age.Passphrase) else key.recipient
    stanza = recipient.wrap(FILE_KEY)
    assert stanza.type == recipient.kind
    assert key.unwrap(stanza) == FILE_KEY
    assert recipient.wrap(FILE_KEY) != stanza
    others: list[age.Identity] = [age.HybridIdentity.generate(), age.X25519Identity.generate()]
    others.append(age.Passphrase("another", log_n=4))
    assert [other.unwrap(stanza) for other in others] == [None, None, None]


@pytest.mark.parametrize("kind", KINDS)
def test_stanza_of_the_wrong_shape_is_malformed_rather_than_somebody_elses(
    kind: type[age.HybridIdentity],
) -> None:
    identity = kind.generate()
    good = identity.recipient.wrap(FILE_KEY)
    (arg,) = good.args
    for args in ((), (arg, arg), (arg[:-4],), (arg + "AAAA",), (arg[:-1] + "=",), ("",)):
        with pytest.raises(FormatError):
            identity.unwrap(Stanza(good.type, args, good.body))
    for body in (b"", good.body[:-1], good.body + b"\0"):
        with pytest.raises(FormatError):
            identity.unwrap(Stanza(good.type, good.args, body))


def test_a_flipped_bit_in_a_stanza_gives_no_key() -> None:
    for identity in (age.HybridIdentity.generate(), age.X25519Identity.generate()):
        good = identity.recipient.wrap(FILE_KEY)
        for place in range(32):
            body = bytearray(good.body)
            body[place] ^= 1 << place % 8
            assert identity.unwrap(Stanza(good.type, good.args, bytes(body))) is None


@pytest.mark.parametrize(
    "work", ["", "0", "01", "+4", "-4", "4 ", "4\n", "0x4", "1e1", "100", "٤", str(2**64 + 4)]
)
def test_other_spellings_of_the_work_factor_are_malformed(work: str) -> None:
    good = PHRASE.wrap(FILE_KEY)
    with pytest.raises(FormatError):
        PHRASE.unwrap(Stanza(good.type, (good.args[0], work), good.body))


def test_too_much_work_is_refused_before_it_is_done() -> None:
    good = PHRASE.wrap(FILE_KEY)
    for work in ("21", "22", "99"):
        with pytest.raises(Refused):
            PHRASE.unwrap(Stanza(good.type, (good.args[0], work), good.body))
    with pytest.raises(Refused):
        age.Passphrase("text", log_n=4, max_log_n=8).unwrap(Stanza(good.type, (good.args[0], "9"), good.body))


@pytest.mark.parametrize("log_n", [-1, 0, 21])
def test_passphrase_never_seals_what_it_could_not_open(log_n: int) -> None:
    with pytest.raises(Refused):
        age.Passphrase("text", log_n=log_n)


def test_passphrase_file_with_the_default_work_factor() -> None:
    phrase = age.Passphrase("adal invented phrase")
    file = age.encrypt(b"staff key", [phrase])
    assert b" 18\n" in file[:120]
    assert age.decrypt(file, [age.Passphrase("adal invented phrase")]) == b"staff key"
    with pytest.raises(WrongKey):
        age.decrypt(file, [age.Passphrase("adal invented phrase ")])


def test_recipient_can_be_copied_and_used_as_a_key() -> None:
    recipient = age.HybridIdentity.generate().recipient
    assert {recipient: 1}[age.HybridRecipient(recipient.key)] == 1
    assert copy.copy(recipient) == recipient
