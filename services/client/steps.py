"""Moving a case on: steps with their sealed words, and the outcome, sealed for the reporter and for whom it concerns.

Rewards and the registry learn an outcome from events that are sealed here, each to the service's own key of the checked
directory: the server passes them on and reads nothing. Neither event leads back to the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.client import chain
from services.client.cases import OpenedCase, SealedCase
from services.client.directory import INTAKE
from services.client.errors import NotUnlocked, understood
from services.client.form_words import names_of
from services.client.http import part_of_path
from services.client.keyring import last_key
from services.client.staff import StaffSession
from services.contracts.outcomes import (
    REGISTRY,
    REWARDS,
    Person,
    RegistryOutcome,
    RewardsOutcome,
    claim_hash,
    seal_outcome,
)
from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64
from services.crypto.errors import CryptoError, Refused
from services.crypto.outcomes import TYPE, Facts, Outcome, event_id, new_claim
from services.crypto.packages import NewAttachment
from services.crypto.payloads import Header, seal_payload

_STAFF = f"{INTAKE}/staff"

#: Kinds of outcome with a final act, of which rewards is told (and the registry, where the act is about somebody).
FINAL_ACTS = frozenset({"convicted", "administrative"})


@dataclass(frozen=True)
class Reference:
    """The table of steps and its words, as the server gives them. `words` is list -> code -> text in one language."""

    rules: tuple[dict[str, Any], ...] = field(repr=False)
    words: dict[str, dict[str, str]] = field(repr=False)

    def name(self, kind: str, code: str) -> str:
        """The text of a code of a list; the code itself where the list does not have it."""
        return self.words.get(kind, {}).get(code, code)


def reference(session: StaffSession, language: str) -> Reference:
    """The steps there are, and every list they choose from."""
    found = session.call("GET", f"{_STAFF}/case-steps").json()
    with understood():
        lists = ("states", "steps", "grounds", "classifications", "outcomes", "gravities", "bodies")
        words = {name: names_of(found[name], language) for name in lists}
        return Reference(tuple(found["rules"]), words)


def move(session: StaffSession, case_id: str, step: str, classification: str | None = None) -> str:
    """Take a step that tells the reporter nothing (register, review, investigate); the new state. Error: Problem."""
    extra = {"classification": classification} if classification else {}
    return _take(session, case_id, {"step": step, **extra})


def tell(
    session: StaffSession,
    case: OpenedCase,
    step: str,
    text: str,
    *,
    ground: str | None = None,
    body: str | None = None,
    attachments: Sequence[NewAttachment] = (),
) -> str:
    """Take a step with a message to the reporter (forward, return, reopen); the new state.

    While the receipt code is in doubt the step goes without the message. Errors: Problem, NotUnlocked.
    """
    codes: dict[str, Any] = {name: code for name, code in (("ground", ground), ("body", body)) if code}
    if not case.sealed.code_suspect:
        codes["notice"] = session.sealed_message(case, text, attachments)
    return _take(session, case.line.id, {"step": step, **codes})


def close(
    session: StaffSession, case: OpenedCase, facts: Facts, text: str, persons: Sequence[Person] = ()
) -> str:
    """Close a case with its outcome: sealed to the report and the reporter, and told to rewards and the registry.

    `persons` are whom the act is about, for the registry alone. Errors: Problem; FormatError for an impossible fact;
    Refused if the directory names no key to seal an event to.
    """
    claim = _claim(case)
    outcome = Outcome(facts, text, claim)
    asked = _ending(session, case.sealed, outcome, [case.keyring.recipient, case.reporter])
    if events := _events(session, case, facts, claim, persons):
        asked["events"] = {consumer: b64(file) for consumer, file in events.items()}
    return _take(session, case.line.id, asked)


def close_unopenable(session: StaffSession, case_id: str, facts: Facts, text: str) -> str:
    """Close a report that nobody can open; the new state. Its reporter sees the kind of the outcome and no words.

    With it their keys stay unknown, so the words are sealed to the report and to the desk. That it does not open is
    tried here with every key of its desk. Errors: Refused if it opens, or for a kind with a final act; NotUnlocked
    without those keys; NotHanded; Problem.
    """
    if facts.kind in FINAL_ACTS:
        raise Refused("nobody knows what an act would be about")
    sealed = session.sealed_case(case_id)
    _require_unopenable(session, sealed)
    desk = session.key_directory().desk(sealed.line.desk, session.today())
    recipients = [sealed.manifest.report_recipient, desk.recipient]
    asked = _ending(session, sealed, Outcome(facts, text, new_claim()), recipients)
    return _take(session, case_id, asked)


def classify(session: StaffSession, case_id: str, classification: str) -> None:
    """Say that a case is `criminal` or `non_criminal`. Error: Problem."""
    path = f"{_STAFF}/cases/{part_of_path(case_id)}/classification"
    session.call("PUT", path, {"classification": classification})


def record_body(session: StaffSession, case_id: str, body: str | None) -> None:
    """Record the code of the body that a report is about; None takes it back. Error: Problem."""
    session.call("PUT", f"{_STAFF}/cases/{part_of_path(case_id)}/body", {"body": body})


def _take(session: StaffSession, case_id: str, asked: dict[str, Any]) -> str:
    answer = session.call("POST", f"{_STAFF}/cases/{part_of_path(case_id)}/steps", asked).json()
    with understood():
        return str(answer["state"])


def _ending(
    session: StaffSession, sealed: SealedCase, outcome: Outcome, recipients: Sequence[HybridRecipient]
) -> dict[str, Any]:
    """The step `close` with its outcome; while the receipt code is in doubt for the first of `recipients` alone."""
    by, signing, extra = session.author(sealed.line.desk)
    sequence, place = session.key_directory().sequence, chain.end_of(chain.chain_of(sealed.parts, False))
    head = Header(TYPE, by, sealed.manifest.rid, sequence, place.n, place.prev)
    readers = recipients[:1] if sealed.code_suspect else recipients
    part = seal_payload(head, {**outcome.body(), **extra}, signing, readers)
    kind, key = outcome.facts.kind, last_key(sealed.parts)
    return {"step": "close", "outcome": {"kind": kind, "n": place.n, "key": key, "part": b64(part)}}


def _require_unopenable(session: StaffSession, sealed: SealedCase) -> None:
    """Return if a report does not open although every key of the desk that it was filed to is held."""
    directory = session.directories.of_report(sealed.directory, sealed.manifest.directory)
    held = {group.identity.recipient for group in session.unlocked.groups}
    if not held >= {line.recipient for line in directory.desks if line.id == sealed.line.desk}:
        raise NotUnlocked()
    try:
        session.case(sealed.line.id)
    except CryptoError:
        return
    raise Refused("the report opens")


def _claim(case: OpenedCase) -> bytes:
    """The claim token of the case: that of its last outcome, so that a claim made before still finds it."""
    return case.outcomes[-1].outcome.claim if case.outcomes else new_claim()


def _events(
    session: StaffSession, case: OpenedCase, facts: Facts, claim: bytes, persons: Sequence[Person]
) -> dict[str, bytes]:
    """The events of an outcome, sealed; none where there is nothing to tell or to correct."""
    before = any(line.outcome in FINAL_ACTS for line in case.sealed.steps)
    if facts.kind not in FINAL_ACTS and not before:
        return {}
    last = _last_told(case)
    told = {consumer: _told(session, case, facts, claim, consumer, last) for consumer in (REWARDS, REGISTRY)}
    filed, directory = case.line.filed_on, session.key_directory()
    rewards = RewardsOutcome(**told[REWARDS], claim=claim_hash(claim), reported=f"{filed:%Y-%m}")
    sealed = {REWARDS: seal_outcome(rewards, directory.service(REWARDS))}
    if persons or before:
        region = case.line.fields.get("region")
        registry = RegistryOutcome(**told[REGISTRY], persons=tuple(persons), region=region)
        sealed[REGISTRY] = seal_outcome(registry, directory.service(REGISTRY))
    return sealed


def _last_told(case: OpenedCase) -> int | None:
    """The place of the last outcome that was told to others: from the first final act on, every one is."""
    told, found = False, None
    for ended in case.outcomes:
        told = told or ended.outcome.facts.kind in FINAL_ACTS
        found = ended.n if told else None
    return found


def _told(
    session: StaffSession, case: OpenedCase, facts: Facts, claim: bytes, consumer: str, last: int | None
) -> dict[str, Any]:
    """What both consumers are told, under an id of the consumer's own."""
    people = {*case.sealed.people, session.me().person.id}
    return {
        "event": event_id(claim, consumer, case.place.n),
        "kind": facts.kind,
        "act": facts.act,
        "gravity": facts.gravity,
        "articles": facts.articles,
        "bribe": facts.bribe,
        "damage": facts.damage,
        "value_of_benefits": facts.value_of_benefits,
        "excluded": tuple(sorted(map(UUID, people))),
        "replaces": None if last is None else event_id(claim, consumer, last),
    }
