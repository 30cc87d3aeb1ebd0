"""The people of an opening, three of them with the development seats, and a server that lies, for tests over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client.custody import Custody
from services.client.directory import utc_now
from services.client.staff import StaffSession
from services.kit.clock import day_of
from tests.system.office import Office, new_report

#: A session is used again for so long: unlocking takes a second, and a full proof is good for five minutes.
FRESH = 100.0
Lie = Callable[[Any], Any]


@dataclass
class Liar(httpx2.BaseTransport):
    """A connection to the true server whose answers are changed where the path contains a word of `lies`.

    A lie gets the parsed JSON, or the text when it is none, and gives another one; an int is an error of that status.
    """

    lies: dict[str, Lie] = field(default_factory=dict)
    true: httpx2.HTTPTransport = field(default_factory=httpx2.HTTPTransport)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.true.handle_request(request)
        lie = next((lie for word, lie in self.lies.items() if word in request.url.path), None)
        if lie is None:
            return answer
        body = answer.read().decode()
        answer.close()
        told = lie(json.loads(body) if body.startswith("{") else body)
        if isinstance(told, int):
            problem = {"type": "urn:adal:problem:not-published", "title": "T", "status": told, "detail": "D"}
            return httpx2.Response(told, json=problem)
        content = told if isinstance(told, str) else json.dumps(told)
        return httpx2.Response(answer.status_code, content=content.encode())

    def close(self) -> None:
        self.true.close()


@dataclass
class Chamber:
    """An office, and the people of an opening by name: custodian-1..3, lead, auditor, later (an investigator)."""

    office: Office
    people: dict[str, NewColleague]
    sessions: dict[str, tuple[float, StaffSession]] = field(default_factory=dict)

    def session(self, name: str) -> StaffSession:
        """A session that was signed in lately."""
        made, session = self.sessions.get(name, (0.0, None))
        if session is None or time.monotonic() - made > FRESH:
            session = self.office.signed_in(self.people[name])
            self.sessions[name] = (time.monotonic(), session)
        return session

    def custody(self, name: str) -> Custody:
        """A signed-in person's side of identity requests."""
        return Custody(self.session(name))

    def lied_to(self, name: str, liar: Liar, ahead: timedelta = timedelta(0)) -> Custody:
        """The same over a lying connection, by a clock that goes `ahead`."""

        def clock() -> datetime:
            return utc_now() + ahead

        here, colleague = self.office.staff_here, self.people[name]
        session = StaffSession(here.url, here.roots(), liar, clock=clock)
        self.office.sessions.append(session)
        session.sign_in(colleague.login, colleague.password)
        session.unlock(colleague.passphrase)
        return Custody(session)

    # --- steps

    def filed(self, mark: str) -> tuple[str, str]:
        """Reference and receipt of a confidential report that is assigned to the investigator."""
        with self.office.here.reporter() as reporter:
            done = reporter.file_sealed(new_report(reporter, mark))
        desk = self.session("desk")
        case = desk.case(desk.find(done.reference).id)
        desk.assign(case, self.office.investigator.id, lead=self.people["lead"].id)
        return done.reference, done.receipt

    def asked(self, reference: str, mark: str, deferral_days: int = 0) -> str:
        """The id of a new request by the investigator."""
        session = self.session("investigator")
        case = session.case(session.find(reference).id)
        deferral = day_of(utc_now()) + timedelta(days=deferral_days) if deferral_days else None
        return Custody(session).ask(case, "pre-trial", f"{mark} reason", deferral).id

    def approved(self, request: str, *seats: int) -> None:
        for seat in seats:
            custody = self.custody(f"custodian-{seat}")
            custody.decide(custody.read(request), approve=True)

    def released(self, request: str, *seats: int) -> None:
        for seat in seats:
            custody = self.custody(f"custodian-{seat}")
            custody.release(custody.read(request))

    def call(self, name: str, method: str, path: str) -> Any:
        """A call below the identity requests, past the client's own checks."""
        body: dict[str, Any] | None = {} if method == "POST" else None
        path = f"/api/intake/v1/staff/identity-requests{path}"
        return self.session(name).call(method, path, body).json()


def colleague(here: Here, login: str, role: str, seat: int | None = None) -> NewColleague:
    """Somebody enrolled and certified over HTTP; with `seat`, holding that development seat."""
    with administrator(here, None) as session:
        _, enrolment = session.add_staff(login, "Invented Person", [role])
        made = enrol_with_keys(here, login, enrolment)
        certify(here, session, made, [role], seat)
    return made


@contextmanager
def opened_chamber(office: Office) -> Iterator[Chamber]:
    """The people of an opening beside those of the office."""
    here = office.staff_here
    people = {f"custodian-{i}": colleague(here, f"seat-{i}", "custodian", i) for i in (1, 2, 3)}
    people |= {role: colleague(here, f"chamber-{role}", role) for role in ("lead", "auditor")}
    people["later"] = colleague(here, "chamber-later", "investigator")
    people |= {"desk": office.desk, "investigator": office.investigator}
    yield Chamber(office, people)
