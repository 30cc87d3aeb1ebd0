"""Twenty-four digits: slips are caught, manners of writing are forgiven, keys follow from them alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import receipts
from services.crypto.receipts import ReceiptError, damm, derive, format_receipt, new_receipt, parse_receipt
from tests.crypto.builders import RECEIPT

bounded = settings(max_examples=100, deadline=None)
RECEIPTS = st.text("0123456789", min_size=23, max_size=23).map(lambda digits: digits + str(damm(digits)))
SEPARATORS = st.text(
    " -\t\n\u00a0\u2009\u202f\u3000\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d\u200b\u2060\ufeff",
    max_size=3,
)


def reason(text: str):
    with pytest.raises(ReceiptError) as caught:
        parse_receipt(text)
    return caught.value.reason


def test_the_quasigroup_is_totally_anti_symmetric():
    table = receipts.DAMM
    digits = range(10)
    assert all(sorted(row) == list(digits) for row in table)
    assert all(sorted(column) == list(digits) for column in zip(*table, strict=True))
    assert all(table[x][x] == 0 for x in digits)
    assert all(
        table[table[c][x]][y] != table[table[c][y]][x]
        for c in digits
        for x in digits
        for y in digits
        if x != y
    )


def test_the_published_example():
    assert damm("572") == 4
    assert damm("5724") == 0


def test_new_receipts_are_valid_and_differ():
    made = {new_receipt() for _ in range(200)}
    assert len(made) == 200
    assert all(parse_receipt(receipt) == receipt for receipt in made)
    # Leading zeros are kept: among 200 a first digit misses one of ten with a chance of 10 * 0.9^200.
    assert {receipt[0] for receipt in made} == set("0123456789")


@bounded
@given(RECEIPTS)
def test_every_wrong_digit_is_caught(receipt: str):
    for place in range(24):
        for digit in "0123456789":
            if digit != receipt[place]:
                assert reason(receipt[:place] + digit + receipt[place + 1 :]) == "check"


@bounded
@given(RECEIPTS)
def test_every_swap_of_unequal_neighbours_is_caught(receipt: str):
    for place in range(23):
        one, two = receipt[place], receipt[place + 1]
        if one != two:
            assert reason(receipt[:place] + two + one + receipt[place + 2 :]) == "check"


@bounded
@given(RECEIPTS, st.lists(SEPARATORS, min_size=25, max_size=25))
def test_separators_of_every_kind_are_forgiven(receipt: str, separators: list[str]):
    text = (
        "".join(separator + digit for separator, digit in zip(separators, receipt, strict=False))
        + separators[-1]
    )
    assert parse_receipt(text) == receipt


@bounded
@given(RECEIPTS, st.sampled_from([0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7F6]))
def test_wide_and_mathematical_digits_are_forgiven(receipt: str, zero: int):
    assert parse_receipt("".join(chr(zero + int(digit)) for digit in receipt)) == receipt


@pytest.mark.parametrize(
    "text", ["", "1", RECEIPT[:-1], RECEIPT + "1", RECEIPT[:-1] + "O", RECEIPT + ".", "x" * 10**6]
)
def test_anything_that_is_not_24_digits_has_a_wrong_length(text: str):
    assert reason(text) == "length"


def test_digits_of_other_scripts_are_no_digits():
    assert reason(RECEIPT.replace("1", "\u0661")) == "length"


def test_the_error_says_nothing_of_the_input():
    wrong = RECEIPT[:-1] + "0"
    with pytest.raises(ReceiptError) as caught:
        parse_receipt(wrong)
    assert wrong[:4] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_it_is_shown_in_six_groups_of_four():
    shown = format_receipt(RECEIPT)
    assert [len(group) for group in shown.split(" ")] == [4] * 6
    assert parse_receipt(shown) == RECEIPT


def test_keys_follow_from_the_digits_alone():
    one, again, other = derive(RECEIPT), derive(format_receipt(RECEIPT)), derive(new_receipt())
    assert (one.lookup, one.identity.seed, one.signing.seed) == (
        again.lookup,
        again.identity.seed,
        again.signing.seed,
    )
    assert len({one.lookup, one.identity.seed, one.signing.seed}) == 3
    assert not {one.lookup, one.identity.seed, one.signing.seed} & {
        other.lookup,
        other.identity.seed,
        other.signing.seed,
    }


def test_keys_are_not_made_from_a_mistyped_receipt():
    with pytest.raises(ReceiptError):
        derive(RECEIPT[:-1] + "0")


def test_keys_do_not_show_themselves():
    assert repr(derive(RECEIPT)) == "ReceiptKeys(...)"
