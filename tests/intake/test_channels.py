"""Who files for others, under which channel, and who cannot: the door with access tokens."""

import uuid

import httpx2
import pytest

from services.crypto.canonical import b64u
from services.intake import rules
from services.intake.form import load_form
from tests.intake.builders import API, FIELDS, INBOX, Json, Sql, World, new_key, plain_body, problem

#: Role or scope -> channels under which it files.
SEATS = {
    "operator": {"phone-1424"},
    "desk": {"letter", "walk-in"},
    "lead": {"letter", "walk-in"},
    "client:calls": {"phone-1424"},
    "client:messages": {"bot", "egov"},
}
EVERY = sorted(item.code for item in load_form().lists["channels"].items)
OTHERS = ("investigator", "custodian", "administrator", "auditor", "certifier", "client:figures", "stranger")


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The door is shut: whoever has no token must solve a challenge."""
    monkeypatch.setenv("ADAL_INTAKE_CHALLENGE_COST", "1")
    return environment


def by(channel: str) -> Json:
    return {**FIELDS, "channel": channel}


async def file_plain(world: World, channel: str, **headers: str) -> httpx2.Response:
    return await world.post(f"{API}/reports", plain_body(fields=by(channel)), **headers)


async def file_sealed(world: World, channel: str, **headers: str) -> httpx2.Response:
    return await world.post(f"{API}/packages", world.seal(fields=by(channel)).to_json(), **headers)


def test_every_channel_belongs_to_somebody_and_no_seat_has_a_public_one() -> None:
    seats = set().union(*rules.CHANNELS.values())
    assert seats | rules.PUBLIC_CHANNELS == set(EVERY)
    assert not seats & rules.PUBLIC_CHANNELS
    assert {name: set(found) for name, found in rules.CHANNELS.items()} == SEATS


def test_several_roles_file_under_the_channels_of_each() -> None:
    assert rules.channels_of(["operator", "desk", "auditor"]) == {"phone-1424", "letter", "walk-in"}
    assert rules.channels_of(OTHERS) == frozenset()


@pytest.mark.parametrize("seat", SEATS)
async def test_a_seat_files_under_its_channels_without_a_challenge_and_under_no_other(
    world: World, seat: str, sql: Sql
) -> None:
    for channel in EVERY:
        for file in (file_plain, file_sealed):
            answer = await file(world, channel, **world.token(seat))
            if channel in SEATS[seat]:
                assert answer.status_code == 201, answer.text
            else:
                assert problem(answer) == (403, "channel"), channel
    stored = {channel for (channel,) in sql("SELECT channel FROM intake.reports")}
    assert stored == SEATS[seat]
    assert sql("SELECT count(*) FROM intake.spent_challenges") == [(0,)]


@pytest.mark.parametrize("role", OTHERS)
async def test_no_other_role_or_scope_files_for_anybody(world: World, role: str) -> None:
    for channel in ("phone-1424", "letter", "bot", "web", "api"):
        assert problem(await file_plain(world, channel, **world.token(role))) == (403, "forbidden")
        assert problem(await file_sealed(world, channel, **world.token(role))) == (403, "forbidden")
    opened = await world.http.post(f"{API}/drafts", json={"mode": "plain"}, headers=world.token(role))
    assert problem(opened) == (403, "forbidden")


async def test_a_token_that_does_not_hold_is_refused_and_not_taken_for_a_citizen(world: World) -> None:
    good = world.token("operator")["Authorization"]
    old = world.token("operator", iat=1, exp=200)["Authorization"]
    for value in (good[:-4] + "AAAA", old, good.replace("Bearer", "Basic"), "Bearer a.b", "Bearer ."):
        assert problem(await file_plain(world, "phone-1424", Authorization=value)) == (401, "unauthorised")
        assert problem(await file_plain(world, "web", Authorization=value)) == (401, "unauthorised")


@pytest.mark.parametrize("channel", sorted(set().union(*SEATS.values())))
async def test_a_citizen_cannot_pass_for_a_call_a_letter_or_a_bot(
    world: World, channel: str, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    """Not even with the door open, which asks for no challenge."""
    assert problem(await file_plain(world, channel)) == (403, "channel")
    assert problem(await file_sealed(world, channel)) == (403, "channel")
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]


async def test_a_citizen_without_a_token_still_pays(world: World) -> None:
    assert problem(await file_plain(world, "web")) == (403, "challenge")
    assert problem(await file_sealed(world, "web")) == (403, "challenge")


async def test_the_token_opens_no_inbox_without_a_challenge(world: World) -> None:
    """An operator who could guess codes for nothing would be a way around the door."""
    for path, body in (
        (f"{INBOX}/sessions", {"lookup": b64u(bytes(32))}),
        (f"{INBOX}/plain", {"receipt": "0" * 24}),
    ):
        for seat in SEATS:
            answer = await world.http.post(path, json=body, headers=world.token(seat))
            assert problem(answer) == (403, "challenge")


async def test_a_draft_carries_the_channel_of_who_opened_it_and_not_their_name(
    world: World, sql: Sql
) -> None:
    operator = str(uuid.uuid4())
    headers = world.token("operator", person=operator)
    for channel, status in (("web", 403), ("letter", 403), ("phone-1424", 201)):
        opened = await world.http.post(f"{API}/drafts", json={"mode": "plain"}, headers=headers)
        assert opened.status_code == 201, opened.text
        assert operator not in str(sql("SELECT row_to_json(d)::text FROM intake.drafts d"))
        bearer = {"Authorization": f"Bearer {opened.json()['draft']}"}
        assert (await file_plain(world, channel, **bearer)).status_code == status
    assert sql("SELECT channel FROM intake.reports") == [("phone-1424",)]


async def test_a_draft_of_a_citizen_stays_one_of_a_citizen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.app.state.context.door), "trusts", lambda *_: True)
    opened = await world.http.post(f"{API}/drafts", json={"mode": "sealed"})
    bearer = {"Authorization": f"Bearer {opened.json()['draft']}"}
    assert problem(await file_sealed(world, "phone-1424", **bearer)) == (403, "channel")
    assert (await file_sealed(world, "web", **bearer)).status_code == 201


async def test_an_access_token_is_no_secret_of_a_draft(world: World) -> None:
    headers = {**world.token("operator"), "Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    assert problem(await world.http.post(f"{API}/uploads", headers=headers)) == (401, "unauthorised")


async def test_a_repeated_filing_is_answered_again_and_stored_once(world: World, sql: Sql) -> None:
    body, key = world.seal(fields=by("phone-1424")).to_json(), new_key()
    first = await world.post(f"{API}/packages", body, key, **world.token("operator"))
    again = await world.post(f"{API}/packages", body, key, **world.token("operator"))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_nothing_of_the_operator_is_stored_with_a_report(world: World, sql: Sql) -> None:
    operator = str(uuid.uuid4())
    assert (
        await file_sealed(world, "phone-1424", **world.token("operator", person=operator))
    ).status_code == 201
    tables = sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'")
    for (table,) in tables:
        rows = str(sql(f"SELECT row_to_json(t)::text FROM intake.{table} t"))
        assert operator not in rows, table
        assert operator.replace("-", "") not in rows, table
