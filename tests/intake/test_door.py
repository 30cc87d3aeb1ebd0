"""The door: a proof of work is spent once, wherever it is shown, and grows dearer under pressure."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import altcha
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.canonical import b64u
from services.intake.door import ChallengeRefused, Door, Pressure
from services.intake.jobs import forget_expired
from tests.intake.builders import API, INBOX, Json, Sql, World, new_key, plain_body, problem

REPORTS = f"{API}/reports"
TOKEN = "token-of-the-contact-centre"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The door is shut: one iteration for each try, so that tests solve quickly."""
    channels = {"contact-centre": b64u(sha256(TOKEN.encode()).digest())}
    monkeypatch.setenv("ADAL_INTAKE_CHALLENGE_COST", "1")
    monkeypatch.setenv("ADAL_INTAKE_TRUSTED_CHANNELS", json.dumps(channels))
    return environment


def solve(challenge: Json) -> str:
    """The header value of a solved challenge."""
    found = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    assert found is not None
    return base64.b64encode(
        json.dumps({"challenge": challenge, "solution": found.to_dict()}).encode()
    ).decode()


async def challenge(world: World) -> Json:
    answer = await world.http.get(f"{API}/challenge")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    found: Json = answer.json()
    return found


async def solved(world: World) -> str:
    return solve(await challenge(world))


async def file(world: World, payload: str | None, key: str | None = None) -> httpx2.Response:
    headers = {} if payload is None else {"Adal-Challenge": payload}
    return await world.post(REPORTS, plain_body(), key, **headers)


async def test_nothing_is_filed_without_a_solved_challenge(world: World, sql: Sql) -> None:
    assert problem(await file(world, None)) == (403, "challenge")
    assert (await file(world, await solved(world))).status_code == 201
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_a_challenge_works_once(world: World) -> None:
    payload = await solved(world)
    assert (await file(world, payload)).status_code == 201
    assert problem(await file(world, payload)) == (403, "challenge")


async def test_of_many_at_once_with_one_challenge_exactly_one_passes(world: World, sql: Sql) -> None:
    payload = await solved(world)
    answers = await asyncio.gather(*(file(world, payload) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 7
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_one_challenge_is_spent_for_filing_and_inbox_alike(world: World) -> None:
    payload = await solved(world)
    filed = (await file(world, payload)).json()
    answer = await world.http.post(
        f"{INBOX}/plain", json={"receipt": filed["receipt"]}, headers={"Adal-Challenge": payload}
    )
    assert problem(answer) == (403, "challenge")


async def test_a_repeated_request_needs_no_second_challenge(world: World) -> None:
    payload, key = await solved(world), new_key()
    first = await file(world, payload, key)
    again = await file(world, payload, key)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_a_mistake_in_the_form_costs_no_challenge(world: World) -> None:
    payload = await solved(world)
    wrong = await world.post(REPORTS, plain_body(form="2020-01"), Adal_Challenge=payload)
    assert wrong.status_code == 422
    assert (await file(world, payload)).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{INBOX}/sessions", {"lookup": b64u(bytes(32))}),
        (f"{INBOX}/plain", {"receipt": "0" * 24}),
        (f"{INBOX}/plain/messages", {"receipt": "0" * 24, "text": "x"}),
        (f"{INBOX}/plain/identity", {"receipt": "0" * 24, "identity": {"name": "N"}}),
        (f"{INBOX}/plain/files", {"receipt": "0" * 24, "number": 1}),
        (f"{INBOX}/plain/code", {"receipt": "0" * 24}),
        (f"{INBOX}/plain/code/confirm", {"receipt": "0" * 24}),
    ],
)
async def test_each_guess_at_a_receipt_costs_a_challenge(world: World, path: str, body: Json) -> None:
    """A refusal that undid its transaction would give the challenge back, and guessing would be free."""
    assert problem(await world.post(path, body)) == (403, "challenge")
    payload = await solved(world)
    first = await world.post(path, body, Adal_Challenge=payload)
    second = await world.post(path, body, Adal_Challenge=payload)
    assert (problem(first), problem(second)) == ((404, "no-such-receipt"), (403, "challenge"))


async def test_reading_an_open_inbox_needs_no_challenge(world: World) -> None:
    report = world.seal()
    filed = await world.post(f"{API}/packages", report.to_json(), Adal_Challenge=await solved(world))
    assert filed.status_code == 201
    opened = await world.http.post(
        f"{INBOX}/sessions",
        json={"lookup": b64u(report.keys.lookup)},
        headers={"Adal-Challenge": await solved(world)},
    )
    headers = {"Authorization": f"Bearer {opened.json()['token']}"}
    assert (await world.inbox(headers))["reference"] == filed.json()["reference"]


async def test_an_expired_challenge_is_refused(world: World) -> None:
    world.at(-timedelta(minutes=21))
    payload = await solved(world)
    world.at(timedelta(0))
    assert problem(await file(world, payload)) == (403, "challenge")


def tampered(made: Json, **changes: Any) -> Json:
    return {**made, "parameters": {**made["parameters"], **changes}}


async def test_a_tampered_challenge_is_refused(world: World) -> None:
    made = await challenge(world)
    longer = made["parameters"]["expiresAt"] + 3600
    for forged in (
        tampered(made, expiresAt=longer),
        tampered(made, expiresAt=None),
        tampered(made, keyPrefix=""),
        tampered(made, nonce="00" * 16),
        tampered(made, cost=0),
        {**made, "signature": "00" * 32},
        {**made, "signature": made["signature"].upper()},
        {**made, "signature": None},
    ):
        document = {"challenge": forged, "solution": {"counter": 0, "derivedKey": ""}}
        try:
            payload = solve(forged)
        except (ValueError, TypeError):
            payload = base64.b64encode(json.dumps(document).encode()).decode()
        assert problem(await file(world, payload)) == (403, "challenge")
    assert (await file(world, solve(made))).status_code == 201


async def test_a_wrong_solution_is_refused_and_spends_nothing(world: World) -> None:
    made = await challenge(world)
    right = json.loads(base64.b64decode(solve(made)))
    right["solution"]["counter"] += 1
    wrong = base64.b64encode(json.dumps(right).encode()).decode()
    assert problem(await file(world, wrong)) == (403, "challenge")
    assert (await file(world, solve(made))).status_code == 201


async def test_a_challenge_of_another_installation_is_refused(world: World) -> None:
    foreign = Door(b"k" * 32, 1, {}).challenge(world.now())
    assert foreign is not None
    assert problem(await file(world, solve(foreign))) == (403, "challenge")


async def test_the_token_of_a_trusted_channel_opens_the_door(world: World, sql: Sql) -> None:
    trusted = await world.post(REPORTS, plain_body(), Adal_Channel=TOKEN)
    assert trusted.status_code == 201
    for wrong in ("another-token", "", TOKEN.upper(), "contact-centre"):
        assert problem(await world.post(REPORTS, plain_body(), Adal_Channel=wrong)) == (403, "challenge")
    assert sql("SELECT count(*) FROM intake.spent_challenges") == [(0,)]


async def test_spent_challenges_are_forgotten_once_they_have_expired(world: World, sql: Sql) -> None:
    await file(world, await solved(world))
    ((expires,),) = sql("SELECT expires FROM intake.spent_challenges")
    assert timedelta(minutes=19) < expires - world.now() <= timedelta(minutes=20)
    await forget_expired(world.app.state, expires)
    assert sql("SELECT count(*) FROM intake.spent_challenges") == [(1,)], "it is still good at this instant"
    await forget_expired(world.app.state, expires + timedelta(seconds=1))
    assert sql("SELECT count(*) FROM intake.spent_challenges") == [(0,)]


async def test_the_difficulty_rises_with_wrong_codes_and_falls_again(world: World) -> None:
    before = (await challenge(world))["parameters"]["cost"]
    for _ in range(10):
        answer = await world.http.post(
            f"{INBOX}/sessions", json={"lookup": b64u(bytes(32))}, headers={"Adal-Channel": TOKEN}
        )
        assert answer.status_code == 404
    assert (await challenge(world))["parameters"]["cost"] == before * 2
    world.at(timedelta(minutes=6))
    assert (await challenge(world))["parameters"]["cost"] == before


async def test_filings_raise_the_pressure_too(world: World) -> None:
    pressure: Pressure = world.app.state.context.door.pressure
    assert (await file(world, await solved(world))).status_code == 201
    assert len(pressure.filed) == 1
    pressure.filed.extend([world.now()] * 99)
    assert (await challenge(world))["parameters"]["cost"] == 2


def test_no_challenge_is_asked_at_difficulty_zero() -> None:
    assert Door(b"k" * 32, 0, {}).challenge(NOW) is None


def test_pressure_counts_the_last_five_minutes_only() -> None:
    pressure = Pressure()
    pressure.unknown.extend([NOW - timedelta(minutes=5, seconds=1)] * 50)
    pressure.filed.extend([NOW - timedelta(minutes=4)] * 100)
    assert pressure.level(NOW) == 1
    assert len(pressure.unknown) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["challenge", "solution", "parameters", "signature", "algorithm", "expiresAt", "cost"]
            ),
            inner,
            max_size=7,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(JSON | st.builds(lambda c, s: {"challenge": c, "solution": s}, JSON, JSON))
def test_any_other_payload_is_refused_and_never_breaks_the_door(document: Any) -> None:
    payload = base64.b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(ChallengeRefused):
        Door(b"k" * 32, 1, {}).verify(payload)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ChallengeRefused):
        Door(b"k" * 32, 1, {}).verify(text)


def test_known_shapes_of_junk_are_refused() -> None:
    parameters = {"algorithm": "PBKDF2/SHA-256", "nonce": "0", "salt": "0", "cost": 1}
    junk: list[Any] = [
        {"challenge": [], "solution": {}},
        {"challenge": "x", "solution": "y"},
        {"challenge": {"parameters": []}, "solution": {"counter": 0, "derivedKey": ""}},
        {
            "challenge": {"parameters": parameters, "signature": []},
            "solution": {"counter": 0, "derivedKey": ""},
        },
        {"challenge": {"parameters": {**parameters, "expiresAt": 1e400}, "signature": "x"}, "solution": 5},
        {"challenge": {"parameters": parameters, "signature": "x"}, "solution": []},
    ]
    for document in junk:
        with pytest.raises(ChallengeRefused):
            Door(b"k" * 32, 1, {}).verify(base64.b64encode(json.dumps(document).encode()).decode())
