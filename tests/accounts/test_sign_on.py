"""Single sign-on against npm's `oidc-provider` as a process: it says who, and nothing more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from services.accounts.identity_provider import challenge_of
from services.accounts.jobs import forget_expired
from services.accounts.sign_on import SignOnRefused, Waiting
from services.crypto import tokens
from services.crypto.canonical import b64u, unb64u
from tests.accounts.conftest import PASSWORD, Clock, Office, code_at
from tests.accounts.provider import SECRET, begin, browse, finish, link, real_provider, use

pytestmark = pytest.mark.anyio


def state_of(begun: dict[str, str]) -> str:
    return parse_qs(urlsplit(begun["authorization_url"]).query)["state"][0]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with real_provider() as found:
        yield found


@pytest.fixture(autouse=True)
def _settings(
    issuer: str,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    client_id = getattr(request, "param", "adal")
    use(monkeypatch, issuer, clock, client_id)
    if client_id == "adal":
        (tmp_path / "secret").write_text(SECRET + "\n")
        monkeypatch.setenv("ADAL_ACCOUNTS_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))


async def test_sign_on_gives_a_session_like_any_other(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    assert (await link(office, desk, issuer, "aigerim")).status_code == 204
    begun = await begin(office)
    assert begun["name"] == "Single sign-on"
    answer = await finish(office, begun, await browse(begun["authorization_url"], "aigerim"), desk)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["person"]["id"] == str(desk.id)
    now = int(office.clock().timestamp())
    claims = tokens.read(found["access_token"], [office.token_key.verify_key], now)
    assert (claims["roles"], claims["stepped"]) == (["desk"], now)
    session = {"Authorization": f"Session {found['session']}"}
    assert (await office.call("POST", "/sessions/current/token", headers=session)).status_code == 200


@pytest.mark.parametrize(
    "_settings", ["public-RS256", "public-PS256", "public-ES256", "public-EdDSA"], indirect=True
)
async def test_a_public_client_signs_on_with_every_allowed_algorithm(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    assert (await finish(office, begun, sent, desk)).status_code == 201


async def test_the_address_tells_nothing_but_what_the_provider_needs(office: Office):
    begun, other = await begin(office), await begin(office)
    one, two = (parse_qs(urlsplit(each["authorization_url"]).query) for each in (begun, other))
    assert set(one) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert one["scope"] == ["openid"]
    assert all(one[name] != two[name] for name in ("state", "nonce", "code_challenge"))
    assert begun["login"] not in begun["authorization_url"]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain"]
)
@pytest.mark.parametrize("path", ["begin", "challenges", "finish"])
async def test_a_form_of_another_site_begins_and_ends_nothing(office: Office, path: str, kind: str):
    url = f"/api/accounts/v1/oidc/{path}"
    answer = await office.client.post(url, content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code in {415, 422}
    assert office.rows("SELECT count(*) FROM accounts.external_logins") == [(0,)]


async def test_what_waits_opens_for_the_service_only(office: Office):
    begun = await begin(office)
    query = parse_qs(urlsplit(begun["authorization_url"]).query)
    box, key = unb64u(begun["login"]), office.app.state.context.service_key
    waiting = Waiting.of(key, begun["login"], office.clock())
    assert [query[name][0] for name in ("state", "nonce", "code_challenge")] == [
        waiting.state, waiting.nonce, challenge_of(waiting.verifier),
    ]  # fmt: skip
    assert len({waiting.state, waiting.nonce, waiting.verifier, b64u(waiting.challenge)}) == 4
    for changed in (bytes(len(box)), box[:-1], box + b"\0", box[:-1] + bytes([box[-1] ^ 1])):
        with pytest.raises(SignOnRefused):
            Waiting.of(key, b64u(changed), office.clock())
    with pytest.raises(SignOnRefused):
        Waiting.of(bytes(32), begun["login"], office.clock())


COUNTED = ("external_logins", "challenges", "sign_in_throttle", "sessions")


def stored(office: Office) -> list[int]:
    return [office.rows(f"SELECT count(*) FROM accounts.{name}")[0][0] for name in COUNTED]


async def test_a_flood_of_strangers_stores_nothing_and_locks_nobody_out(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    mine = await begin(office)
    before = stored(office)
    begun = await asyncio.gather(*(begin(office) for _ in range(60)))
    assert len({one["login"] for one in begun}) == 60
    asked = await asyncio.gather(
        *(office.call("POST", "/oidc/challenges", {"login": one["login"]}) for one in (*begun, *[mine] * 60))
    )
    assert {answer.status_code for answer in asked} == {201}
    junk = [{"state": state_of(one), "code": "x"} for one in begun]
    answers = await asyncio.gather(
        *(finish(office, one, sent, None, totp="123456") for one, sent in zip(begun, junk, strict=True))
    )
    assert {answer.status_code for answer in answers} == {401}
    assert stored(office) == before
    sent = await browse(mine["authorization_url"], "aigerim")
    assert (await finish(office, mine, sent, desk)).status_code == 201
    assert stored(office) == [before[0] + 1, before[1], before[2] + 1, before[3] + 1]


async def test_a_used_login_gets_no_question_and_is_forgotten_when_it_would_have_ended(
    office: Office, issuer: str
):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    assert (await finish(office, begun, sent, desk)).status_code == 201
    assert (await office.call("POST", "/oidc/challenges", {"login": begun["login"]})).status_code == 401
    state = office.app.state
    assert await forget_expired(state, office.clock()) == 0
    office.clock.forward(minutes=10)
    assert await forget_expired(state, office.clock()) >= 1
    assert stored(office)[0] == 0
    assert (await finish(office, begun, sent, desk)).status_code == 401


async def test_a_wrong_state_does_not_use_a_login_up(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    assert (await finish(office, begun, {**sent, "state": "another"}, desk)).status_code == 401
    assert (await finish(office, begun, sent, desk)).status_code == 201


async def test_a_wrong_factor_uses_the_login_up(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    wrong = f"{(int(code_at(desk.totp, office.clock())) + 1) % 1_000_000:06}"
    assert (await finish(office, begun, sent, None, totp=wrong)).status_code == 401
    assert stored(office)[0] == 1
    assert (await finish(office, begun, sent, desk)).status_code == 401


async def test_everything_wrong_has_one_answer(office: Office, issuer: str):
    desk, gone = await office.enrolled("desk"), await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    await link(office, gone, issuer, "gone")
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", gone.id)
    right = code_at(desk.totp, office.clock())
    wrong = f"{(int(right) + 1) % 1_000_000:06}"

    async def attempt(subject: str, **changes: str | None):
        begun = await begin(office)
        sent = await browse(begun["authorization_url"], subject)
        body = {"login": begun["login"], "state": sent["state"], "code": sent["code"], "totp": right}
        body = {name: value for name, value in (body | changes).items() if value is not None}
        return await office.call("POST", "/oidc/finish", body)

    answers = [
        await attempt("nobody-linked"),
        await attempt("gone", totp=code_at(gone.totp, office.clock())),
        await attempt("aigerim", totp=None),
        await attempt("aigerim", totp=wrong),
        await attempt("aigerim", totp=None, recovery_code="0123-4567-89ab-cdef"),
        await attempt("aigerim", state="another"),
        await attempt("aigerim", code="another"),
        await attempt("aigerim", login="another"),
    ]
    assert [answer.status_code for answer in answers] == [401] * len(answers)
    assert len({answer.text for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert answers[0].json()["type"] == "urn:adal:problem:sign-on"
    assert (await attempt("aigerim")).status_code == 201


@pytest.mark.parametrize(
    ("name", "value"), [("nonce", "another"), ("code_challenge", "A" * 43), ("client_id", "another")]
)
async def test_a_changed_address_gives_a_code_that_proves_nothing(
    office: Office, issuer: str, name: str, value: str
):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    before = parse_qs(urlsplit(begun["authorization_url"]).query)[name][0]
    address = begun["authorization_url"].replace(f"{name}={before}", f"{name}={value}")
    assert address != begun["authorization_url"]
    sent = await browse(address, "aigerim")
    assert (await finish(office, begun, sent, desk)).status_code == 401


async def test_a_login_and_a_code_work_once_and_not_for_one_another(office: Office, issuer: str):
    desk, lead = await office.enrolled("desk"), await office.enrolled("lead")
    await link(office, desk, issuer, "aigerim")
    await link(office, lead, issuer, "bolat")
    begun, second = await begin(office), await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    await browse(second["authorization_url"], "bolat")
    assert (await finish(office, begun, sent, desk)).status_code == 201
    office.clock.forward(seconds=30)
    assert (await finish(office, begun, sent, desk)).status_code == 401
    crossed = {"state": state_of(second), "code": sent["code"]}
    assert (await finish(office, second, crossed, desk)).status_code == 401


async def test_one_login_finished_many_times_at_once_opens_one_session(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    answers = await asyncio.gather(*(finish(office, begun, sent, desk) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401, 401]


async def test_a_login_is_good_for_ten_minutes_and_forgotten_after(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    office.clock.forward(minutes=10)
    assert (await finish(office, begun, sent, desk)).status_code == 401
    assert office.rows("SELECT * FROM accounts.external_logins") == []


async def test_wrong_factors_use_up_the_budget_of_the_password(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")

    async def attempt(subject: str, code: str) -> int:
        begun = await begin(office)
        sent = await browse(begun["authorization_url"], subject)
        return (await finish(office, begun, sent, None, totp=code)).status_code

    for subject in ("aigerim", "nobody-linked"):
        assert [await attempt(subject, "12345") for _ in range(11)] == [401] * 10 + [429]
    assert (await office.sign_in(desk, PASSWORD)).status_code == 429


# --- links


async def test_an_administrator_links_others_and_never_themselves(office: Office, issuer: str):
    path = f"/staff/{office.administrator}/external-subject"
    body = {"issuer": issuer, "subject": "me"}
    assert (await office.call("PUT", path, body, office.as_administrator())).status_code == 403
    desk = await office.enrolled("desk")
    path = f"/staff/{desk.id}/external-subject"
    assert (await office.call("PUT", path, body, office.bearer(desk.id, ["desk"]))).status_code == 403
    stale = office.bearer(office.administrator, ["administrator"], stepped=301)
    assert (await office.call("PUT", path, body, stale)).json()["type"] == "urn:adal:problem:step-up"
    assert office.rows("SELECT * FROM accounts.external_subjects") == []


async def test_a_subject_belongs_to_one_person_and_a_person_has_one_subject(office: Office, issuer: str):
    desk, lead = await office.enrolled("desk"), await office.enrolled("lead")
    assert (await link(office, desk, issuer, "aigerim")).status_code == 204
    assert (await link(office, desk, issuer, "aigerim")).status_code == 204
    assert (await link(office, lead, issuer, "aigerim")).status_code == 409
    assert (await link(office, desk, issuer, "aigerim-2")).status_code == 204
    assert office.rows("SELECT person, subject FROM accounts.external_subjects") == [(desk.id, "aigerim-2")]
    assert (await link(office, lead, issuer + "/other", "aigerim")).status_code == 422


async def test_a_refused_link_leaves_the_one_before(office: Office, issuer: str):
    desk, lead = await office.enrolled("desk"), await office.enrolled("lead")
    await link(office, desk, issuer, "aigerim")
    await link(office, lead, issuer, "bolat")
    assert (await link(office, lead, issuer, "aigerim")).status_code == 409
    query = "SELECT person FROM accounts.external_subjects WHERE subject = 'bolat'"
    assert office.rows(query) == [(lead.id,)]


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "external-subject"), ("POST", "leave")], ids=["unlink", "leave"]
)
async def test_who_is_unlinked_or_has_left_signs_on_no_more(
    office: Office, issuer: str, method: str, path: str
):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    url = f"/staff/{desk.id}/{path}"
    assert (await office.call(method, url, headers=office.as_administrator())).status_code == 204
    assert office.rows("SELECT * FROM accounts.external_subjects") == []
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "aigerim")
    assert (await finish(office, begun, sent, desk)).status_code == 401


async def test_nobody_who_has_not_enrolled_signs_on(office: Office, issuer: str):
    waiting, desk = await office.add("desk"), await office.enrolled("desk")
    await link(office, waiting, issuer, "new")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "new")
    assert (await finish(office, begun, sent, desk)).status_code == 401


async def test_nothing_of_a_sign_on_reaches_a_log(
    office: Office, issuer: str, capfd: pytest.CaptureFixture[str]
):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "subject-to-find")
    begun = await begin(office)
    sent = await browse(begun["authorization_url"], "subject-to-find")
    assert (await finish(office, begun, sent, desk)).status_code == 201
    assert (await finish(office, begun, sent, desk)).status_code == 401
    written = "".join(capfd.readouterr())
    assert not [text for text in ("subject-to-find", sent["code"], sent["state"]) if text in written]


async def test_a_recovery_code_stands_in_for_the_factor_once(office: Office, issuer: str):
    desk = await office.enrolled("desk")
    await link(office, desk, issuer, "aigerim")
    made = await office.call("POST", "/me/recovery-codes", headers=office.bearer(desk.id, ["desk"]))
    code = made.json()["codes"][0]
    statuses = []
    for _ in range(2):
        begun = await begin(office)
        sent = await browse(begun["authorization_url"], "aigerim")
        statuses.append((await finish(office, begun, sent, None, recovery_code=code)).status_code)
    assert statuses == [201, 401]
