"""Accounts: adding colleagues, listing them."""

import asyncio
from uuid import UUID

import pytest

from services.contracts.accounts import Role
from tests.accounts.conftest import Colleague, Office

pytestmark = pytest.mark.anyio


async def add(office: Office, **changes: object) -> tuple[int, dict[str, object]]:
    body = {"login": "saule", "name": "Saule Sample", "roles": ["desk"], **changes}
    answer = await office.call("POST", "/staff", body, office.as_administrator())
    return answer.status_code, answer.json()


async def listed(office: Office, query: str = "") -> dict[str, object]:
    answer = await office.call("GET", f"/staff{query}", headers=office.as_administrator())
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_new_colleague_has_a_random_id_and_an_enrolment(office: Office):
    status, found = await add(office)
    assert status == 201
    assert set(found) == {"id", "enrolment"}
    assert UUID(str(found["id"])).version == 4
    assert len(str(found["enrolment"])) == 32


async def test_a_login_is_given_once_whatever_its_capitals(office: Office):
    assert (await add(office, login="saule"))[0] == 201
    status, problem = await add(office, login="SAULE", name="Another")
    assert (status, problem["type"]) == (409, "urn:adal:problem:conflict")
    assert office.rows("SELECT login, name FROM accounts.people WHERE login ILIKE 'saule'") == [
        ("saule", "Saule Sample")
    ]


async def test_one_login_asked_for_many_times_at_once_is_given_once(office: Office):
    answers = await asyncio.gather(*(add(office) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 7
    assert office.rows("SELECT count(*) FROM accounts.credentials") == [(2,)]


@pytest.mark.parametrize(
    ("roles", "sentences"),
    [
        (["desk", "custodian"], 1),
        (["rewards-officer", "commission"], 1),
        (["registrar", "second-registrar"], 1),
        (["auditor", "registrar"], 1),
        (["administrator", "certifier", "custodian"], 3),
        (list(Role), 11),
    ],
)
async def test_conflicting_roles_are_refused_with_the_reasons(
    office: Office, roles: list[str], sentences: int
):
    status, problem = await add(office, roles=roles)
    assert status == 422
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == ["/roles"] * sentences
    assert len({error["detail"] for error in errors}) == sentences
    assert office.rows("SELECT count(*) FROM accounts.people") == [(1,)]


@pytest.mark.parametrize(
    "changes",
    [
        {"login": "ab"},
        {"login": "a" * 65},
        {"login": "two words"},
        {"login": "сауле"},
        {"login": "ſaule"},
        {"login": "saule\n"},
        {"login": "saule\x00"},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": "Saule\x00"},
        {"name": "Saule\u202eelpmas"},
        {"name": "two\nlines"},
        {"roles": []},
        {"roles": ["root"]},
        {"roles": "desk"},
        {"roles": ["desk"] * 14},
        {"active": True},
        {"id": "00000000-0000-4000-8000-000000000001"},
    ],
)
async def test_what_is_no_account_is_refused(office: Office, changes: dict[str, object]):
    status, problem = await add(office, **changes)
    assert (status, problem["type"]) == (422, "urn:adal:problem:invalid")
    assert office.rows("SELECT count(*) FROM accounts.people") == [(1,)]


async def test_names_of_every_alphabet_are_kept_as_typed(office: Office):
    for number, name in enumerate(["Әсем Қайрат-Ұлы", "O'Neil, Jr.", "李 小龙", "N" * 200]):
        assert (await add(office, login=f"person{number}", name=f"  {name} "))[0] == 201
    found = [item["name"] for item in (await listed(office))["items"]]  # type: ignore[attr-defined]
    assert sorted(found) == sorted(["First", "Әсем Қайрат-Ұлы", "O'Neil, Jr.", "李 小龙", "N" * 200])


async def test_a_role_named_twice_is_held_once(office: Office):
    _, found = await add(office, roles=["lead", "desk", "lead"])
    assert office.rows("SELECT roles FROM accounts.people WHERE login = 'saule'") == [(["desk", "lead"],)]
    assert found["id"]


async def test_the_list_shows_public_things_only_and_leaves_out_who_has_left(office: Office):
    desk, gone = await office.add("desk"), await office.add("desk")
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", gone.id)
    items = (await listed(office))["items"]
    assert isinstance(items, list)
    assert {item["id"] for item in items} == {str(office.administrator), str(desk.id)}
    assert all(set(item) == {"id", "name", "roles", "certificate", "recipient"} for item in items)
    assert next(item for item in items if item["id"] == str(desk.id)) == {
        "id": str(desk.id),
        "name": f"Invented {desk.login}",
        "roles": ["desk"],
        "certificate": None,
        "recipient": None,
    }


async def test_pages_show_everybody_once_in_a_stable_order(office: Office):
    made: list[Colleague] = []
    for _ in range(3):
        made += [await office.add("operator"), await office.add("desk")]
        office.clock.forward(days=1)
    seen: list[str] = []
    query = "?limit=2"
    for _ in range(4):
        page = await listed(office, query)
        assert isinstance(page["items"], list)
        seen += [item["id"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next']}"
    assert page["next"] is None
    assert len(seen) == len(set(seen))
    assert set(seen) == {str(office.administrator), *(str(one.id) for one in made)}
    assert (await listed(office, "?limit=7"))["next"] is None


@pytest.mark.parametrize("query", ["?limit=0", "?limit=201", "?limit=x", "?cursor=x", "?cursor=" + "a" * 201])
async def test_a_bad_page_is_refused(office: Office, query: str):
    answer = await office.call("GET", f"/staff{query}", headers=office.as_administrator())
    assert answer.status_code == 422
