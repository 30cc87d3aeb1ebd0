"""Staff keys at rest open with their passphrase or their holder's key, and with nothing else."""

import math
from typing import Any

import pytest

from services.crypto import age, staffkeys
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey
from services.crypto.signatures import SigningKey
from services.crypto.staffkeys import (
    GroupKey,
    StaffKey,
    new_passphrase,
    unwrap_group_key,
    unwrap_staff_key,
    wrap_group_key,
    wrap_staff_key,
)
from tests.crypto.builders import identity, signer

KEY = StaffKey(identity("staff"), signer("staff"))
HOLDER = identity("holder")
FAST = 4


def same(one: StaffKey, two: StaffKey) -> bool:
    return (one.identity.seed, one.signing.seed) == (two.identity.seed, two.signing.seed)


def test_a_staff_key_comes_back():
    assert same(unwrap_staff_key(wrap_staff_key(KEY, "right words", FAST), "right words"), KEY)


def test_the_work_is_18_unless_said_otherwise():
    data = wrap_staff_key(KEY, "right words")
    assert data.split(b"\n")[1].endswith(b" 18")
    assert same(unwrap_staff_key(data, "right words"), KEY)


def test_a_wrong_passphrase_opens_nothing():
    with pytest.raises(WrongKey):
        unwrap_staff_key(wrap_staff_key(KEY, "right words", FAST), "right word")


def test_stock_age_would_read_it_as_an_identity_file():
    text = age.decrypt(wrap_staff_key(KEY, "x", FAST), [age.Passphrase("x")]).decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [str(KEY.identity)]


def test_fresh_keys_differ():
    assert not same(StaffKey.generate(), StaffKey.generate())


def test_a_passphrase_has_at_least_77_bits_and_is_easy_to_type():
    made = {new_passphrase() for _ in range(300)}
    assert len(made) == 300
    letters = {letter for passphrase in made for letter in passphrase.replace("-", "")}
    assert letters == set(staffkeys.LETTERS)
    assert not letters & set("ilouILOU")
    assert all(len(p.replace("-", "")) * math.log2(len(staffkeys.LETTERS)) >= 77 for p in made)


@pytest.mark.parametrize("signing", [None, signer("desk")])
def test_a_group_key_comes_back_for_its_member(signing: SigningKey | None):
    data = wrap_group_key(GroupKey("central/2026-11", identity("desk"), signing), HOLDER.recipient)
    key = unwrap_group_key(data, HOLDER)
    assert (key.id, key.identity) == ("central/2026-11", identity("desk"))
    assert (key.signing and key.signing.seed) == (signing and signing.seed)


def test_a_stranger_does_not_get_the_group_key():
    with pytest.raises(WrongKey):
        unwrap_group_key(
            wrap_group_key(GroupKey("a", identity("desk")), HOLDER.recipient), identity("stranger")
        )


@pytest.mark.parametrize("wrong", ["", "a b", "a\nb", "/a", "x" * 129])
def test_an_id_that_could_break_its_line_is_refused(wrong: Any):
    with pytest.raises(Refused):
        wrap_group_key(GroupKey(wrong, identity("desk")), HOLDER.recipient)


STAFF_TEXT = f"# adal/v1/staff-key\n# sign: {'A' * 43}\n{KEY.identity}\n"
GROUP_TEXT = f"# adal/v1/group-key\n# id: a\n{KEY.identity}\n"


def test_the_texts_that_are_spoiled_below_are_good():
    assert unwrap_staff_key(
        age.encrypt(STAFF_TEXT.encode(), [age.Passphrase("x", FAST)]), "x"
    ).signing.seed == bytes(32)
    assert unwrap_group_key(age.seal(GROUP_TEXT.encode(), [HOLDER.recipient]), HOLDER).id == "a"


def spoiled(text: str) -> list[str]:
    first, *rest = text.splitlines(keepends=True)
    return [
        "", "\n", text[:-1], text + "\n", first, "".join(rest), text.replace("v1", "v2"), text.replace("# ", "#"),
        text.replace("\n", "\r\n"), text.lower(), text.replace("AGE", "ҚGE"), text + text,
    ]  # fmt: skip


@pytest.mark.parametrize("text", spoiled(STAFF_TEXT))
def test_a_malformed_staff_key_is_refused(text: str):
    with pytest.raises(FormatError):
        unwrap_staff_key(age.encrypt(text.encode(), [age.Passphrase("x", FAST)]), "x")


@pytest.mark.parametrize("text", spoiled(GROUP_TEXT))
def test_a_malformed_group_key_is_refused(text: str):
    with pytest.raises(FormatError):
        unwrap_group_key(age.seal(text.encode(), [HOLDER.recipient]), HOLDER)


def test_a_group_key_under_a_passphrase_is_no_part():
    with pytest.raises(CryptoError):
        unwrap_group_key(age.encrypt(GROUP_TEXT.encode(), [age.Passphrase("x", FAST)]), HOLDER)


def test_nothing_secret_is_printed():
    group = GroupKey("a", identity("desk"), signer("desk"))
    for value in (KEY, group):
        assert "AGE-SECRET" not in repr(value)
        assert repr(value).endswith("(...)")
