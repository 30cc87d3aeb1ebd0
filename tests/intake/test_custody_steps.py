"""Deciding, releasing and opening: in which order, by whom, once; and what never adds up to an identity."""

import asyncio
from datetime import date, timedelta

import pytest

from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64, b64u
from services.crypto.custody import seal_release
from services.crypto.errors import CryptoError, Refused
from services.crypto.shares import combine, open_share
from services.intake import rules
from services.kit.clock import day_of
from tests.intake.builders import STAFF, Sql, World, a_grant, pointers, problem
from tests.intake.custodians import Asked, Chamber, make_chamber, records

NAMED = {"name": "Invented Reporter"}


@pytest.fixture
async def chamber(world: World) -> Chamber:
    return await make_chamber(world, identity=NAMED)


# --- deciding


async def test_refusals_close_a_request_when_k_cannot_be_reached_any_more(chamber: Chamber) -> None:
    asked = await chamber.approved(1)
    assert (await chamber.decide(asked, 2, approve=False)).json()["state"] == "open"
    assert (await chamber.decide(asked, 3, approve=False)).json()["state"] == "refused"
    for seat in (1, 2, 3):
        assert problem(await chamber.share(asked, seat)) == (409, "conflict")


@pytest.mark.parametrize(
    ("n", "k", "approvals", "refusals", "state"),
    [
        (3, 2, 0, 0, "open"), (3, 2, 1, 1, "open"), (3, 2, 2, 0, "approved"), (3, 2, 0, 2, "refused"),
        (5, 3, 2, 2, "open"), (5, 3, 2, 3, "refused"), (5, 3, 3, 2, "approved"), (3, 3, 2, 1, "refused"),
    ],
)  # fmt: skip
def test_the_count_of_decisions(n: int, k: int, approvals: int, refusals: int, state: str) -> None:
    assert rules.after_decision(k, n, approvals, refusals) == state


async def test_a_seat_or_a_person_decides_once(chamber: Chamber) -> None:
    asked = await chamber.approved(1)
    assert problem(await chamber.decide(asked, 1, approve=False)) == (409, "conflict")
    assert problem(await chamber.decide(asked, 1, chamber.custodians[2])) == (409, "conflict")
    assert problem(await chamber.decide(asked, 2, chamber.custodians[1])) == (409, "conflict")
    assert await chamber.state(asked) == "open"


async def test_the_same_decision_again_is_the_same_decision(chamber: Chamber, sql: Sql) -> None:
    asked = await chamber.asked()
    answers = [await chamber.decide(asked, 1) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json()["approvals"] for answer in answers] == [1, 1]
    assert len(records(sql, "identity-decision")) == 1


async def test_decisions_at_once_count_one_by_one(chamber: Chamber) -> None:
    asked = await chamber.asked()
    answers = await asyncio.gather(*(chamber.decide(asked, seat) for seat in (1, 2, 3)))
    assert {answer.status_code for answer in answers} == {201}
    assert (await chamber.read(asked)).json()["approvals"] == 3


async def test_a_decision_without_the_seat_s_key_is_refused(chamber: Chamber) -> None:
    asked, by = await chamber.asked(), chamber.custodians[1]
    for keys in (
        (by.signing, by.signing),
        (chamber.seat_key(2), by.signing),
        (chamber.seat_key(1), chamber.seat_key(1)),
        (chamber.seat_key(1), chamber.custodians[2].signing),
    ):
        answer = await chamber.decide(asked, 1, keys=keys)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/decision"})
    assert await chamber.state(asked) == "open"


async def test_a_decision_in_another_person_s_name_or_about_another_request_is_refused(
    chamber: Chamber,
) -> None:
    asked, other = await chamber.asked(), await chamber.asked()
    doc = chamber.decision(asked, 1).to_json()
    answer = await chamber.post(f"{asked.path}/decisions", {"decision": doc}, chamber.custodians[2])
    assert pointers(answer) == {"/decision/body/custodian"}
    answer = await chamber.post(f"{other.path}/decisions", {"decision": doc}, chamber.custodians[1])
    assert pointers(answer) == {"/decision"}


async def test_an_approval_without_the_deferral_is_refused(chamber: Chamber) -> None:
    asked = await chamber.asked(deferral=day_of(chamber.world.now()) + timedelta(days=20))
    assert pointers(await chamber.decide(asked, 1, deferral=None)) == {"/decision"}
    assert (await chamber.decide(asked, 1)).status_code == 201


async def test_an_expired_request_takes_no_decision_and_gives_no_share(chamber: Chamber) -> None:
    asked = await chamber.approved(1, 2)
    fresh = await chamber.asked()
    chamber.world.at(timedelta(days=8))
    assert await chamber.state(asked) == await chamber.state(fresh) == "expired"
    assert problem(await chamber.decide(fresh, 3)) == (409, "conflict")
    assert problem(await chamber.share(asked, 1)) == (409, "conflict")


# --- shares and releases


async def test_shares_leave_only_under_an_approved_request_to_who_approved(chamber: Chamber) -> None:
    asked = await chamber.approved(1)
    assert problem(await chamber.share(asked, 1)) == (409, "conflict")
    await chamber.decide(asked, 2)
    assert (await chamber.share(asked, 1)).status_code == 200
    assert problem(await chamber.share(asked, 3)) == (404, "not-found")  # that seat has not approved
    assert problem(await chamber.share(asked, 2, chamber.custodians[1])) == (404, "not-found")
    for role in ("investigator", "lead", "desk", "auditor", "administrator"):
        answer = await chamber.world.http.get(f"{asked.path}/shares/1", headers=chamber.world.token(role))
        assert problem(answer) == (403, "forbidden")


async def test_several_refused_requests_collect_no_share(chamber: Chamber, sql: Sql) -> None:
    """Each custodian is won once, never two for one request: nothing adds up."""
    for willing in (1, 2, 3):
        asked = await chamber.asked()
        for seat in (1, 2, 3):
            await chamber.decide(asked, seat, approve=seat == willing)
        assert await chamber.state(asked) == "refused"
        assert problem(await chamber.share(asked, willing)) == (409, "conflict")
        answer = await chamber.release(asked, willing, data=a_release(chamber, asked, willing))
        assert problem(answer) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.identity_releases") == [(0,)]


def a_release(chamber: Chamber, asked: Asked, seat: int) -> bytes:
    """What a custodian would release who had the share already."""
    sealed = chamber.case.report.shares[seat - 1].data
    share = open_share(sealed, chamber.world.seat(seat), seat, chamber.case.report.manifest)
    return seal_release(asked.checked, seat, share, chamber.seat_key(seat))


async def test_the_share_that_is_handed_out_is_of_the_request_s_own_report(chamber: Chamber) -> None:
    other = await make_chamber(chamber.world)
    asked = await chamber.approved(1, 2)
    found = (await chamber.share(asked, 1)).json()
    assert found["manifest"]["rid"] == b64u(chamber.case.report.rid) != b64u(other.case.report.rid)


async def test_a_seat_releases_once_and_only_a_sealed_share(chamber: Chamber) -> None:
    asked = await chamber.approved(1, 2)
    assert pointers(await chamber.release(asked, 1, data=b"x" * 5755)) == {"/release"}
    big = chamber.case.report.parts[0].data
    assert pointers(await chamber.release(asked, 1, data=big + b"x")) == {"/release"}
    assert (await chamber.release(asked, 1)).status_code == 201
    assert problem(await chamber.release(asked, 1)) == (409, "conflict")
    data = a_release(chamber, asked, 3)
    assert problem(await chamber.release(asked, 3, data=data)) == (404, "not-found")
    assert problem(await chamber.release(asked, 2, chamber.custodians[1], data)) == (404, "not-found")


# --- opening


async def test_nothing_is_handed_over_before_the_undertaking(chamber: Chamber) -> None:
    asked = await chamber.released(1, 2)
    assert problem(await chamber.open(asked)) == (409, "conflict")
    assert await chamber.openings() == []
    await chamber.undertake(asked)
    assert (await chamber.open(asked)).status_code == 201


async def test_nothing_is_handed_over_with_k_minus_one_releases(chamber: Chamber) -> None:
    asked = await chamber.approved(1, 2)
    await chamber.release(asked, 1)
    await chamber.undertake(asked)
    answer = await chamber.open(asked)
    assert problem(answer) == (409, "conflict")
    assert "releases" not in answer.json()


async def test_an_undertaking_counts_only_from_the_asker_today_in_the_words_in_force(
    chamber: Chamber,
) -> None:
    asked, stranger = await chamber.approved(1, 2), chamber.world.member("investigator")
    for changes in (
        {"key": stranger.signing}, {"person": stranger.id}, {"request": bytes(32)}, {"rid": bytes(32)},
        {"text": "2020-01"}, {"day": day_of(chamber.world.now()) - timedelta(days=3)},
    ):  # fmt: skip
        assert problem(await chamber.undertake(asked, **changes)) == (422, "invalid")
    assert problem(await chamber.undertake(asked, by=stranger)) == (404, "not-found")
    assert (await chamber.undertake(asked)).status_code == 201
    assert (await chamber.undertake(asked)).status_code == 201


async def test_no_undertaking_is_taken_for_a_request_that_is_not_approved(chamber: Chamber) -> None:
    assert problem(await chamber.undertake(await chamber.approved(1))) == (409, "conflict")


async def test_a_later_assignee_gets_nothing(chamber: Chamber) -> None:
    asked = await chamber.released(1, 2)
    await chamber.undertake(asked)
    later = chamber.world.member("investigator")
    given = {"role": "investigator", "grant": b64(a_grant())}
    path, desk = f"{chamber.case.path}/assignees/{later.id}", chamber.world.token("desk")
    assert (await chamber.world.http.put(path, json=given, headers=desk)).status_code == 201
    for by in (later, chamber.world.member("lead"), chamber.world.member("desk")):
        assert problem(await chamber.open(asked, by)) == (404, "not-found")
        assert problem(await chamber.read(asked, by)) == (404, "not-found")
    assert problem(await chamber.open(asked, chamber.custodians[1])) == (403, "forbidden")
    assert await chamber.openings() == []


async def test_who_lost_the_case_cannot_open_any_more(chamber: Chamber, sql: Sql) -> None:
    asked = await chamber.released(1, 2)
    await chamber.undertake(asked)
    sql("UPDATE intake.assignments SET ended = day")
    assert problem(await chamber.open(asked)) == (404, "not-found")


async def test_an_opening_counts_once_and_the_inbox_says_when_and_why(chamber: Chamber, sql: Sql) -> None:
    asked = await chamber.released(1, 2)
    await chamber.undertake(asked)
    first, again = await chamber.open(asked), await chamber.open(asked)
    assert first.json() == again.json()
    assert await chamber.openings() == [(day_of(chamber.world.now()), "pre-trial")]
    assert len(records(sql, "identity-opening")) == 1


async def test_an_approved_deferral_hides_an_opening_until_its_day(chamber: Chamber) -> None:
    until = day_of(chamber.world.now()) + timedelta(days=20)
    asked = await chamber.released(1, 2, deferral=until)
    await chamber.undertake(asked)
    opened_on = day_of(chamber.world.now())
    assert (await chamber.open(asked)).json()["shown_from"] == until.isoformat()
    for days, shown in ((0, []), (19, []), (20, [(opened_on, "pre-trial")])):
        chamber.world.at(timedelta(days=days))
        assert await chamber.openings() == shown


@pytest.mark.parametrize(("deferral", "expected"), [(None, 0), (-3, 0), (0, 0), (5, 5)])
def test_an_opening_is_never_shown_before_it_happened(deferral: int | None, expected: int) -> None:
    day = date(2026, 12, 30)
    end = None if deferral is None else day + timedelta(days=deferral)
    assert rules.shown_from(day, end) == day + timedelta(days=expected)


async def test_the_register_says_who_when_for_which_report(chamber: Chamber) -> None:
    asked = await chamber.approved(1, 2)
    await chamber.undertake(asked)
    for role in ("lead", "auditor"):
        answer = await chamber.world.http.get(f"{STAFF}/undertakings", headers=chamber.world.token(role))
        [line] = answer.json()["items"]
        assert (line["person"], line["reference"], line["text"]) == (
            chamber.asker.id, chamber.case.reference, "2026-11",
        )  # fmt: skip
        assert line["day"] == day_of(chamber.world.now()).isoformat()
    for role in ("desk", "investigator", "custodian", "administrator"):
        answer = await chamber.world.http.get(f"{STAFF}/undertakings", headers=chamber.world.token(role))
        assert problem(answer) == (403, "forbidden")


async def test_k_minus_one_custodians_with_the_whole_database_open_nothing(
    chamber: Chamber, sql: Sql
) -> None:
    """They hold their seat's key, every sealed byte, the asker's release of themselves and the manifest."""
    asked = await chamber.approved(1, 2)
    await chamber.release(asked, 1)
    stored = [bytes(row[0]) for row in sql("SELECT sealed FROM intake.shares ORDER BY seat")]
    keys = [chamber.world.seat(1), chamber.custodians[1].identity, HybridIdentity.generate()]
    shares = opened_by(keys, stored, chamber)
    assert set(shares) == {1}
    with pytest.raises(Refused, match="not exactly as many shares"):
        combine(shares, chamber.case.report.manifest)


def opened_by(keys: list[HybridIdentity], stored: list[bytes], chamber: Chamber) -> dict[int, bytes]:
    found = {}
    for key in keys:
        for seat, data in enumerate(stored, 1):
            try:
                found[seat] = open_share(data, key, seat, chamber.case.report.manifest)
            except CryptoError:
                continue
    return found
