"""Reporter and staff against a real server: a report goes in, is read, answered, handed on, and proven in the log."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.client import steps
from services.client.directory import utc_now
from services.client.errors import NoLead, NotHanded, NotUnlocked, Problem, Unproven
from services.client.filing import Filed, NewReport
from services.client.http import Http
from services.client.log import verify_log
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.errors import BadSignature, CryptoError, Refused, WrongKey
from services.crypto.packages import NewAttachment
from services.crypto.receipts import ReceiptError, new_receipt
from tests.client.people import PASSPHRASE, PASSWORD, Team

FIELDS = {
    "amount_band": "unknown", "category": "bribe-taking", "channel": "api", "language": "kk",
    "region": "750000000", "sector": "health", "urgency": "normal", "year": 2026,
}  # fmt: skip
ANSWERS = {"what": "Ақша сұрады. Просили деньги."}
NAMED = {"name": "Ойдан Шығарылған", "phone": "+7 700 000 00 00"}


def report(**changes: Any) -> NewReport:
    return NewReport(**{"fields": FIELDS, "answers": ANSWERS, **changes})


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


@pytest.fixture(scope="module")
def desk(team: Team) -> Iterator[StaffSession]:
    session = team.signed_in("desk.one", "desk")
    yield session
    session.close()


def publish_log(team: Team) -> None:
    """Run the daily job now, as an operator would."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ADAL_")}
    subprocess.run(
        [sys.executable, "-m", "services.cli.main", "--var", str(team.server.var), "jobs", "run", "intake.publish-log"],
        env=clean | team.server.settings, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def test_the_whole_dialogue(team: Team, reporter: Reporter, desk: StaffSession, tmp_path: Path):
    data = os.urandom(300_000)
    files = [
        NewAttachment("құжат.pdf", "application/pdf", data),
        NewAttachment("empty.txt", "text/plain", b""),
    ]
    filed = reporter.file_sealed(report(mode="confidential", identity=NAMED, attachments=files))
    line = desk.find(filed.reference)
    case = desk.case(line.id)
    assert case.narrative.answers == {**ANSWERS, "mode": "confidential"}
    assert case.differences == {}
    assert desk.download(case, case.attachments[0], tmp_path).read_bytes() == data
    assert desk.download(case, case.attachments[1], tmp_path).read_bytes() == b""
    desk.answer(case, "Қашан болды? Когда?", [NewAttachment("form.txt", "text/plain", b"fill me in")])

    inbox = reporter.inbox(filed.receipt)
    assert [(one.by, one.text) for one in inbox.replies] == [("desk", "Қашан болды? Когда?")]
    assert inbox.rejected == ()
    assert inbox.proven
    assert inbox.download(inbox.replies[0], 0, tmp_path).read_bytes() == b"fill me in"
    inbox.send("On Monday", [NewAttachment("more.bin", "application/octet-stream", data[:70_000])])
    inbox.send("And on Tuesday")

    case = desk.case(line.id)
    assert [one.text for one in case.messages] == ["Қашан болды? Когда?", "On Monday", "And on Tuesday"]
    assert desk.download(case, case.messages[1].envelopes[0], tmp_path).read_bytes() == data[:70_000]


def test_a_plain_report_is_answered_in_the_same_way(reporter: Reporter, desk: StaffSession):
    filed = reporter.file_plain(report(attachments=[NewAttachment("a.txt", "text/plain", b"abc")]))
    case = desk.case(desk.find(filed.reference).id)
    assert case.line.mode == "plain"
    assert case.narrative.answers == {**ANSWERS, "mode": "anonymous"}
    assert case.attachments[0].sha256 is None
    desk.answer(case, "thank you")
    assert [one.text for one in reporter.inbox(filed.receipt).replies] == ["thank you"]


def test_a_case_is_handed_on_to_a_certified_investigator(team: Team, reporter: Reporter, desk: StaffSession):
    filed = reporter.file_sealed(report())
    line = desk.find(filed.reference)
    case = desk.case(line.id)
    investigator, lead = team.signed_in("inv.one", "investigator"), team.signed_in("lead.one", "lead")
    with pytest.raises(Problem) as caught:
        investigator.case(line.id)
    assert caught.value.status == 404
    assert list(investigator.cases()) == []

    assert desk.assign(case, team.made["inv.one"].id).roles == ("investigator",)
    assert steps.move(desk, line.id, "register") == "registered"
    mine = investigator.case(line.id)
    assert mine.narrative.answers["what"] == ANSWERS["what"]
    investigator.answer(mine, "I have your case")
    inbox = reporter.inbox(filed.receipt)
    assert [(one.by, one.signer) for one in inbox.replies] == [("staff", team.made["inv.one"].id)]
    assert [state for state, _day in inbox.view.states] == ["received", "registered"]
    assert [one.reference for one in investigator.cases(assigned="me")] == [filed.reference]
    with pytest.raises(NotHanded):
        desk.case(line.id)
    assert [one.text for one in lead.case(line.id).messages] == ["I have your case"]
    investigator.close()
    lead.close()


def test_without_a_certified_lead_nothing_is_handed_on(team: Team, reporter: Reporter):
    team.signed_in("inv.one", "investigator").close()
    filed = reporter.file_sealed(report())

    def without_leads(page: Any) -> None:
        page["items"] = [line for line in page["items"] if "lead" not in line["roles"]]

    desk = team.signed_in("desk.one", "desk", Lying("/staff", without_leads))
    case = desk.case(desk.find(filed.reference).id)
    with pytest.raises(NoLead):
        desk.assign(case, team.made["inv.one"].id)
    assert desk.case(case.line.id).line.assignees == ()
    desk.close()


def test_nobody_without_a_right_certificate_gets_a_case(team: Team, reporter: Reporter, desk: StaffSession):
    case = desk.case(desk.find(reporter.file_sealed(report()).reference).id)
    uncertified = team.make("inv.bare", "investigator", certified=False)
    with pytest.raises(Refused):
        desk.assign(case, uncertified.id)
    team.signed_in("inv.one", "investigator").close()
    with pytest.raises(Refused):
        desk.assign(case, team.made["inv.one"].id, role="lead")
    with pytest.raises(LookupError):
        desk.assign(case, "00000000-0000-4000-8000-000000000000")


def test_a_code_is_replaced_and_the_old_one_dies(reporter: Reporter, desk: StaffSession):
    filed = reporter.file_sealed(report())
    case_id = desk.find(filed.reference).id
    desk.answer(desk.case(case_id), "for the old code")
    inbox = reporter.inbox(filed.receipt)
    new = inbox.replace_code()
    assert reporter.inbox(filed.receipt).view.code_pending
    reporter.confirm_code(new)
    with pytest.raises(Problem) as caught:
        reporter.inbox(filed.receipt)
    assert caught.value.slug == "no-such-receipt"

    inbox = reporter.inbox(new)
    assert inbox.view.code_replaced_on is not None
    assert [one.reason for one in inbox.rejected] == ["key"]
    assert not inbox.proven
    with pytest.raises(Unproven):
        inbox.send("hello")
    inbox.send("hello from the new code", unproven=True)
    desk.answer(desk.case(case_id), "for the new code")
    inbox = reporter.inbox(new)
    assert [one.text for one in inbox.replies] == ["for the new code"]
    assert inbox.proven
    inbox.add_identity(NAMED)
    case = desk.case(case_id)
    assert [one.text for one in case.messages if one.by == "reporter"] == ["hello from the new code"]
    assert (case.identities, case.rejected) == (1, ())


def test_a_promise_is_kept_and_proven(team: Team, reporter: Reporter):
    filed = reporter.file_sealed(report())
    saved = Filed.from_json(filed.to_json())
    assert filed.receipt not in str(filed.to_json())
    assert reporter.check_log_inclusion(saved) is None
    publish_log(team)
    found = reporter.check_log_inclusion(saved)
    assert found is not None
    assert 0 <= found.index < found.size
    assert reporter.find_leaf(reporter.inbox(filed.receipt).view.leaf) == found
    verified = verify_log(reporter.http, reporter.directories)
    assert verified.size == found.size


def test_the_case_list_pages_and_filters(reporter: Reporter, desk: StaffSession):
    filed = reporter.file_sealed(report(fields={**FIELDS, "region": "110000000", "urgency": "danger"}))
    found = list(desk.cases(region="110000000", state="received"))
    assert [one.reference for one in found] == [filed.reference]
    assert found[0].fields["urgency"] == "danger"
    everything = list(desk.cases())
    assert len({one.id for one in everything}) == len(everything) >= 2
    assert desk.find(filed.reference.lower()).id == found[0].id
    with pytest.raises(LookupError):
        desk.find("ZZZZ-ZZZZ-ZZ")


def test_a_message_after_another_device_wrote_takes_the_next_place(reporter: Reporter, desk: StaffSession):
    filed = reporter.file_sealed(report())
    one, two = reporter.inbox(filed.receipt), reporter.inbox(filed.receipt)
    one.send("from the phone")
    two.send("from the computer")
    case = desk.case(desk.find(filed.reference).id)
    assert [found.text for found in case.messages] == ["from the phone", "from the computer"]


def test_mistakes_of_a_reporter_are_problems_or_receipt_errors(reporter: Reporter):
    with pytest.raises(ReceiptError):
        reporter.inbox("1234")
    receipt = new_receipt()
    with pytest.raises(Problem) as caught:
        reporter.inbox(receipt)
    assert caught.value.slug == "no-such-receipt"
    assert receipt not in repr(caught.value) + str(caught.value.__context__)
    with pytest.raises(Problem) as caught:
        reporter.file_plain(report(fields={**FIELDS, "region": "no-such-region"}))
    assert [pointer for pointer, _detail in caught.value.errors] == ["/fields/region"]


def test_mistakes_of_staff(team: Team):
    team.signed_in("desk.one", "desk").close()
    session = team.session()
    with pytest.raises(Problem) as caught:
        session.sign_in("desk.one", "a wrong password")
    assert caught.value.slug == "sign-in"
    session.sign_in("desk.one", PASSWORD)
    with pytest.raises(NotUnlocked):
        session.case("6f1c1f0a-8d5c-4d29-9be4-3a2a0e3f0d11")
    with pytest.raises(WrongKey):
        session.unlock("a wrong passphrase")
    assert PASSPHRASE not in repr(session.unlock(PASSPHRASE))
    assert PASSWORD not in repr(session)
    secret = session.secret
    again = team.session()
    again.resume(secret)
    assert again.me().person.login == "desk.one"
    again.sign_out()
    with pytest.raises(Problem):
        session.resume(secret)
    again.close()
    session.close()


def test_an_access_token_that_ran_out_is_renewed(desk: StaffSession, monkeypatch: pytest.MonkeyPatch):
    first = desk.bearer()
    monkeypatch.setattr(desk, "_token", "expired")
    assert list(desk.cases()) is not None
    assert desk.bearer() not in (first, {"Authorization": "Bearer expired"})


# --- a server that lies ------------------------------------------------------------------------------------------


class Lying(httpx2.BaseTransport):
    """Passes requests on and changes the JSON of answers whose path ends with a word."""

    def __init__(self, ending: str, change: Callable[[Any], Any]) -> None:
        self._real, self._ending, self._change = httpx2.HTTPTransport(), ending, change

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._real.handle_request(request)
        if not request.url.path.endswith(self._ending) or response.status_code >= 400:
            return response
        response.read()
        value = response.json()
        return httpx2.Response(response.status_code, json=self._change(value) or value)

    def close(self) -> None:
        self._real.close()


def changed(path: str, value: Any) -> Callable[[Any], None]:
    """A change that sets `path` (dots between names) to a value, or drops it."""

    def change(document: Any) -> None:
        *names, last = path.split(".")
        for name in names:
            document = document[int(name) if name.isdigit() else name]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("ending", "change"),
    [
        ("/key-directory", changed("body.sequence", 7)),
        ("/key-directory", changed("signatures", [])),
        ("/packages", changed("salt", "A" * 43)),
        ("/packages", changed("record.day", "2020-01-01")),
        ("/packages", changed("promise.body.within_hours", 4800)),
        ("/packages", changed("promise.signatures", [])),
        ("/packages", changed("rid", "A" * 43)),
        ("/reports", changed("manifest.fields.region", "110000000")),
        ("/reports", changed("manifest.mode", "sealed")),
        ("/reports", changed("record.rid", "A" * 43)),
        ("/reports", changed("receipt", "123456789012345678901234")),
    ],
)
def test_a_filing_is_believed_only_with_a_right_promise(
    team: Team, ending: str, change: Callable[[Any], None]
):
    with team.reporter(Lying(ending, change)) as liar:
        file = liar.file_plain if ending == "/reports" else liar.file_sealed
        with pytest.raises(CryptoError):
            file(report())


@pytest.mark.parametrize(
    "change",
    [
        changed("rid", "A" * 43),
        changed("next.n", 9),
        changed("next.prev", "A" * 43),
        changed("manifest.fields.region", "110000000"),
        changed("parts.0.sha256", "A" * 43),
        changed("parts.1.n", 5),
        changed("signature", "A" * 86),
    ],
)
def test_an_inbox_that_is_not_this_report_is_refused(
    team: Team, reporter: Reporter, change: Callable[[Any], None]
):
    filed = reporter.file_sealed(report())
    with team.reporter(Lying("/inbox", change)) as liar, pytest.raises((Refused, BadSignature)):
        liar.inbox(filed.receipt).send("never sent")


def test_a_server_cannot_swap_the_key_of_a_colleague(team: Team, reporter: Reporter, desk: StaffSession):
    team.signed_in("inv.one", "investigator").close()
    team.signed_in("inv.two", "investigator").close()
    filed = reporter.file_sealed(report())
    one, two = team.made["inv.one"].id, team.made["inv.two"].id

    def swap(page: Any) -> None:
        lines = {line["id"]: line for line in page["items"]}
        lines[one]["certificate"] = lines[two]["certificate"]

    liar = team.signed_in("desk.one", "desk", Lying("/staff", swap))
    with pytest.raises(Refused):
        liar.assign(liar.case(liar.find(filed.reference).id), one)
    liar.close()


def test_a_directory_is_not_believed_after_it_expired(team: Team):
    late = Reporter(team.server.url, team.roots, clock=lambda: utc_now() + timedelta(days=200))
    with pytest.raises(Refused):
        late.key_directory()
    late.close()
    other = Reporter(team.server.url, [bytes(32)] * 3)
    with pytest.raises(BadSignature):
        other.file_sealed(report())
    other.close()


def test_a_report_whose_answer_got_lost_is_stored_once(team: Team, desk: StaffSession):
    class Losing(httpx2.HTTPTransport):
        lost = 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            if request.url.path.endswith("/packages") and self.lost < 2:
                self.lost += 1
                response.read()
                raise httpx2.ReadError("the answer got lost", request=request)
            return response

    before = len(list(desk.cases()))
    transport = Losing()
    with team.reporter(transport) as reporter:
        filed = reporter.file_sealed(report())
        assert reporter.inbox(filed.receipt).view.reference == filed.reference
    assert transport.lost == 2
    assert len(list(desk.cases())) == before + 1


def test_an_answer_whose_confirmation_got_lost_is_stored_once(team: Team, reporter: Reporter):
    class Losing(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            if request.method == "POST" and request.url.path.endswith("/messages"):
                response.read()
                raise httpx2.ReadError("the answer got lost", request=request)
            return response

    filed = reporter.file_sealed(report())
    session = team.signed_in("desk.one", "desk", Losing())
    number = session.answer(session.case(session.find(filed.reference).id), "once")
    session.close()
    inbox = reporter.inbox(filed.receipt)
    assert [(one.number, one.text) for one in inbox.replies] == [(number, "once")]


def test_public_calls_need_no_session(team: Team):
    http = Http(team.server.url)
    assert http.get("/api/intake/v1/form").json()["version"]
    http.close()
