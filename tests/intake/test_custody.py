"""Identity requests at the service: who may do what, in which order, and what is never handed out."""

import json
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.accounts import Role
from services.crypto.canonical import b64, b64u, unb64, unb64u
from services.crypto.custody import open_reason, open_release
from services.crypto.packages import open_identity
from services.crypto.promises import leaf_hash
from services.crypto.receipts import new_receipt
from services.crypto.shares import combine
from services.intake import rules
from services.intake.custody_data import grounds
from services.kit.clock import day_of
from services.kit.i18n import date_text
from tests.intake.builders import API, STAFF, Json, Sql, World, pointers, problem
from tests.intake.custodians import OPERATIONS, REQUESTS, WHY, Chamber, make_chamber, records
from tests.intake.pages import Visitor

NAMED = {"name": "Invented Reporter"}


@pytest.fixture
async def chamber(world: World) -> Chamber:
    return await make_chamber(world, identity=NAMED)


# --- the whole way


async def test_k_custodians_open_an_identity_and_every_step_is_logged(chamber: Chamber, sql: Sql) -> None:
    asked = await chamber.asked()
    assert await chamber.state(asked) == "open"
    assert (await chamber.decide(asked, 1)).json()["state"] == "open"
    assert (await chamber.decide(asked, 3)).json()["state"] == "approved"
    assert (await chamber.release(asked, 1)).json()["state"] == "approved"
    assert (await chamber.release(asked, 3)).json()["state"] == "released"
    assert (await chamber.undertake(asked)).status_code == 201
    answer = await chamber.open(asked)
    assert answer.status_code == 201
    assert await chamber.state(asked) == "opened"

    report = chamber.case.report
    shares = {
        line["seat"]: open_release(
            unb64(line["data"]),
            chamber.asker.identity,
            asked.checked,
            line["seat"],
            {chamber.world.directory.seats[line["seat"] - 1].verify_key},
        )
        for line in answer.json()["releases"]
    }
    key = combine(shares, report.manifest)
    assert open_identity(report.parts[1].data, key, report.manifest, report.keys.signing.verify_key) == NAMED

    kinds = ("identity-request", "identity-decision", "identity-release", "undertaking", "identity-opening")
    assert [len(records(sql, kind)) for kind in kinds] == [1, 2, 2, 1, 1]
    h, rid = b64u(asked.checked.digest), b64u(report.rid)
    assert {record["request"] for kind in kinds for record in records(sql, kind)} == {h}
    assert {record.get("rid") for record in records(sql, "identity-opening")} == {rid}


async def test_a_request_is_in_the_log_before_anybody_decides(chamber: Chamber) -> None:
    asked = await chamber.asked()
    found = (await chamber.read(asked, chamber.custodians[1])).json()
    record = {
        "day": found["day"], "request": b64u(asked.checked.digest), "rid": b64u(chamber.case.report.rid),
        "type": "identity-request", "v": 1,
    }  # fmt: skip
    leaf = leaf_hash(unb64u(found["salt"], 32), json.dumps(record, separators=(",", ":")).encode())
    proof = await chamber.world.http.get(f"{API}/log/proofs/{b64u(leaf)}")
    assert (found["published"], proof.status_code) == (True, 200)


async def test_an_extra_batch_is_padded_and_a_repeat_of_a_request_makes_none(
    chamber: Chamber, sql: Sql
) -> None:
    asked = await chamber.asked()
    [(before,)] = sql("SELECT count(*) FROM intake.log_entries")
    again = await chamber.send(asked)
    assert (again.status_code, again.json()["id"]) == (201, asked.id)
    assert sql("SELECT count(*) FROM intake.log_entries") == [(before,)]
    assert before % 256 == 0
    assert len(records(sql, "identity-request")) == 1


# --- who sees what


async def test_a_custodian_sees_ground_reason_coded_values_and_earlier_requests_only(
    chamber: Chamber,
) -> None:
    first = await chamber.asked()
    for seat in (1, 2):
        await chamber.decide(first, seat, approve=False)
    asked = await chamber.asked()
    found = (await chamber.read(asked, chamber.custodians[1])).json()
    assert set(found) == {
        "id", "request", "state", "ground", "deferral", "day", "expires", "approvals", "refusals", "releases", "k",
        "n", "reference", "document", "salt", "published", "fields", "reasons", "decisions", "earlier",
    }  # fmt: skip
    assert found["reference"] is None
    assert [(line["ground"], line["state"]) for line in found["earlier"]] == [("pre-trial", "refused")]
    reason = [unb64(data) for data in found["reasons"]]
    assert open_reason(reason, chamber.world.seat(2), asked.checked.request) == WHY
    text = json.dumps(found)
    assert chamber.case.reference not in text
    assert chamber.case.id not in text


async def test_a_custodian_s_list_tells_no_reference_and_no_case(chamber: Chamber) -> None:
    await chamber.asked()
    listed = await chamber.world.http.get(REQUESTS, headers=chamber.world.of(chamber.custodians[2]))
    assert set(listed.json()["items"][0]) == {
        "id", "request", "state", "ground", "deferral", "day", "expires", "approvals", "refusals", "releases", "k",
        "n", "reference",
    }  # fmt: skip
    assert chamber.case.reference not in listed.text
    for path in (f"{STAFF}/cases", chamber.case.path):
        answer = await chamber.world.http.get(path, headers=chamber.world.of(chamber.custodians[2]))
        assert problem(answer) == (403, "forbidden")


async def test_an_asker_lists_their_own_requests_and_an_auditor_all(chamber: Chamber) -> None:
    other = await make_chamber(chamber.world)
    mine, theirs = await chamber.asked(), await other.asked()

    async def listed(headers: dict[str, str]) -> set[str]:
        answer = await chamber.world.http.get(REQUESTS, headers=headers)
        return {line["id"] for line in answer.json()["items"]}

    world = chamber.world
    assert await listed(world.of(chamber.asker)) == {mine.id}
    assert await listed(world.token("auditor")) == {mine.id, theirs.id}
    assert await listed(world.of(chamber.custodians[1])) == {mine.id, theirs.id}
    assert await listed(world.token("lead")) == set()


async def test_the_list_goes_on_from_page_to_page(chamber: Chamber) -> None:
    made = {(await chamber.asked()).id for _ in range(3)}
    seen, cursor = [], ""
    for _ in range(3):
        answer = await chamber.world.http.get(
            f"{REQUESTS}?limit=1{cursor}", headers=chamber.world.token("auditor")
        )
        seen.append(answer.json()["items"][0]["id"])
        cursor = f"&cursor={answer.json()['next']}"
    assert (set(seen), answer.json()["next"]) == (made, None)


async def test_nobody_else_reads_a_request(chamber: Chamber) -> None:
    asked = await chamber.asked()
    for headers in (
        chamber.world.token("investigator"),
        chamber.world.token("lead"),
        chamber.world.token("desk"),
    ):
        assert problem(await chamber.world.http.get(asked.path, headers=headers)) == (404, "not-found")
    for role in ("auditor", "administrator", "operator", "certifier"):
        answer = await chamber.world.http.get(asked.path, headers=chamber.world.token(role))
        assert problem(answer) == (403, "forbidden")


@pytest.mark.parametrize("operation", sorted(rules.STEP_UP))
def test_what_hands_something_out_asks_for_a_fresh_proof(operation: str) -> None:
    assert operation in rules.ACCESS


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_route_serves_the_roles_of_its_rule_and_nobody_else(chamber: Chamber, operation: str) -> None:
    asked = await chamber.released(1, 2)
    method, path, body, stranger = OPERATIONS[operation]
    url = STAFF + path.format(asked.id)
    for role in Role:
        headers = chamber.world.token(role.value)
        answer = await chamber.world.http.request(method, url, json=body, headers=headers)
        allowed = role.value in rules.ACCESS[operation]
        # A custodian reads any request; everybody else only what they asked.
        good = 200 if (operation, role) == ("read_identity_request", Role.CUSTODIAN) else stranger
        assert answer.status_code == (good if allowed else 403), role
    for bare in ({}, chamber.world.token(), chamber.world.token("root", "*")):
        answer = await chamber.world.http.request(method, url, json=body, headers=bare)
        assert answer.status_code in (401, 403)
    assert await chamber.openings() == []


async def test_an_old_proof_of_oneself_is_not_enough(chamber: Chamber) -> None:
    asked, old = chamber.request(), int(chamber.world.now().timestamp()) - 301
    assert problem(await chamber.send(asked, stepped=old)) == (403, "step-up")
    asked = await chamber.released(1, 2)
    await chamber.undertake(asked)
    assert problem(await chamber.open(asked, stepped=old)) == (403, "step-up")
    assert await chamber.openings() == []


# --- asking


async def test_who_does_not_have_the_case_cannot_ask(chamber: Chamber) -> None:
    stranger = chamber.world.member("investigator")
    asked = chamber.request(by=stranger)
    assert problem(await chamber.send(asked, stranger)) == (404, "not-found")
    lead = chamber.world.member("lead")
    assert (await chamber.send(chamber.request(by=lead), lead)).status_code == 201


async def test_a_request_about_no_report_is_not_found(chamber: Chamber) -> None:
    lead = chamber.world.member("lead")
    assert problem(await chamber.send(chamber.request(by=lead, rid=bytes(32)), lead)) == (404, "not-found")


async def test_a_request_in_another_person_s_name_is_refused(chamber: Chamber) -> None:
    lead = chamber.world.member("lead")
    answer = await chamber.send(chamber.request(), lead)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/request/body/asker"})


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown ground": ({"ground": "curiosity"}, "/request/body/ground"),
    "too long": ({"expires": timedelta(days=15)}, "/request"),
    "expired": ({"expires": timedelta(seconds=-1)}, "/request"),
    "deferral of today": ({"deferral": timedelta(0)}, "/request/body/deferral"),
    "deferral for ever": ({"deferral": timedelta(days=181)}, "/request/body/deferral"),
    "reason of another request": ({"reason": (bytes(32),)}, "/reasons"),
    "of a later directory": ({"dir_seq": 1 << 20}, "/request"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_faulty_request_is_refused(chamber: Chamber, sql: Sql, name: str) -> None:
    changes, pointer = FAULTS[name]
    now = chamber.world.now().replace(microsecond=0)
    if isinstance(changes.get("expires"), timedelta):
        changes = {"expires": now + changes["expires"]}
    if isinstance(changes.get("deferral"), timedelta):
        changes = {"deferral": day_of(now) + changes["deferral"]}
    answer = await chamber.send(chamber.request(**changes))
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {pointer})
    assert sql("SELECT count(*) FROM intake.identity_requests") == [(0,)]
    assert not records(sql, "identity-request")


async def test_a_reason_that_leaves_a_seat_out_is_refused(chamber: Chamber) -> None:
    answer = await chamber.send(chamber.request(seats=chamber.world.directory.seats[:2]))
    assert pointers(answer) == {"/reasons"}


async def test_a_request_signed_with_another_key_is_refused(chamber: Chamber) -> None:
    stranger = chamber.world.member("investigator")
    answer = await chamber.send(chamber.request(key=stranger.signing))
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/request"})


async def test_an_id_names_one_request_for_ever(chamber: Chamber) -> None:
    asked = await chamber.asked()
    answer = await chamber.send(chamber.request(id=asked.id, ground="court"))
    assert problem(answer) == (409, "conflict")


# --- reference data


async def test_grounds_and_texts_come_in_three_languages_with_their_source(world: World) -> None:
    answer = await world.http.get(f"{STAFF}/identity-reference", headers=world.token("custodian"))
    found = answer.json()
    for line in found["grounds"]["grounds"]:
        assert set(line["labels"]) == {"kk", "ru", "en"}
        assert line["status"] != "confirmed" or line["source"] in found["grounds"]["sources"]
        assert line["status"] != "recalled" or "not confirmed" in line["note"]
    assert all("424" in text for text in found["undertaking"]["texts"].values())
    assert found["undertakings"][-1] == found["undertaking"]


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_the_plain_inbox_and_the_page_without_script_show_an_opening(
    world: World, language: str
) -> None:
    receipt = new_receipt()
    chamber = await make_chamber(world, receipt=receipt)
    asked = await chamber.released(1, 2)
    await chamber.undertake(asked)
    ground = (await chamber.open(asked)).json() and grounds().find("pre-trial")
    assert ground is not None
    [line] = (await world.plain_inbox(receipt))["openings"]
    assert (line["day"], line["ground"]) == (day_of(world.now()).isoformat(), "pre-trial")
    page = await Visitor(world, language).inbox(receipt)
    assert getattr(ground.labels, language) in page.words
    assert " ".join(date_text(day_of(world.now()), language).split()) in page.words


@pytest.mark.parametrize(
    "body", [{}, {"request": {}, "reasons": []}, {"request": {}, "reasons": [b64(b"x")]}]
)
async def test_malformed_bodies_are_problems(chamber: Chamber, body: Json) -> None:
    assert problem(await chamber.post(REQUESTS, body, chamber.asker)) == (422, "invalid")
