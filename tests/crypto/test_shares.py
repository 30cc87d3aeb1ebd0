"""k custodians rebuild the identity key, fewer learn nothing, and whoever lies is named."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pyshamir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import shamir
from services.crypto.errors import Refused, WrongKey
from services.crypto.packages import open_identity
from services.crypto.shares import BadShare, combine, commitment, open_share, split_identity
from tests.crypto.builders import NAMED, identity, opened, reporter, sealed, seat_of, seed, world
from tests.crypto.forge import committed, opened_shares

bounded = settings(max_examples=60, deadline=None)
THRESHOLDS = st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(2, n)))


@bounded
@given(st.binary(min_size=1, max_size=40), THRESHOLDS, st.randoms(use_true_random=False))
def test_any_k_of_n_pieces_give_the_secret_to_an_independent_combiner(
    secret: bytes, threshold: tuple[int, int], random: Any
):
    n, k = threshold
    pieces = shamir.split(secret, n, k)
    chosen = random.sample(pieces, k)
    assert bytes(pyshamir.combine([bytearray(piece) for piece in chosen])) == secret
    assert shamir.combine(chosen) == secret


@bounded
@given(st.binary(min_size=16, max_size=32), THRESHOLDS)
def test_pieces_made_by_an_independent_splitter_are_combined(secret: bytes, threshold: tuple[int, int]):
    n, k = threshold
    pieces = [bytes(piece) for piece in pyshamir.split(secret, n, k)]
    assert shamir.combine(pieces[:k]) == secret


def test_k_minus_one_pieces_fit_every_secret():
    # 2 of 2 with a one-byte secret: for a fixed piece, each secret has exactly one partner line.
    seen = {shamir.split(b"\x00", 2, 2)[0][0] for _ in range(3000)}
    assert len(seen) > 250


def test_points_are_distinct_and_never_zero():
    for _ in range(50):
        points = [piece[-1] for piece in shamir.split(bytes(32), 255, 2)]
        assert sorted(points) == list(range(1, 256))


def test_two_splits_of_one_secret_share_nothing():
    assert not set(shamir.split(bytes(32), 5, 3)) & set(shamir.split(bytes(32), 5, 3))


@pytest.mark.parametrize(("n", "k"), [(3, 1), (3, 0), (2, 3), (1, 1), (256, 2)])
def test_an_impossible_threshold_is_refused(n: int, k: int):
    with pytest.raises(Refused):
        shamir.split(bytes(32), n, k)


def test_a_piece_with_x_zero_would_choose_the_secret_and_is_refused():
    honest = shamir.split(b"honest secret...", 3, 2)
    chosen = b"chosen by a liar" + b"\0"
    # The combiner of the library accepts it: this is the attack.
    assert bytes(pyshamir.combine([bytearray(chosen), bytearray(honest[0])])) == b"chosen by a liar"
    with pytest.raises(Refused):
        shamir.combine([chosen, honest[0]])


@pytest.mark.parametrize(
    "pieces", [[], [b"ab"], [b"ab", b"ab"], [b"ab", b"abc"], [b"a", b"b"], [b"", b""], [b"xa", b"ya"]]
)
def test_impossible_pieces_are_refused(pieces: list[bytes]):
    with pytest.raises(Refused):
        shamir.combine(pieces)


@pytest.mark.parametrize("seats", list(combinations((1, 2, 3), 2)))
def test_any_two_seats_open_the_identity(seats: tuple[int, ...]):
    key = combine(opened_shares(*seats), sealed().manifest)
    named = open_identity(
        sealed().parts[1].data, key, sealed().manifest, opened(sealed()).reporter_verify_key
    )
    assert named == NAMED


def test_a_false_share_is_named_by_its_seat():
    shares = opened_shares(1, 3)
    shares[3] = bytes(32) + shares[3][-1:]
    with pytest.raises(BadShare) as caught:
        combine(shares, sealed().manifest)
    assert caught.value.seat == 3


def test_a_wrong_key_is_refused_though_the_reporter_committed_to_its_shares():
    pieces = shamir.split(seed("another key"), 3, 2)
    shares = {1: pieces[0], 2: pieces[1]}
    with pytest.raises(Refused) as caught:
        combine(shares, committed(shares))
    assert caught.type is Refused


def test_a_seat_s_key_opens_its_own_share_only():
    with pytest.raises(WrongKey):
        open_share(sealed().shares[0].data, world().seats[1], 1, sealed().manifest)


def test_commitments_differ_by_report_seat_and_share():
    share = bytes(33)
    values = {
        commitment(seed("a"), 1, share),
        commitment(seed("b"), 1, share),
        commitment(seed("a"), 2, share),
        commitment(seed("a"), 1, share[:-1] + b"\x01"),
    }
    assert len(values) == 4


def test_every_share_file_has_one_size():
    assert len({len(share.data) for share in sealed().shares}) == 1


@pytest.mark.parametrize("numbers", [(1, 3), (2, 1), (0, 1), (1, 1), ()])
def test_seats_that_are_not_one_to_n_get_no_shares(numbers: tuple[int, ...]):
    seats = [replace(seat_of("seat", 1), seat=number) for number in numbers]
    with pytest.raises(Refused):
        split_identity(identity("x"), seed("rid"), seats, 2, 1)


def test_the_reporter_s_receipt_opens_no_share():
    with pytest.raises(WrongKey):
        open_share(sealed().shares[0].data, reporter().identity, 1, sealed().manifest)
