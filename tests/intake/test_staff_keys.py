"""Certificates in the log, earlier directories, and which desk months are still needed."""

import json
from datetime import date, timedelta

import pytest

from services.crypto.canonical import b64u
from services.crypto.signatures import Signed
from services.intake.rules import months_of_grant
from tests.crypto.builders import identity, signer
from tests.intake.builders import API, STAFF, Sql, World, problem

pytestmark = pytest.mark.anyio


def logged(sql: Sql) -> list[dict[str, object]]:
    rows = sql("SELECT record FROM intake.log_records")
    return [record for (text,) in rows if (record := json.loads(text))["type"] == "certificate"]


async def test_a_complete_certificate_is_logged_once(world: World, sql: Sql):
    member = world.member("investigator")
    for _again in range(2):
        answer = await world.http.post(
            f"{STAFF}/certificates",
            json={"document": member.certificate.to_json()},
            headers=world.token("certifier"),
        )
        assert answer.status_code == 204, answer.text
    assert [record["certificate"] for record in logged(sql)] == [b64u(member.certificate.digest)]
    assert member.id not in json.dumps(logged(sql))


async def test_what_clients_refuse_is_not_logged(world: World, sql: Sql):
    good = world.member("investigator").certificate
    one = Signed(good.body, good.signatures[:1])
    twice = Signed(good.body, good.signatures[:1] * 2)
    swapped = Signed({**good.body, "person": world.member("desk").id}, good.signatures)
    expired = Signed({**good.body, "valid_until": "2020-01-01"}, good.signatures)
    for document in (one, twice, swapped, expired):
        answer = await world.http.post(
            f"{STAFF}/certificates", json={"document": document.to_json()}, headers=world.token("certifier")
        )
        assert problem(answer) == (422, "invalid")
    malformed: tuple[dict[str, object], ...] = ({}, {"body": {}}, {"body": [], "signatures": []})
    for spoilt in malformed:
        answer = await world.http.post(
            f"{STAFF}/certificates", json={"document": spoilt}, headers=world.token("certifier")
        )
        assert answer.status_code == 422
    assert logged(sql) == []


@pytest.mark.parametrize("role", ["administrator", "desk", "lead", "custodian", "auditor"])
async def test_only_certifiers_log_certificates(world: World, role: str):
    body = {"document": world.member("desk").certificate.to_json()}
    answer = await world.http.post(f"{STAFF}/certificates", json=body, headers=world.token(role))
    assert answer.status_code == 403


async def test_earlier_directories_stay_readable(world: World):
    second = world.next_directory()
    published = await world.http.post(
        f"{STAFF}/key-directory", json=second.to_json(), headers=world.token("administrator")
    )
    assert published.status_code == 201, published.text
    first = await world.http.get(f"{API}/key-directories/{world.directory.sequence}")
    assert Signed.from_json(first.json()).digest == world.directory.digest
    latest = await world.http.get(f"{API}/key-directories/{world.directory.sequence + 1}")
    assert Signed.from_json(latest.json()).digest == second.digest
    for nothing in (world.directory.sequence + 2, 1 << 40, 0):
        assert (await world.http.get(f"{API}/key-directories/{nothing}")).status_code in (404, 422)


async def test_a_report_keeps_its_month_until_the_desk_s_grant_is_gone(world: World, sql: Sql):
    await world.file_sealed()
    await world.file_plain()
    found = (await world.http.get(f"{STAFF}/desk-months", headers=world.token("lead"))).json()["items"]
    month = world.directory.desks[-1].month
    assert {"desk": "central", "month": month, "grants": 2} in found
    sql("DELETE FROM intake.grants")
    assert (await world.http.get(f"{STAFF}/desk-months", headers=world.token("lead"))).json() == {"items": []}
    refused = await world.http.get(f"{STAFF}/desk-months", headers=world.token("desk"))
    assert refused.status_code == 403


def test_the_first_days_of_a_month_may_belong_to_the_one_before():
    from services.crypto.directories import Desk

    desks = [
        Desk("central", month, identity(month).recipient, signer(month).verify_key)
        for month in ("2026-09", "2026-11", "2026-12")
    ]
    life = timedelta(hours=24)

    def months(day: date) -> set[str]:
        return months_of_grant(desks, "central", day, life)

    assert months(date(2026, 11, 15)) == {"2026-11"}
    assert months(date(2026, 12, 1)) == {"2026-11", "2026-12"}
    assert months(date(2026, 12, 4)) == {"2026-12"}
    assert months(date(2026, 11, 30)) == {"2026-11", "2026-12"}
    assert months(date(2026, 10, 15)) == {"2026-09"}
    assert months(date(2026, 8, 15)) == set()
    assert months_of_grant(desks, "other", date(2026, 11, 15), life) == set()
    assert months_of_grant(desks, "central", date(2026, 12, 8), timedelta(days=7)) == {"2026-11", "2026-12"}
