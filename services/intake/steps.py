"""The state machine of a case: every step with its legal source, who may take it, and what it needs. Pure.

A report of a crime is never returned, and nobody alone makes one of it that may be: the law forbids the first
(APC art. 64(7-2)), four eyes see to the second. What the source does not confirm says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.intake.step_data import codes, is_body, outcome_kind, tells_of_crime, words
from services.kit.i18n import N_

RECEIVED, REGISTERED, IN_REVIEW, FORWARDED, RETURNED, INVESTIGATION, CLOSED = STATES = (
    "received", "registered", "in_review", "forwarded", "returned", "investigation", "closed",
)  # fmt: skip
REGISTER, REVIEW, FORWARD, RETURN, INVESTIGATE, CLOSE, REOPEN = (
    "register", "review", "forward", "return", "investigate", "close", "reopen",
)  # fmt: skip
CRIMINAL, NON_CRIMINAL = CLASSIFICATIONS = ("criminal", "non_criminal")
GROUND, BODY, CLASSIFICATION, NOTICE, OUTCOME, EVENTS = (
    "ground", "body", "classification", "notice", "outcome", "events",
)  # fmt: skip
REWARDS, REGISTRY = "rewards", "registry"
LEAD = "lead"
_DESK = frozenset({"desk", LEAD})
_READERS = _DESK | {"investigator"}

_STATE = N_("A case in this state cannot go there.")
_ROLE = N_("Your role does not take this step.")
_UNKNOWN = N_("This step is not known.")
_CODE = N_("This code is not in the list.")
_EXTRA = N_("This step does not take this.")
_NEEDED: Mapping[str, str] = {
    GROUND: N_("A return needs one of the grounds of the code."),
    BODY: N_("Say which body the case goes to."),
    NOTICE: N_("The reporter must be told: this step needs a sealed message."),
    OUTCOME: N_("A case is closed with its outcome."),
}
_CRIME = N_(
    "A report of a crime is not returned. Forward it to the body in charge, or start the investigation."
)
_FOUR_EYES = N_("What was reported may be a crime. A lead, and not you, must have found that it is none.")
_GAPS = N_("No time that was set for filling gaps has run out.")
_NOT_CRIMINAL = N_("A pre-trial investigation needs a case that is classified as criminal.")
_CLASSIFIES = N_("Only desk and lead say whether a case is criminal.")
_NO_EVENT = N_("Rewards must be told of an outcome with a final act. Seal the event and send it along.")
_EVENT_EXTRA = N_("Only an outcome with a final act is told to rewards and the registry.")


@dataclass(frozen=True)
class Law:
    """Where a rule comes from: a source key, the article, and whether it was seen there."""

    source: str | None
    article: str
    status: Literal["confirmed", "recalled", "ours"]


#: The ground of a return that rests on a time limit (art. 64(7)).
GAPS_RAN_OUT = "time_for_gaps_ran_out"


@dataclass(frozen=True)
class Step:
    """One line of the table. `needs` must be in the request, `takes` may be, everything else must not."""

    code: str
    sources: frozenset[str]
    to: str
    roles: frozenset[str]
    law: Law
    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()


def _step(
    code: str,
    sources: Iterable[str],
    to: str,
    roles: frozenset[str],
    law: Law,
    needs: str = "",
    takes: str = "",
) -> Step:
    return Step(code, frozenset(sources), to, roles, law, frozenset(needs.split()), frozenset(takes.split()))


_STAGES = Law("EG21", "stages of a report", "confirmed")

#: Every step there is. An investigator takes steps of their own cases only, which the route sees to.
STEPS: Mapping[str, Step] = {
    step.code: step
    for step in (
        _step(REGISTER, [RECEIVED], REGISTERED, _DESK, Law("APPC", "64(3)", "confirmed"), takes=CLASSIFICATION),
        _step(REVIEW, [REGISTERED], IN_REVIEW, _READERS, _STAGES, takes=CLASSIFICATION),
        _step(FORWARD, [REGISTERED, IN_REVIEW, INVESTIGATION], FORWARDED, _READERS, Law("APPC", "65", "confirmed"),
              needs=f"{BODY} {NOTICE}"),
        _step(RETURN, [REGISTERED, IN_REVIEW], RETURNED, _DESK, Law("APPC", "64(7), 64(7-2)", "confirmed"),
              needs=f"{GROUND} {NOTICE}"),
        _step(INVESTIGATE, [REGISTERED, IN_REVIEW], INVESTIGATION, _READERS, _STAGES, takes=CLASSIFICATION),
        # The outcome has the words for the reporter in it. A body that a case was forwarded to tells how it ended.
        _step(CLOSE, [REGISTERED, IN_REVIEW, INVESTIGATION, FORWARDED], CLOSED, _READERS, _STAGES,
              needs=OUTCOME, takes=EVENTS),
        _step(REOPEN, [CLOSED, RETURNED, FORWARDED], IN_REVIEW, frozenset({LEAD}), Law(None, "", "ours"),
              needs=NOTICE),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What the rules must know of a case. `classified_by` and `classified_as` are of the classification in force.

    `told`: rewards was told of an outcome before the case was reopened, so that it must be told of the next one too.
    `gaps_ran_out`: a time was set in which the reporter should fill gaps, and is over.
    `unreachable`: somebody else may hold the receipt code, so that nothing is sealed to it and no message can be asked.
    """

    state: str
    category: str
    classification: str | None = None
    classified_by: UUID | None = None
    classified_as: str | None = None
    ever_criminal: bool = False
    told: bool = False
    unreachable: bool = False
    gaps_ran_out: bool = False

    @property
    def may_be_crime(self) -> bool:
        """Whether the reporter told of a crime, or anybody ever found that it is one."""
        return self.ever_criminal or self.classification == CRIMINAL or tells_of_crime(self.category)


@dataclass(frozen=True)
class Who:
    """Who takes a step."""

    person: UUID
    roles: frozenset[str]


@dataclass(frozen=True)
class Request:
    """What is asked for, as far as rules look at it: codes, and whether the sealed things are there."""

    step: str
    ground: str | None = None
    body: str | None = None
    classification: str | None = None
    outcome: str | None = None
    notice: bool = False
    events: frozenset[str] = frozenset()

    @property
    def given(self) -> frozenset[str]:
        """The members that the request has."""
        return frozenset(
            name for name in (GROUND, BODY, CLASSIFICATION, NOTICE, OUTCOME, EVENTS) if getattr(self, name)
        )


@dataclass(frozen=True)
class Refusal:
    """Why a step is not taken: by `role`, by the `state` of things, or by a `field` of the request (a pointer)."""

    kind: Literal["role", "state", "field"]
    message: str
    pointer: str = ""


def refusals(facts: Facts, who: Who, request: Request) -> list[Refusal]:
    """Everything that forbids a step of a case, the strongest kind only; empty when it may be taken."""
    step = STEPS.get(request.step)
    if step is None:
        return [Refusal("field", _UNKNOWN, "/step")]
    if not who.roles & step.roles:
        return [Refusal("role", _ROLE)]
    if facts.state not in step.sources:
        return [Refusal("state", _STATE)]
    if request.classification and not who.roles & _DESK:
        return [Refusal("role", _CLASSIFIES)]
    if found := [*_missing(step, facts, request), *_codes(request), *_events(facts, request)]:
        return found
    check = _CHECKS.get(step.code)
    return check(facts, who, request) if check else []


def role_of(roles: frozenset[str]) -> str:
    """In which role somebody classifies: a lead counts as one, whatever else they are."""
    return LEAD if LEAD in roles else "desk"


def reachable(state: str) -> frozenset[str]:
    """The codes of the steps that a case in this state may take, by anybody."""
    return frozenset(step.code for step in STEPS.values() if state in step.sources)


def _missing(step: Step, facts: Facts, request: Request) -> list[Refusal]:
    needs = step.needs - {NOTICE} if facts.unreachable else step.needs
    missing = sorted(needs - request.given)
    extra = sorted(request.given - needs - step.takes)
    return [
        *(Refusal("field", _NEEDED[name], f"/{name}") for name in missing),
        *(Refusal("field", _EXTRA, f"/{name}") for name in extra),
    ]


def _codes(request: Request) -> list[Refusal]:
    known: Mapping[str, Callable[[str], bool]] = {
        GROUND: codes(words().grounds).__contains__,
        BODY: is_body,
        CLASSIFICATION: CLASSIFICATIONS.__contains__,
        OUTCOME: lambda code: outcome_kind(code) is not None,
    }
    return [
        Refusal("field", _CODE, "/outcome/kind" if name == OUTCOME else f"/{name}")
        for name, check in known.items()
        if (code := getattr(request, name)) and not check(code)
    ]


def _events(facts: Facts, request: Request) -> list[Refusal]:
    kind = outcome_kind(request.outcome) if request.outcome else None
    if kind is None:
        return []
    if not (kind.final_act or facts.told):
        return [Refusal("field", _EVENT_EXTRA, "/events")] if request.events else []
    return [] if REWARDS in request.events else [Refusal("field", _NO_EVENT, "/events/rewards")]


def _may_return(facts: Facts, who: Who, request: Request) -> list[Refusal]:
    if facts.classification == CRIMINAL:
        return [Refusal("state", _CRIME)]
    if request.ground == GAPS_RAN_OUT and not facts.gaps_ran_out:
        return [Refusal("state", _GAPS)]
    if not facts.may_be_crime:
        return []
    found = facts.classification == NON_CRIMINAL and facts.classified_as == LEAD
    return [] if found and facts.classified_by != who.person else [Refusal("state", _FOUR_EYES)]


def _may_investigate(facts: Facts, _who: Who, request: Request) -> list[Refusal]:
    criminal = (request.classification or facts.classification) == CRIMINAL
    return [] if criminal else [Refusal("state", _NOT_CRIMINAL)]


_CHECKS: Mapping[str, Callable[[Facts, Who, Request], list[Refusal]]] = {
    RETURN: _may_return,
    INVESTIGATE: _may_investigate,
}
