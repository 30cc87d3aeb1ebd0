"""Keys: what the service keeps must have the right form and name the right person; it can open none of it."""

import base64
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.crypto import age, certificates, staffkeys
from services.crypto.canonical import b64u
from services.crypto.signatures import SigningKey, sign_document
from tests.accounts.conftest import Colleague, Office

pytestmark = pytest.mark.anyio

KEY = staffkeys.StaffKey.generate()
OTHER = age.HybridIdentity.generate()
CERTIFIERS = [SigningKey.generate(), SigningKey.generate()]
TODAY = date(2026, 11, 24)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


WRAPPED = staffkeys.wrap_staff_key(KEY, "abcd-efgh-jkmn-pqrs", log_n=10)


def key_body(**changes: object) -> dict[str, object]:
    return {
        "wrapped": b64(WRAPPED),
        "recipient": str(KEY.identity.recipient),
        "verify_key": b64u(KEY.signing.verify_key),
        **changes,
    }


def certificate(person: UUID, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "person": str(person),
        "roles": ("desk",),
        "recipient": KEY.identity.recipient,
        "verify_key": KEY.signing.verify_key,
        "valid_from": TODAY,
        "valid_until": date(2027, 11, 23),
        **changes,
    }
    made = certificates.make_certificate(certificates.Certificate(**values), CERTIFIERS)
    return made.to_json()


async def me(office: Office, who: Colleague) -> dict[str, Any]:
    answer = await office.call("GET", "/me", headers=office.bearer(who.id, who.roles))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def put_key(office: Office, who: Colleague, body: object) -> httpx2.Response:
    return await office.call("PUT", "/me/key", body, office.bearer(who.id, who.roles))


async def put_certificate(office: Office, who: UUID, document: object) -> httpx2.Response:
    return await office.call("PUT", f"/staff/{who}/certificate", document, office.as_administrator())


async def put_group_key(office: Office, who: UUID, key_id: str, data: bytes) -> httpx2.Response:
    path = f"/staff/{who}/group-keys/{key_id}"
    return await office.call("PUT", path, {"data": b64(data)}, office.as_administrator())


# --- one's own key


async def test_a_new_account_has_no_keys(office: Office):
    desk = await office.add("desk")
    assert await me(office, desk) == {
        "id": str(desk.id),
        "login": desk.login,
        "name": f"Invented {desk.login}",
        "roles": ["desk"],
        "key": None,
        "certificate": None,
        "group_keys": [],
    }


async def test_a_wrapped_key_comes_back_as_it_was_and_opens(office: Office):
    desk = await office.add("desk")
    assert (await put_key(office, desk, key_body())).status_code == 204
    found = (await me(office, desk))["key"]
    assert found == key_body()
    opened = staffkeys.unwrap_staff_key(base64.b64decode(found["wrapped"]), "abcd-efgh-jkmn-pqrs")
    assert opened.signing.verify_key == KEY.signing.verify_key


async def test_a_key_under_a_new_passphrase_takes_the_old_one_s_place(office: Office):
    desk = await office.add("desk")
    again = staffkeys.wrap_staff_key(KEY, "another passphrase", log_n=10)
    await put_key(office, desk, key_body())
    assert (await put_key(office, desk, key_body(wrapped=b64(again)))).status_code == 204
    assert (await me(office, desk))["key"]["wrapped"] == b64(again)


async def test_a_key_is_its_owner_s_only(office: Office):
    one, other = await office.add("desk"), await office.add("lead")
    await put_key(office, one, key_body())
    assert (await me(office, other))["key"] is None
    listed = (await office.call("GET", "/staff", headers=office.as_administrator())).json()["items"]
    line = next(item for item in listed if item["id"] == str(one.id))
    assert line["recipient"] == str(KEY.identity.recipient)
    assert "wrapped" not in line


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/wrapped", {"wrapped": b64(age.encrypt(b"x", [OTHER.recipient]))}),
        ("/wrapped", {"wrapped": b64(age.encrypt(b"x", [age.X25519Identity.generate().recipient]))}),
        ("/wrapped", {"wrapped": b64(b"# adal/v1/staff-key\nAGE-SECRET-KEY-PQ-1...\n")}),
        ("/wrapped", {"wrapped": b64(WRAPPED[:40])}),
        ("/wrapped", {"wrapped": ""}),
        ("/wrapped", {"wrapped": b64(WRAPPED)[:-1]}),
        ("/wrapped", {"wrapped": b64(WRAPPED + bytes(8192))}),
        ("/wrapped", {"wrapped": None}),
        ("/recipient", {"recipient": str(OTHER.recipient)[:-1]}),
        ("/recipient", {"recipient": str(age.X25519Identity.generate().recipient)}),
        ("/recipient", {"recipient": str(OTHER)}),
        ("/recipient", {"recipient": ""}),
        ("/recipient", {"recipient": "a" * 4097}),
        ("/verify_key", {"verify_key": b64u(bytes(31))}),
        ("/verify_key", {"verify_key": b64u(bytes(32)) + "="}),
        ("", {"passphrase": "abcd-efgh-jkmn-pqrs"}),
    ],
)
async def test_what_is_no_wrapped_key_is_refused_and_not_stored(
    office: Office, pointer: str, changes: dict[str, object]
):
    desk = await office.add("desk")
    answer = await put_key(office, desk, key_body(**changes))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await me(office, desk))["key"] is None


async def test_a_secret_sent_by_mistake_is_not_repeated(office: Office):
    desk = await office.add("desk")
    answer = await put_key(office, desk, key_body(recipient=str(OTHER)))
    assert str(OTHER) not in answer.text


# --- certificates


async def test_a_certificate_is_shown_to_its_person_and_to_colleagues(office: Office):
    desk = await office.add("desk")
    document = certificate(desk.id)
    assert (await put_certificate(office, desk.id, document)).status_code == 204
    assert (await me(office, desk))["certificate"] == document
    listed = (await office.call("GET", "/staff", headers=office.as_administrator())).json()["items"]
    assert next(item for item in listed if item["id"] == str(desk.id))["certificate"] == document


async def test_the_latest_valid_certificate_is_served_and_history_is_kept(office: Office):
    desk = await office.add("desk")
    old = certificate(desk.id)
    new = certificate(desk.id, recipient=OTHER.recipient)
    future = certificate(desk.id, valid_from=date(2026, 12, 1))
    past = certificate(desk.id, valid_from=date(2026, 1, 1), valid_until=date(2026, 11, 23))
    for document in (old, new, future, past):
        office.clock.forward(seconds=1)
        assert (await put_certificate(office, desk.id, document)).status_code == 204
    assert (await me(office, desk))["certificate"] == new
    office.clock.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert (await me(office, desk))["certificate"] == future
    assert office.rows("SELECT count(*) FROM accounts.certificates") == [(4,)]


async def test_a_certificate_put_again_is_the_latest_and_stands_once(office: Office):
    desk = await office.add("desk")
    first, second = certificate(desk.id), certificate(desk.id, recipient=OTHER.recipient)
    for document in (first, second, first):
        office.clock.forward(seconds=1)
        await put_certificate(office, desk.id, document)
    assert (await me(office, desk))["certificate"] == first
    assert office.rows("SELECT count(*) FROM accounts.certificates") == [(2,)]


async def test_days_of_a_certificate_are_days_of_kazakhstan(office: Office):
    desk = await office.add("desk")
    await put_certificate(office, desk.id, certificate(desk.id, valid_until=TODAY))
    office.clock.now = datetime(2026, 11, 24, 18, 59, 59, tzinfo=UTC)
    assert (await me(office, desk))["certificate"] is not None
    office.clock.now = datetime(2026, 11, 24, 19, 0, 0, tzinfo=UTC)
    assert (await me(office, desk))["certificate"] is None


async def test_a_certificate_of_another_person_is_refused(office: Office):
    desk, other = await office.add("desk"), await office.add("desk")
    answer = await put_certificate(office, desk.id, certificate(other.id))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/body/person"
    assert (await me(office, desk))["certificate"] is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: {},
        lambda found: found["body"],
        lambda found: {**found, "more": 1},
        lambda found: {**found, "signatures": found["signatures"] * 9},
        lambda found: {**found, "signatures": [{"key": "x", "sig": "y"}]},
        lambda found: {**found, "body": {**found["body"], "v": 2}},
        lambda found: {**found, "body": {**found["body"], "v": 1.0}},
        lambda found: {**found, "body": {**found["body"], "roles": []}},
        lambda found: {**found, "body": {**found["body"], "valid_until": "2027-02-30"}},
        lambda found: {**found, "body": {**found["body"], "recipient": "age1pq1"}},
        lambda found: {**found, "body": {**found["body"], "person": found["body"]["person"].upper()}},
        lambda found: [found],
        lambda found: "certificate",
    ],
)
async def test_what_is_no_certificate_is_refused(office: Office, spoil: Any):
    desk = await office.add("desk")
    assert (await put_certificate(office, desk.id, spoil(certificate(desk.id)))).status_code == 422
    assert office.rows("SELECT count(*) FROM accounts.certificates") == [(0,)]


async def test_a_signature_is_not_the_service_s_to_judge(office: Office):
    """The service cannot make a key valid; a client refuses a certificate that no certifier signed."""
    desk = await office.add("desk")
    body = certificate(desk.id)["body"]
    stranger = sign_document("certificate", body, [SigningKey.generate()]).to_json()
    assert (await put_certificate(office, desk.id, stranger)).status_code == 204


# --- group keys


async def test_a_group_key_is_given_to_its_holder_who_opens_it(office: Office):
    desk, other = await office.add("desk"), await office.add("desk")
    group = staffkeys.GroupKey("central/2026-11", OTHER, SigningKey.generate())
    data = staffkeys.wrap_group_key(group, KEY.identity.recipient)
    assert (await put_group_key(office, desk.id, "central/2026-11", data)).status_code == 204
    found = (await me(office, desk))["group_keys"]
    assert [line["id"] for line in found] == ["central/2026-11"]
    opened = staffkeys.unwrap_group_key(base64.b64decode(found[0]["data"]), KEY.identity)
    assert opened.identity.seed == OTHER.seed
    assert (await me(office, other))["group_keys"] == []


async def test_a_slash_in_the_address_may_be_escaped(office: Office):
    desk = await office.add("desk")
    data = age.seal(b"x", [OTHER.recipient])
    assert (await put_group_key(office, desk.id, "central%2F2026-11", data)).status_code == 204
    assert (await me(office, desk))["group_keys"][0]["id"] == "central/2026-11"


async def test_group_keys_stand_in_order_and_a_repeat_replaces(office: Office):
    desk = await office.add("desk")
    for key_id in ("other/2026-01", "central/2026-12", "central/2026-11", "central/2026-11"):
        await put_group_key(office, desk.id, key_id, age.seal(key_id.encode(), [KEY.identity.recipient]))
    found = (await me(office, desk))["group_keys"]
    assert [line["id"] for line in found] == ["central/2026-11", "central/2026-12", "other/2026-01"]
    for line in found:
        assert age.open_part(base64.b64decode(line["data"]), KEY.identity) == line["id"].encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"AGE-SECRET-KEY-PQ-1...",
        WRAPPED,
        age.encrypt(b"x", [age.X25519Identity.generate().recipient]),
        age.seal(b"x", [OTHER.recipient, KEY.identity.recipient]),
        age.seal(b"x" * 8192, [OTHER.recipient]),
    ],
)
async def test_a_group_key_is_sealed_to_one_hybrid_recipient(office: Office, data: bytes):
    desk = await office.add("desk")
    answer = await put_group_key(office, desk.id, "central/2026-11", data)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/data"
    assert (await me(office, desk))["group_keys"] == []


@pytest.mark.parametrize("key_id", [".hidden", "with space", "кілт", "a" * 129, "a%00", "/double"])
async def test_a_strange_key_id_is_refused(office: Office, key_id: str):
    desk = await office.add("desk")
    answer = await put_group_key(office, desk.id, key_id, age.seal(b"x", [OTHER.recipient]))
    assert answer.status_code == 422
