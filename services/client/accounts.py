"""Accounts from outside: what an administrator does to those of others, what everybody does to their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.client.errors import understood
from services.client.http import part_of_path
from services.client.session import ACCOUNTS, Session

_CLIENTS = f"{ACCOUNTS}/clients"


@dataclass(frozen=True)
class SessionLine:
    """A session of one's own: its id, the day of the sign-in, and whether it is this one."""

    id: str
    created: str
    current: bool


@dataclass(frozen=True)
class ClientLine:
    """An API client, without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    active: bool


@dataclass(frozen=True)
class ClientSecret:
    """The secret of an API client, shown once."""

    id: str
    secret: str = field(repr=False)


def change_roles(session: Session, person: str, roles: Sequence[str]) -> None:
    """Other roles for a colleague. Errors: Problem `invalid` with the reasons, `forbidden` for oneself."""
    session.call("PUT", f"{_staff(person)}/roles", {"roles": sorted(set(roles))})


def set_active(session: Session, person: str, active: bool) -> None:
    """Close an account, which ends its sessions, or open it again."""
    session.call("PUT", f"{_staff(person)}/active", {"active": active})


def renew_enrolment(session: Session, person: str) -> str:
    """A new one-time enrolment secret for somebody who lost their factors."""
    answer = session.call("POST", f"{_staff(person)}/enrolment", {}).json()
    with understood():
        return str(answer["enrolment"])


def leave(session: Session, person: str) -> None:
    """Somebody leaves for good. Error: Problem `conflict` while they alone hold a seat."""
    session.call("POST", f"{_staff(person)}/leave", {})


def link_subject(session: Session, person: str, issuer: str, subject: str) -> None:
    """Who a colleague is at the identity provider. Errors: Problem `conflict` if taken, `forbidden` for oneself."""
    session.call("PUT", f"{_staff(person)}/external-subject", {"issuer": issuer, "subject": subject})


def unlink_subject(session: Session, person: str) -> None:
    """No single sign-on for a colleague any more."""
    session.call("DELETE", f"{_staff(person)}/external-subject")


def end_sessions_of(session: Session, person: str) -> None:
    """End all sessions of a colleague."""
    session.call("DELETE", f"{_staff(person)}/sessions")


def own_sessions(session: Session) -> list[SessionLine]:
    """One's live sessions, oldest first."""
    answer = session.session_call("GET", f"{ACCOUNTS}/sessions").json()
    with understood():
        return [
            SessionLine(str(one["id"]), str(one["created"]), bool(one["current"])) for one in answer["items"]
        ]


def end_own(session: Session, id: str | None) -> None:  # noqa: A002 - the name of the API
    """End one session of one's own, or all others without an id."""
    one = "" if id is None else f"/{part_of_path(id)}"
    session.session_call("DELETE", f"{ACCOUNTS}/sessions{one}")


def new_recovery_codes(session: Session) -> list[str]:
    """Ten recovery codes, shown once; those before are void."""
    answer = session.call("POST", f"{ACCOUNTS}/me/recovery-codes", {}).json()
    with understood():
        return [str(code) for code in answer["codes"]]


def clients(session: Session) -> list[ClientLine]:
    """All API clients."""
    answer = session.call("GET", _CLIENTS).json()
    with understood():
        return [
            ClientLine(str(one["id"]), str(one["name"]), tuple(one["scopes"]), bool(one["active"]))
            for one in answer["items"]
        ]


def add_client(session: Session, name: str, scopes: Sequence[str]) -> ClientSecret:
    """A client for a system, and its secret."""
    return _secret(session.call("POST", _CLIENTS, {"name": name, "scopes": sorted(set(scopes))}).json())


def renew_client_secret(session: Session, client: str) -> ClientSecret:
    """A new secret; the one before is void."""
    return _secret(session.call("POST", f"{_CLIENTS}/{part_of_path(client)}/secret", {}).json())


def set_client_active(session: Session, client: str, active: bool) -> None:
    """Close a client, or open it again."""
    session.call("PUT", f"{_CLIENTS}/{part_of_path(client)}/active", {"active": active})


def _secret(answer: dict[str, Any]) -> ClientSecret:
    with understood():
        return ClientSecret(str(answer["id"]), str(answer["secret"]))


def _staff(person: str) -> str:
    return f"{ACCOUNTS}/staff/{part_of_path(person)}"
