"""Steps by the client against a real server: words for the reporter, an outcome, what rewards and registry are told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.client import steps
from services.client.errors import Problem
from services.client.filing import Filed, NewReport
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.contracts.outcomes import Name, Person, RegistryOutcome, RewardsOutcome, claim_hash
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64, unb64
from services.crypto.errors import FormatError
from services.crypto.outcomes import Act, Facts, Outcome
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.servicekeys import read_service_key
from services.crypto.signatures import SigningKey
from tests.client.people import Team

FIELDS = {
    "amount_band": "unknown", "category": "bribe-taking", "channel": "api", "language": "kk",
    "region": "750000000", "sector": "health", "urgency": "normal", "year": 2026,
}  # fmt: skip
ACT = Act("Ойдан шығарылған сот", "1-23/2026", date(2026, 10, 1), date(2026, 10, 20))
CONVICTED = Facts("convicted", ACT, "grave", ("cc-366-2",), 5_000_000, None, 0)
WHOM = Person((Name("kk", "Ойданшықсын", "Мысал"),), born=date(1980, 2, 29))


class Recording(httpx2.BaseTransport):
    """Passes requests on and keeps the JSON of those that take a step."""

    def __init__(self) -> None:
        self._real, self.taken = httpx2.HTTPTransport(), list[dict[str, Any]]()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/steps"):
            self.taken.append(json.loads(request.read()))
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


@pytest.fixture
def sent() -> Recording:
    return Recording()


@pytest.fixture
def desk(team: Team, sent: Recording) -> Iterator[StaffSession]:
    session = team.signed_in("desk.one", "desk", sent)
    yield session
    session.close()


@pytest.fixture
def lead(team: Team) -> Iterator[StaffSession]:
    session = team.signed_in("lead.one", "lead")
    yield session
    session.close()


@pytest.fixture
def filed(reporter: Reporter) -> Filed:
    return reporter.file_sealed(NewReport(fields=FIELDS, answers={"what": "Ақша сұрады."}))


def registered(desk: StaffSession, filed: Filed) -> str:
    id_ = desk.find(filed.reference).id
    assert steps.move(desk, id_, "register", "criminal") == "registered"
    return id_


def key_of(team: Team, service: str) -> HybridIdentity:
    return read_service_key((Path(team.dev) / "keys" / f"{service}-identity.key").read_bytes())


def told(team: Team, request: dict[str, Any]) -> tuple[RewardsOutcome, RegistryOutcome | None]:
    """What both services read of a request."""
    events = request["events"]
    rewards = RewardsOutcome.opened(unb64(events["rewards"]), key_of(team, "rewards"))
    if "registry" not in events:
        return rewards, None
    return rewards, RegistryOutcome.opened(unb64(events["registry"]), key_of(team, "registry"))


def test_a_forwarded_case_tells_the_reporter_in_sealed_words(
    desk: StaffSession, reporter: Reporter, filed: Filed, sent: Recording
):
    id_ = registered(desk, filed)
    assert (
        steps.tell(desk, desk.case(id_), "forward", "Біз жібердік", body="general-prosecutor") == "forwarded"
    )
    inbox = reporter.inbox(filed.receipt)
    assert [reply.text for reply in inbox.replies] == ["Біз жібердік"]
    assert [state for state, _ in inbox.view.states] == ["received", "registered", "forwarded"]
    assert "Біз" not in json.dumps(sent.taken, ensure_ascii=False)


def test_an_outcome_reaches_reporter_rewards_and_registry_each_with_what_concerns_them(
    team: Team, desk: StaffSession, reporter: Reporter, filed: Filed, sent: Recording
):
    id_ = registered(desk, filed)
    assert steps.close(desk, desk.case(id_), CONVICTED, "Сот аяқталды", [WHOM]) == "closed"
    inbox = reporter.inbox(filed.receipt)
    (ended,) = inbox.outcomes
    assert (ended.outcome.facts, ended.outcome.text) == (CONVICTED, "Сот аяқталды")
    assert inbox.view.outcome is not None
    assert (inbox.view.outcome.kind, inbox.outcome_differs) == ("convicted", False)
    assert (inbox.replies, inbox.rejected) == ((), ())

    rewards, registry = told(team, sent.taken[-1])
    assert registry is not None
    assert rewards.claim == claim_hash(ended.outcome.claim)
    assert (rewards.act, rewards.bribe, rewards.gravity, rewards.replaces) == (ACT, 5_000_000, "grave", None)
    assert rewards.reported == f"{desk.today():%Y-%m}"
    assert (registry.persons, registry.region, registry.act) == ((WHOM,), "750000000", ACT)
    assert rewards.event != registry.event
    assert [str(person) for person in rewards.excluded] == [team.made["desk.one"].id]
    for event in (rewards, registry):
        text = json.dumps(event.to_json(), ensure_ascii=False)
        for tie in (filed.reference, id_, "Ақша", "Сот аяқталды"):
            assert tie not in text
    assert "Ойданшықсын" not in json.dumps(rewards.to_json(), ensure_ascii=False)


def test_whoever_worked_on_a_case_may_not_decide_on_it(
    team: Team, desk: StaffSession, lead: StaffSession, filed: Filed, sent: Recording
):
    id_ = registered(desk, filed)
    team.signed_in("inv.one", "investigator").close()
    desk.assign(desk.case(id_), team.made["inv.one"].id, lead=team.made["lead.one"].id)
    recording = Recording()
    investigator = team.signed_in("inv.one", "investigator", recording)
    steps.close(investigator, investigator.case(id_), CONVICTED, "end")
    rewards, registry = told(team, recording.taken[-1])
    assert registry is None, "no person, nothing for the registry"
    worked = {team.made[login].id for login in ("desk.one", "lead.one", "inv.one")}
    assert {str(person) for person in rewards.excluded} == worked
    assert [(ended.by, ended.signer) for ended in lead.case(id_).outcomes] == [
        ("staff", team.made["inv.one"].id)
    ]
    investigator.close()


def test_what_a_reopened_case_comes_to_corrects_what_was_told(
    team: Team, desk: StaffSession, lead: StaffSession, reporter: Reporter, filed: Filed, sent: Recording
):
    id_ = registered(desk, filed)
    steps.close(desk, desk.case(id_), CONVICTED, "first", [WHOM])
    assert steps.tell(lead, lead.case(id_), "reopen", "Қайта ашылды") == "in_review"
    assert lead.case(id_).sealed.outcome is None
    steps.close(desk, desk.case(id_), Facts("no_offence"), "second")
    (first, one), (second, two) = told(team, sent.taken[-2]), told(team, sent.taken[-1])
    assert one is not None
    assert two is not None, "the registry is told too, so that an entry can be taken back"
    assert (second.replaces, two.replaces) == (first.event, one.event)
    assert (second.kind, second.claim, two.persons) == ("no_offence", first.claim, ())
    steps.tell(lead, lead.case(id_), "reopen", "once more")
    steps.close(desk, desk.case(id_), replace(CONVICTED, gravity="minor"), "third", [WHOM])
    third, _ = told(team, sent.taken[-1])
    assert third.replaces == second.event
    inbox = reporter.inbox(filed.receipt)
    assert [ended.outcome.text for ended in inbox.outcomes] == ["first", "second", "third"]
    assert len({ended.outcome.claim for ended in inbox.outcomes}) == 1
    assert not inbox.outcome_differs


def test_an_end_without_a_final_act_is_told_to_nobody_else(desk: StaffSession, filed: Filed, sent: Recording):
    steps.close(desk, desk.case(registered(desk, filed)), Facts("explained"), "words")
    assert "events" not in sent.taken[-1]


def test_a_plain_report_shows_its_outcome_to_its_own_client(desk: StaffSession, reporter: Reporter):
    filed = reporter.file_plain(NewReport(fields=FIELDS, answers={"what": "Ақша сұрады."}))
    steps.close(desk, desk.case(registered(desk, filed)), Facts("not_confirmed"), "Расталмады")
    assert [one.outcome.facts.kind for one in reporter.inbox(filed.receipt).outcomes] == ["not_confirmed"]


def test_a_report_of_a_crime_is_not_returned_and_nothing_is_sent(
    desk: StaffSession, reporter: Reporter, filed: Filed
):
    id_ = registered(desk, filed)
    with pytest.raises(Problem) as refused:
        steps.tell(desk, desk.case(id_), "return", "no", ground="same_matter_ended")
    assert refused.value.slug == "conflict"
    assert "crime" in (refused.value.detail or "")
    inbox = reporter.inbox(filed.receipt)
    assert (inbox.replies, inbox.view.state) == ((), "registered")


@pytest.mark.parametrize(
    "facts",
    [
        replace(CONVICTED, gravity="worst"),
        replace(CONVICTED, articles=("a", "a")),
        replace(CONVICTED, bribe=-1),
        replace(CONVICTED, act=replace(ACT, in_force=date(2026, 9, 30))),
        Facts("two words"),
    ],
    ids=["gravity", "articles", "sum", "act", "kind"],
)
def test_impossible_facts_are_refused_before_anything_is_sent(
    desk: StaffSession, filed: Filed, sent: Recording, facts: Facts
):
    id_ = registered(desk, filed)
    before = len(sent.taken)
    with pytest.raises(FormatError):
        steps.close(desk, desk.case(id_), facts, "words")
    assert len(sent.taken) == before


def test_a_changed_outcome_in_clear_is_noticed(desk: StaffSession, reporter: Reporter, filed: Filed):
    id_ = registered(desk, filed)
    steps.close(desk, desk.case(id_), Facts("explained"), "words")
    case = desk.case(id_)
    assert case.sealed.outcome is not None
    assert not case.outcome_differs
    lied = replace(case, sealed=replace(case.sealed, outcome=replace(case.sealed.outcome, kind="convicted")))
    assert lied.outcome_differs
    inbox = reporter.inbox(filed.receipt)
    assert inbox.view.outcome is not None
    inbox.view = replace(inbox.view, outcome=replace(inbox.view.outcome, kind="convicted"))
    assert inbox.outcome_differs


def test_an_outcome_that_nobody_of_the_desk_signed_is_rejected(
    desk: StaffSession, reporter: Reporter, filed: Filed
):
    """A dishonest member of staff, or a server with a token, stores what it likes; readers do not believe it."""
    case = desk.case(registered(desk, filed))
    readers = [case.keyring.recipient, case.reporter]
    head = Header("outcome", "desk", case.sealed.manifest.rid, 1, 0, ZERO32)
    body = Outcome(Facts("explained"), "forged", bytes(32)).body()
    part = seal_payload(head, body, SigningKey.generate(), readers)
    asked = {"step": "close", "outcome": {"kind": "explained", "part": b64(part)}}
    desk.call("POST", f"/api/intake/v1/staff/cases/{case.line.id}/steps", asked)
    inbox = reporter.inbox(filed.receipt)
    assert (inbox.outcomes, [one.reason for one in inbox.rejected]) == ((), ["signature"])
    assert [one.reason for one in desk.case(case.line.id).rejected] == ["signature"]
    with pytest.raises(FormatError):
        seal_payload(replace(head, by="reporter"), body, SigningKey.generate(), readers)


def test_the_reference_gives_words_in_the_language_asked_for(desk: StaffSession):
    for language, word in {"kk": "Қаралуда", "ru": "На рассмотрении", "en": "In review"}.items():
        found = steps.reference(desk, language)
        assert found.name("states", "in_review") == word
        assert found.name("states", "nowhere") == "nowhere"
    assert {rule["code"] for rule in found.rules} >= {"register", "return", "reopen"}


def test_classification_and_body_are_recorded(desk: StaffSession, filed: Filed):
    id_ = registered(desk, filed)
    steps.classify(desk, id_, "non_criminal")
    steps.record_body(desk, id_, "akimat")
    steps.record_body(desk, id_, None)
    with pytest.raises(Problem):
        steps.record_body(desk, id_, "nowhere")
    with pytest.raises(Problem):
        steps.classify(desk, id_, "both")
