"""Certificates by two people, seats and sub-shares: what the service keeps apart, whoever calls it."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.accounts import keys_rules
from services.contracts.accounts import Role
from services.crypto import age
from services.crypto.signatures import SigningKey, sign_document
from services.crypto.splits import Holder, SplitKey, split_key
from services.crypto.staffkeys import GroupKey
from tests.accounts.conftest import Colleague, Office
from tests.accounts.test_keys import (
    CERTIFIERS,
    KEY,
    OTHER,
    b64,
    certificate,
    key_body,
    me,
    put_certificate,
    put_key,
)

pytestmark = pytest.mark.anyio

SEAT = "seat-1/2026H2"


async def with_key(office: Office, *roles: str) -> Colleague:
    who = await office.add(*roles)
    assert (await put_key(office, who, key_body())).status_code == 204
    return who


async def post(
    office: Office, by: Colleague, person: UUID, document: dict[str, Any], pending: bool
) -> httpx2.Response:
    path = f"/staff/{person}/certificates{'/pending' if pending else ''}"
    return await office.call("POST", path, document, office.bearer(by.id, by.roles))


def once(document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {**document, "signatures": [document["signatures"][number]]}


async def test_two_certifiers_make_a_certificate_and_one_does_not(office: Office):
    desk, one, two = (
        await with_key(office, "desk"),
        await office.add("certifier"),
        await office.add("certifier"),
    )
    full = certificate(desk.id)
    assert (await post(office, two, desk.id, full, pending=False)).status_code == 409
    assert (await post(office, one, desk.id, full, pending=True)).status_code == 422
    assert (await post(office, one, desk.id, once(full), pending=True)).status_code == 204
    assert (await me(office, desk))["certificate"] is None
    assert (await post(office, one, desk.id, full, pending=False)).status_code == 409
    assert (await post(office, two, desk.id, once(full, 1), pending=False)).status_code == 422
    same = {**full, "signatures": [full["signatures"][0]] * 2}
    assert (await post(office, two, desk.id, same, pending=False)).status_code == 422
    assert (await post(office, two, desk.id, full, pending=False)).status_code == 204
    assert (await me(office, desk))["certificate"] == full
    assert (await post(office, two, desk.id, full, pending=False)).status_code == 409


async def test_a_proposal_about_other_keys_roles_or_oneself_is_refused(office: Office):
    desk, one = await with_key(office, "desk"), await with_key(office, "certifier")
    for changes in ({"recipient": OTHER.recipient}, {"verify_key": bytes(32)}, {"roles": ("lead",)}):
        answer = await post(office, one, desk.id, once(certificate(desk.id, **changes)), pending=True)
        assert answer.status_code == 422
    assert (await post(office, one, desk.id, once(certificate(one.id)), pending=True)).status_code == 422
    own = certificate(one.id, roles=("certifier",))
    assert (await post(office, one, one.id, once(own), pending=True)).status_code == 409


async def test_another_body_than_the_proposed_one_is_not_completed(office: Office):
    desk, one, two = (
        await with_key(office, "desk"),
        await office.add("certifier"),
        await office.add("certifier"),
    )
    await post(office, one, desk.id, once(certificate(desk.id)), pending=True)
    other = sign_document(
        "certificate", {**certificate(desk.id)["body"], "valid_until": "2027-01-01"}, CERTIFIERS
    )
    assert (await post(office, two, desk.id, other.to_json(), pending=False)).status_code == 409


async def test_certified_keys_are_not_replaced_silently(office: Office):
    desk = await with_key(office, "desk")
    await put_certificate(office, desk.id, certificate(desk.id))
    new = key_body(recipient=str(OTHER.recipient))
    assert (await put_key(office, desk, key_body())).status_code == 204
    assert (await put_key(office, desk, new)).status_code == 409
    assert (await me(office, desk))["certificate"] is not None
    headers = office.bearer(desk.id, desk.roles)
    assert (await office.call("PUT", "/me/key?replace=true", new, headers)).status_code == 204
    assert (await me(office, desk))["certificate"] is None


async def test_new_keys_take_a_proposal_with_them(office: Office):
    desk, one = await with_key(office, "desk"), await office.add("certifier")
    await post(office, one, desk.id, once(certificate(desk.id)), pending=True)
    await put_key(office, desk, key_body(recipient=str(OTHER.recipient)))
    answer = await office.call("GET", f"/staff/{desk.id}/keys", headers=office.bearer(one.id, one.roles))
    assert answer.json()["pending"] is None


# --- group keys


async def keep(office: Office, who: Colleague, key_id: str) -> int:
    body = {"data": b64(age.seal(b"x", [KEY.identity.recipient]))}
    headers = office.bearer(who.id, who.roles)
    return (await office.call("PUT", f"/me/group-keys/{key_id}", body, headers)).status_code


async def give(office: Office, by: Colleague, to: Colleague, key_id: str) -> int:
    body = {"data": b64(age.seal(b"x", [KEY.identity.recipient]))}
    headers = office.bearer(by.id, by.roles)
    return (await office.call("PUT", f"/staff/{to.id}/group-keys/{key_id}", body, headers)).status_code


async def test_a_seat_s_key_is_never_lost_and_never_on_a_second_seat(office: Office):
    one, two = await office.add("custodian"), await office.add("custodian")
    assert await keep(office, one, SEAT) == 204
    assert await keep(office, one, "seat-2/2026H2") == 409
    assert await keep(office, one, "seat-1/2027H1") == 204
    headers = office.bearer(one.id, one.roles)
    assert (await office.call("DELETE", f"/me/group-keys/{SEAT}", headers=headers)).status_code == 409
    assert await give(office, one, two, SEAT) == 204
    assert (await office.call("DELETE", f"/me/group-keys/{SEAT}", headers=headers)).status_code == 204
    assert (await office.call("DELETE", f"/me/group-keys/{SEAT}", headers=headers)).status_code == 404


async def test_desk_and_custody_keys_go_to_their_own_people(office: Office):
    custodian, desk, lead = await office.add("custodian"), await office.add("desk"), await office.add("lead")
    assert await give(office, custodian, desk, SEAT) == 409
    assert await give(office, lead, custodian, "central/2026-11") == 409
    assert await give(office, lead, custodian, SEAT) == 403
    assert await give(office, custodian, desk, "central/2026-11") == 403
    assert await keep(office, custodian, f"staff/{custodian.id}/{'1' * 30}") == 409
    assert await keep(office, desk, f"staff/{lead.id}/{'1' * 30}") == 409
    assert await keep(office, desk, f"staff/{desk.id}/{'1' * 30}") == 204


async def test_only_past_months_of_a_desk_are_destroyed(office: Office):
    lead, desk = await office.add("lead"), await office.add("desk")
    headers = office.bearer(lead.id, lead.roles)
    for month in ("2026-10", "2026-11", "2026-12"):
        assert await give(office, lead, desk, f"central/{month}") == 204
    for key_id, status in (
        ("central/2026-11", 409), ("central/2026-12", 409), ("seat-1/2020H1", 409), ("central/2026-09", 404),
        ("central/2026-10", 204),
    ):  # fmt: skip
        assert (await office.call("DELETE", f"/group-keys/{key_id}", headers=headers)).status_code == status
    assert [line["id"] for line in (await me(office, desk))["group_keys"]] == [
        "central/2026-11",
        "central/2026-12",
    ]


# --- sub-shares


def split_of(key_id: str = SEAT) -> SplitKey:
    key = GroupKey(key_id, age.HybridIdentity.generate(), SigningKey.generate())
    names = ("seat-2/2026H2", "seat-3/2026H2")
    return split_key(key, [Holder(name, age.HybridIdentity.generate().recipient) for name in names], 2)


def split_body(made: SplitKey, **changes: Any) -> dict[str, Any]:
    shares = [{"holder": holder, "data": b64(data)} for holder, data in made.files.items()]
    return {"document": made.document.to_json(), "shares": shares, **changes}


async def store(office: Office, who: Colleague, body: dict[str, Any], key_id: str = SEAT) -> int:
    headers = office.bearer(who.id, who.roles)
    return (await office.call("PUT", f"/split-keys/{key_id}", body, headers)).status_code


async def test_only_a_seat_s_holder_splits_it_and_others_see_only_their_own(office: Office):
    holder, second, third = [await office.add("custodian") for _ in range(3)]
    body = split_body(split_of())
    assert await store(office, holder, body) == 403
    await keep(office, holder, SEAT)
    assert await store(office, holder, body) == 204
    await keep(office, second, "seat-2/2026H2")
    for who, expected in ((second, ["seat-2/2026H2"]), (third, []), (holder, [])):
        found = await office.call("GET", "/split-keys", headers=office.bearer(who.id, who.roles))
        held = [share["holder"] for line in found.json()["items"] for share in line["held"]]
        assert held == expected


async def test_a_split_that_is_not_whole_or_of_another_key_is_refused(office: Office):
    holder = await office.add("custodian")
    await keep(office, holder, SEAT)
    made, whole = split_of(), split_body(split_of())
    assert await store(office, holder, split_body(split_of("seat-1/2027H1"))) == 422
    assert await store(office, holder, {**whole, "shares": [whole["shares"][0]] * 2}) == 422
    forged = {**made.document.to_json(), "signatures": []}
    assert await store(office, holder, split_body(made, document=forged)) == 422
    two = b64(age.seal(b"x", [OTHER.recipient, KEY.identity.recipient]))
    spoilt = [{**share, "data": two} for share in whole["shares"]]
    assert await store(office, holder, {**whole, "shares": spoilt}) == 422


async def test_a_sub_share_is_released_by_its_holder_to_somebody_who_may_sit_there(office: Office):
    holder, second, third, desk = [
        *[await office.add("custodian") for _ in range(3)],
        await office.add("desk"),
    ]
    await keep(office, holder, SEAT)
    await store(office, holder, split_body(split_of()))
    await keep(office, second, "seat-2/2026H2")

    async def release(by: Colleague, to: Colleague) -> int:
        data = b64(age.seal(b"x", [OTHER.recipient]))
        body = {"holder": "seat-2/2026H2", "to": str(to.id), "data": data}
        headers = office.bearer(by.id, by.roles)
        return (await office.call("PUT", f"/released-shares/{SEAT}", body, headers)).status_code

    assert await release(third, third) == 404
    assert await release(second, desk) == 409
    assert await release(second, second) == 409
    assert await release(second, third) == 204
    found = await office.call("GET", "/split-keys", headers=office.bearer(third.id, third.roles))
    assert [share["holder"] for share in found.json()["items"][0]["released"]] == ["seat-2/2026H2"]
    assert await store(office, holder, split_body(split_of())) == 204
    found = await office.call("GET", "/split-keys", headers=office.bearer(third.id, third.roles))
    assert found.json()["items"] == []


async def test_a_sub_share_that_is_released_again_takes_the_place_of_the_one_before(office: Office):
    """Somebody who lost the new key too gets the sub-share anew; who gave a wrong one gives the right one."""
    holder, second, third, fourth = [await office.add("custodian") for _ in range(4)]
    await keep(office, holder, SEAT)
    await store(office, holder, split_body(split_of()))
    await keep(office, second, "seat-2/2026H2")

    async def release(to: Colleague) -> str:
        data = b64(age.seal(b"x", [OTHER.recipient]))
        body = {"holder": "seat-2/2026H2", "to": str(to.id), "data": data}
        headers = office.bearer(second.id, second.roles)
        assert (await office.call("PUT", f"/released-shares/{SEAT}", body, headers)).status_code == 204
        return data

    async def released(to: Colleague) -> list[str]:
        found = await office.call("GET", "/split-keys", headers=office.bearer(to.id, to.roles))
        return [share["data"] for share in found.json()["items"][0]["released"]]

    first, kept = await release(third), await release(fourth)
    assert await released(third) == [first]
    again = await release(third)
    assert again != first
    assert (await released(third), await released(fourth)) == ([again], [kept])


@pytest.mark.parametrize("role", list(Role))
def test_nobody_but_its_owner_holds_or_splits_a_person_s_key(role: Role):
    person, other = UUID(int=1), UUID(int=2)
    key_id = f"staff/{person}/{'0' * 30}"
    allowed = role != Role.CUSTODIAN
    assert keys_rules.may_hold(key_id, person, [role]) == allowed
    assert keys_rules.may_split(key_id, person, [role], []) == allowed
    assert not keys_rules.may_hold(key_id, other, [role])
    assert not keys_rules.may_split(key_id, other, [role], [key_id])
    assert not keys_rules.may_give(key_id, [role])
    assert not keys_rules.may_split("central/2026-11", person, [role], ["central/2026-11"])
