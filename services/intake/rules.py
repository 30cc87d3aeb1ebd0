"""Rules of intake as pure functions and tables: values and `now` in, decision out."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from services.crypto.directories import Desk

DESK = frozenset({"desk", "lead"})
READERS = DESK | {"investigator"}
CUSTODIANS = frozenset({"custodian"})
OPERATORS = frozenset({"operator"})

#: Who may call which staff route. A route that is not here is refused to everybody.
ACCESS: Mapping[str, frozenset[str]] = {
    "list_cases": READERS,
    "read_case": READERS,
    "read_case_part": READERS,
    "read_step_reference": READERS,
    "take_step": READERS,
    "classify_case": DESK,
    "record_body": DESK,
    "extend_case": frozenset({"lead"}),
    "mark_limit": DESK,
    "read_deadline_figures": frozenset({"lead", "auditor"}),
    "read_folder": READERS,
    "list_notes": READERS,
    "add_note": READERS,
    "read_label_reference": READERS,
    "set_labels": READERS,
    "link_cases": READERS,
    "unlink_cases": READERS,
    "record_package": READERS,
    "read_log_record": READERS,
    "triage_cases": DESK,
    "confirm_read": READERS,
    "place_hold": frozenset({"lead"}),
    "release_hold": frozenset({"lead"}),
    "read_deletion": DESK,
    "propose_deletion": DESK,
    "approve_deletion": frozenset({"lead"}),
    "refuse_deletion": DESK,
    "read_retention_reference": DESK | {"auditor"},
    "list_due_cases": DESK,
    "list_proposed_deletions": DESK,
    "list_deletions": frozenset({"lead", "auditor"}),
    "assign_case": DESK,
    "end_access": DESK,
    "answer_case": READERS,
    "publish_directory": frozenset({"administrator"}),
    "log_certificate": frozenset({"certifier"}),
    "list_desk_months": frozenset({"lead"}),
    "change_protection": DESK,
    "add_disclosure": frozenset({"lead"}),
    "end_disclosure": frozenset({"lead"}),
    "list_disclosures": frozenset({"lead", "auditor"}),
    "read_custody_reference": READERS | CUSTODIANS | {"auditor"},
    "ask_identity": READERS,
    "list_identity_requests": READERS | CUSTODIANS | {"auditor"},
    "read_identity_request": READERS | CUSTODIANS,
    "decide_identity_request": CUSTODIANS,
    "read_identity_share": CUSTODIANS,
    "release_identity_share": CUSTODIANS,
    "sign_undertaking": READERS,
    "open_identity": READERS,
    "list_undertakings": frozenset({"lead", "auditor"}),
    "read_call_reference": OPERATORS | DESK,
    "register_call": OPERATORS,
    "read_call_figures": OPERATORS | {"lead"},
    "look_up_status": OPERATORS | DESK,
    "report_code_used": OPERATORS | DESK,
    "list_callbacks": DESK,
    "finish_callback": DESK,
}

# --- channels

#: Channels (codes of `reference/channels.json`) that anybody may name, without a word of who they are.
PUBLIC_CHANNELS = frozenset({"web", "web-plain", "mobile", "api"})
#: Role of staff or scope of a system -> the channels under which it files for others.
CHANNELS: Mapping[str, frozenset[str]] = {
    "operator": frozenset({"phone-1424"}),
    "desk": frozenset({"letter", "walk-in"}),
    "lead": frozenset({"letter", "walk-in"}),
    "client:calls": frozenset({"phone-1424"}),
    "client:messages": frozenset({"bot", "egov"}),
}


#: Channels in which somebody besides the reporter saw or heard the first receipt code.
KNOWN_TO_OTHERS = frozenset().union(*CHANNELS.values())


def code_known_to_others(channel: str, replaced_on: date | None) -> bool:
    """Whether somebody besides the reporter may hold the receipt code in force, as far as the channel tells."""
    return channel in KNOWN_TO_OTHERS and replaced_on is None


def channels_of(roles: Iterable[str]) -> frozenset[str]:
    """The channels under which somebody with these roles or scopes files for others; empty for everybody else."""
    return frozenset().union(*(CHANNELS.get(role, frozenset()) for role in roles))


#: Routes that ask for a full proof of oneself in the last five minutes besides.
STEP_UP: frozenset[str] = frozenset(
    {
        *("ask_identity", "decide_identity_request", "release_identity_share", "open_identity"),
        *("propose_deletion", "approve_deletion", "refuse_deletion"),
    }
)

RECEIVED = "received"


def sees_all(roles: frozenset[str]) -> bool:
    """Desk and lead see every case; others only what is assigned to them."""
    return bool(roles & DESK)


def challenge_level(filed: int, unknown: int) -> int:
    """How many times the proof of work is doubled, 0 to 6.

    `filed` and `unknown` are filings and wrong receipt codes of the last five minutes in this process. A wrong code
    weighs ten filings: nobody mistypes a code with a check digit often.
    """
    load = filed + 10 * unknown
    return min(6, max(0, (load // 100).bit_length()))


def directory_in_force(valid_from: datetime, valid_until: datetime, now: datetime) -> bool:
    """Whether a directory may be used for sealing at `now`."""
    return valid_from <= now < valid_until


def directory_accepted(
    sequence: int, current: int, current_since: datetime, now: datetime, overlap: timedelta
) -> bool:
    """Whether a package made with directory `sequence` passes: the current one, or the one before it for a while."""
    return sequence == current or (sequence == current - 1 and now < current_since + overlap)


MAIN, QUARANTINE = "main", "quarantine"


def lane(filed: int, budget: int) -> str:
    """The lane of a report from a page without script, after `filed` others within an hour."""
    return MAIN if filed < budget else QUARANTINE


#: Longer than this nobody waits: a line that is longer is a flood, and a flood must not lock reporters out.
LONGEST_WAIT = timedelta(seconds=20)


def opening_wait(free_at: datetime, now: datetime, pace: timedelta) -> tuple[float, datetime]:
    """(seconds to wait, when the next place is free) for one more opening of an inbox, one place every `pace`.

    A short burst passes: places of the last ten paces that nobody took may still be taken.
    """
    place = max(free_at, now - 10 * pace)
    following = min(place + pace, now + LONGEST_WAIT)
    return max(0.0, (min(place, now + LONGEST_WAIT) - now).total_seconds()), following


# --- who can read a case

INVESTIGATOR, LEAD = "investigator", "lead"


def lead_missing(roles: Iterable[str]) -> bool:
    """Whether people with these roles may not have a case: an investigator works under a lead, who keeps its key."""
    found = set(roles)
    return INVESTIGATOR in found and LEAD not in found


def desk_keeps_grant(roles: Iterable[str]) -> bool:
    """Whether the desk still holds the key of a case with these assignees: until it is handed to an investigator."""
    return INVESTIGATOR not in set(roles)


def keys_given(given: Iterable[int], known: Iterable[int]) -> bool:
    """Whether a new assignee gets enough of a report's `known` keys: the first and the newest, none unknown or twice.

    One between may be missing: whoever put a key there that no client accepts must not lock the case.
    """
    keys, there = list(given), set(known)
    return len(keys) == len(set(keys)) and set(keys) <= there and {0, max(there)} <= set(keys)


# --- desk months


def months_of_grant(desks: Iterable[Desk], desk: str, day: date, life: timedelta) -> set[str]:
    """Months to whose key a desk's grant of a report filed on `day` may be sealed.

    More than one where a draft of an earlier day, or a clock that is a day off, may have chosen another month.
    """
    known = [line.month for line in desks if line.id == desk]
    days = [day + timedelta(days=distance) for distance in range(-life.days - 1, 2)]
    months = {max((month for month in known if month <= f"{one:%Y-%m}"), default="") for one in days}
    return months - {""}


# --- identity requests

OPEN, APPROVED, REFUSED, EXPIRED, RELEASED, OPENED = (
    "open", "approved", "refused", "expired", "released", "opened",
)  # fmt: skip


def identity_state(state: str, expires: datetime, now: datetime) -> str:
    """The state of an identity request at `now`: its time ends what was not released by then."""
    return EXPIRED if state in (OPEN, APPROVED) and now >= expires else state


def after_decision(k: int, n: int, approvals: int, refusals: int) -> str:
    """The state after a decision: k of n approve, or so many refuse that k cannot be reached any more."""
    if approvals >= k:
        return APPROVED
    return REFUSED if refusals >= n - k + 1 else OPEN


def after_release(state: str, k: int, releases: int) -> str:
    """The state of an approved request after a release."""
    return RELEASED if releases >= k else state


def shown_from(day: date, deferral: date | None) -> date:
    """The day from which the inbox shows an opening of `day`: at once, or when the approved deferral ends."""
    return max(day, deferral or day)
