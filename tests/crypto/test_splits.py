"""A seat's key among the other seats: k rebuild it, fewer learn nothing of use, and nothing can be moved or swapped."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import canonical
from services.crypto.age import open_part, seal
from services.crypto.canonical import b64u
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, sign_document
from services.crypto.splits import (
    BadSubShare,
    Holder,
    Split,
    SplitKey,
    check_split,
    combine,
    open_share,
    parse_split,
    seal_share,
    split_key,
)
from services.crypto.staffkeys import GroupKey
from tests.crypto.builders import identity, signer

KEY = GroupKey("seat-2/2026H2", identity("seat 2"), signer("seat 2"))
NAMES = ("seat-1/2026H2", "seat-3/2026H2", "seat-4/2026H2", "seat-5/2026H2")
HOLDERS = [Holder(name, identity(name).recipient) for name in NAMES]


def made(k: int = 3, key: GroupKey = KEY) -> tuple[SplitKey, Split]:
    found = split_key(key, HOLDERS, k)
    assert key.signing is not None
    return found, check_split(found.document, key.id, key.identity.recipient, key.signing.verify_key)


def shares(found: SplitKey, split: Split, *names: str) -> dict[str, bytes]:
    return {name: open_share(found.files[name], identity(name), split, name) for name in names}


@pytest.mark.parametrize("names", [NAMES[:3], NAMES[1:], (NAMES[3], NAMES[0], NAMES[2])])
def test_any_k_rebuild_both_halves_of_the_key(names: tuple[str, ...]):
    found, split = made()
    key = combine(shares(found, split, *names), split)
    assert (key.id, key.identity.seed) == (KEY.id, KEY.identity.seed)
    assert key.signing is not None
    assert KEY.signing is not None
    assert key.signing.seed == KEY.signing.seed


@given(n=st.integers(2, 9), data=st.data())
@settings(max_examples=15, deadline=None)
def test_every_threshold_works(n: int, data: st.DataObject):
    k = data.draw(st.integers(2, n))
    holders = [Holder(f"seat-{i}/2027H1", identity(f"s{i}").recipient) for i in range(1, n + 1)]
    found = split_key(KEY, holders, k)
    split = parse_split(found.document)
    chosen = data.draw(st.permutations(holders))[:k]
    opened = {
        h.name: open_share(found.files[h.name], identity(f"s{h.name[5 : h.name.index('/')]}"), split, h.name)
        for h in chosen
    }
    assert combine(opened, split).identity.seed == KEY.identity.seed


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_other_numbers_than_k_are_refused(count: int):
    found, split = made()
    with pytest.raises(Refused):
        combine(shares(found, split, *NAMES[:count]), split)


def test_fewer_than_k_with_a_lowered_threshold_give_another_key():
    """Whoever pretends that two are enough gets something else, and is told so."""
    found, split = made()
    with pytest.raises(Refused):
        combine(shares(found, split, *NAMES[:2]), replace(split, k=2))


def test_a_false_sub_share_is_named():
    found, split = made()
    opened = shares(found, split, *NAMES[:3])
    opened[NAMES[1]] = bytes([opened[NAMES[1]][0] ^ 1]) + opened[NAMES[1]][1:]
    with pytest.raises(BadSubShare) as caught:
        combine(opened, split)
    assert caught.value.holder == NAMES[1]


def test_a_sub_share_of_another_holder_seat_or_half_year_is_refused():
    found, split = made()
    with pytest.raises(Refused):
        open_share(found.files[NAMES[0]], identity(NAMES[0]), split, NAMES[1])
    for other in ("seat-3/2026H2", "seat-2/2027H1"):
        moved, moved_split = made(key=replace(KEY, id=other)) if other not in NAMES else _of_seat_3()
        name = NAMES[0]
        with pytest.raises(Refused):
            open_share(moved.files[name], identity(name), split, name)
        with pytest.raises(Refused):
            check_split(moved.document, KEY.id, split.recipient, split.verify_key)
        assert moved_split.of == other


def _of_seat_3() -> tuple[SplitKey, Split]:
    key = GroupKey("seat-3/2026H2", identity("seat 3"), signer("seat 3"))
    found = split_key(key, [holder for holder in HOLDERS if holder.name != key.id], 2)
    return found, parse_split(found.document)


def test_a_sub_share_of_an_earlier_split_of_the_same_key_is_refused():
    old, _ = made()
    _, split = made()
    with pytest.raises(Refused):
        open_share(old.files[NAMES[0]], identity(NAMES[0]), split, NAMES[0])


def test_only_the_holder_opens_a_sub_share():
    found, split = made()
    with pytest.raises(WrongKey):
        open_share(found.files[NAMES[0]], identity(NAMES[1]), split, NAMES[0])


def test_a_released_sub_share_is_for_the_successor_alone():
    found, split = made()
    share = shares(found, split, NAMES[0])[NAMES[0]]
    released = seal_share(split, NAMES[0], share, identity("successor").recipient)
    assert open_share(released, identity("successor"), split, NAMES[0]) == share
    with pytest.raises(WrongKey):
        open_share(released, identity(NAMES[0]), split, NAMES[0])
    with pytest.raises(BadSubShare):
        seal_share(split, NAMES[1], share, identity("successor").recipient)


def test_a_statement_that_the_key_did_not_sign_is_refused():
    found, _ = made()
    stranger = sign_document("key-split", found.document.body, [signer("stranger")])
    for forged in (stranger, Signed(found.document.body, ())):
        with pytest.raises(BadSignature):
            parse_split(forged)
    with pytest.raises(BadSignature):
        parse_split(Signed({**found.document.body, "k": 2}, found.document.signatures))


def test_a_statement_of_somebody_else_s_key_under_this_seat_s_name_is_refused():
    """What a server would need: its own key on the seat, with sub-shares that fit."""
    mine = GroupKey(KEY.id, identity("server"), signer("server"))
    found = split_key(mine, HOLDERS, 3)
    assert parse_split(found.document).of == KEY.id
    assert KEY.signing is not None
    with pytest.raises(Refused):
        check_split(found.document, KEY.id, KEY.identity.recipient, KEY.signing.verify_key)


@pytest.mark.parametrize(
    "changes",
    [{"k": 1}, {"k": 5}, {"n": 5}, {"n": True}, {"v": 2}, {"holders": []}, {"of": ".x"}, {"of": 7}, {"more": 1},
     {"recipient": "age1pq1"}],
)  # fmt: skip
def test_a_malformed_statement_is_refused_even_when_signed(changes: dict[str, object]):
    found, _ = made()
    assert KEY.signing is not None
    with pytest.raises(CryptoError):
        parse_split(sign_document("key-split", {**found.document.body, **changes}, [KEY.signing]))


def test_a_holder_twice_in_a_statement_is_refused():
    found, _ = made()
    line = found.document.body["holders"][0]
    body = {**found.document.body, "holders": [line] * 4}
    assert KEY.signing is not None
    with pytest.raises(FormatError):
        parse_split(sign_document("key-split", body, [KEY.signing]))


@pytest.mark.parametrize(
    ("holders", "k"),
    [(HOLDERS, 1), (HOLDERS, 5), (HOLDERS[:1], 2), ([HOLDERS[0], HOLDERS[0]], 2),
     ([*HOLDERS, Holder(KEY.id, identity("other").recipient)], 2),
     ([*HOLDERS, Holder("seat-9/2026H2", KEY.identity.recipient)], 2)],
)  # fmt: skip
def test_impossible_holders_are_refused(holders: list[Holder], k: int):
    with pytest.raises(Refused):
        split_key(KEY, holders, k)


def test_a_key_that_cannot_sign_is_not_split():
    with pytest.raises(Refused):
        split_key(GroupKey(KEY.id, KEY.identity), HOLDERS, 2)


@pytest.mark.parametrize("name", ["holder", "of", "split", "type", "v"])
def test_every_member_of_a_sub_share_is_bound(name: str):
    found, split = made()
    held = identity(NAMES[0])
    document = canonical.loads(unframe(open_part(found.files[NAMES[0]], held), 1024))
    other = {"holder": NAMES[1], "of": "seat-9/2026H2", "split": b64u(bytes(32)), "type": "share", "v": 2}[
        name
    ]
    forged = seal(frame(canonical.dumps({**document, name: other}), 1024), [held.recipient])
    with pytest.raises(Refused):
        open_share(forged, held, split, NAMES[0])


def test_sub_shares_are_all_of_one_size():
    assert {len(data) for data in made()[0].files.values()} == {2683}
