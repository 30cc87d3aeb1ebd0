"""One key, one request, one answer; the table alone gives nothing away."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, text

from services.kit import idempotency
from services.kit.idempotency import IdempotencyKey, idempotency_key
from services.kit.problems import Invalid, Malformed

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
KEYS = Table(
    "idempotency_keys",
    MetaData(schema="sample"),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
    Column("expires", DateTime(timezone=True), nullable=False),
)
KEY = IdempotencyKey(b"k" * 32)
OTHER = IdempotencyKey(b"o" * 32)


async def ask(state: SimpleNamespace, key: IdempotencyKey, body: bytes, answer: bytes) -> tuple[bool, bytes]:
    """What a route does: (whether it is a repetition, the answer)."""
    async with state.engine.begin() as conn:
        known = await idempotency.claim(conn, KEYS, key, key.fingerprint("sample", body), NOW)
        if known is not None:
            return True, known
        await asyncio.sleep(0.01)
        await idempotency.finish(conn, KEYS, key, answer)
    return False, answer


async def test_the_first_request_is_new_and_the_next_gets_its_answer(state: SimpleNamespace) -> None:
    assert await ask(state, KEY, b"body", b"first") == (False, b"first")
    assert await ask(state, KEY, b"body", b"second") == (True, b"first")
    assert await ask(state, OTHER, b"body", b"third") == (False, b"third")


async def test_another_body_or_operation_under_a_used_key_is_refused(state: SimpleNamespace) -> None:
    await ask(state, KEY, b"body", b"answer")
    for operation, body in (("sample", b"another"), ("other", b"body"), ("sample", b"")):
        async with state.engine.begin() as conn:
            with pytest.raises(Invalid):
                await idempotency.claim(conn, KEYS, KEY, KEY.fingerprint(operation, body), NOW)


async def test_of_many_at_once_one_does_the_work(state: SimpleNamespace) -> None:
    results = await asyncio.gather(*(ask(state, KEY, b"body", b"%d" % i) for i in range(16)))
    assert sum(not repeated for repeated, _ in results) == 1
    assert len({answer for _, answer in results}) == 1


async def test_a_request_that_failed_leaves_its_key_free(state: SimpleNamespace) -> None:
    async with state.engine.connect() as conn:
        await idempotency.claim(conn, KEYS, KEY, KEY.fingerprint("sample", b"body"), NOW)
        await conn.rollback()
    assert await ask(state, KEY, b"another", b"answer") == (False, b"answer")


async def test_a_refusal_that_was_committed_is_no_answer(state: SimpleNamespace) -> None:
    async with state.engine.begin() as conn:
        await idempotency.claim(conn, KEYS, KEY, KEY.fingerprint("sample", b"body"), NOW)
    with pytest.raises(Invalid):
        await ask(state, KEY, b"another", b"x")
    results = await asyncio.gather(*(ask(state, KEY, b"body", b"%d" % i) for i in range(6)))
    assert sum(not repeated for repeated, _ in results) == 1, "even then only one does the work"


async def test_the_table_does_not_give_the_answer_away(state: SimpleNamespace) -> None:
    answer = b"receipt 123412341234123412341234"
    await ask(state, KEY, b"body", answer)
    async with state.engine.connect() as conn:
        (row,) = (await conn.execute(text("SELECT * FROM sample.idempotency_keys"))).all()
    stored = row.key_hash + row.fingerprint + row.answer
    assert b"1234" not in stored
    assert KEY.secret not in stored
    assert KEY._box_key() not in stored
    assert row.key_hash == KEY.digest


async def test_an_answer_moved_to_another_key_does_not_open(state: SimpleNamespace) -> None:
    await ask(state, KEY, b"body", b"mine")
    await ask(state, OTHER, b"body", b"theirs")
    async with state.engine.begin() as conn:
        move = text(
            "UPDATE sample.idempotency_keys SET answer = (SELECT answer FROM sample.idempotency_keys "
            "WHERE key_hash = :mine) WHERE key_hash = :theirs"
        )
        await conn.execute(move, {"mine": KEY.digest, "theirs": OTHER.digest})
    with pytest.raises(ValueError, match="does not open"):
        await ask(state, OTHER, b"body", b"x")


async def test_answers_are_forgotten_after_a_day(state: SimpleNamespace) -> None:
    await ask(state, KEY, b"body", b"answer")
    async with state.engine.begin() as conn:
        expires = await conn.scalar(text("SELECT expires FROM sample.idempotency_keys"))
        assert expires == datetime(2026, 11, 25, 13, tzinfo=UTC), (
            "the minute of a filing is nobody's business"
        )
        assert await idempotency.forget(conn, KEYS, expires - timedelta(microseconds=1)) == 0
        assert await idempotency.forget(conn, KEYS, expires) == 1
    assert await ask(state, KEY, b"another", b"new") == (False, b"new")


@pytest.mark.parametrize("value", [None, "", "a" * 21, "a" * 65, "a" * 21 + "=", "a" * 22 + "\n", "ä" * 22])
async def test_a_key_of_another_form_is_refused(value: str | None) -> None:
    with pytest.raises(Malformed):
        await idempotency_key(value)


@pytest.mark.parametrize("value", ["a" * 22, "A-_9" * 16])
async def test_a_key_of_22_to_64_url_safe_characters_is_taken(value: str) -> None:
    assert (await idempotency_key(value)).secret == value.encode()


@given(st.binary(max_size=64), st.binary(max_size=64), st.text("ab|", max_size=4), st.text("ab|", max_size=4))
def test_fingerprints_differ_as_requests_do(one: bytes, two: bytes, here: str, there: str) -> None:
    same = (one, here) == (two, there)
    assert (KEY.fingerprint(here, one) == KEY.fingerprint(there, two)) is same
    assert KEY.fingerprint(here, one) != OTHER.fingerprint(here, one), (
        "keyed: it cannot be guessed from a short text"
    )
