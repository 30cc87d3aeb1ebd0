"""`make demo`: invented staff for every role, a case in every state and calls, made over HTTP as anybody would make them.

Everybody and everything here is invented and says so.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client import operator, steps
from services.client.filing import Filed, NewReport
from services.client.operator import PHONE, NewCall, NewNote
from services.client.staff import StaffSession
from services.contracts.accounts import Role
from services.crypto.outcomes import Act, Facts
from services.crypto.packages import NewAttachment
from services.crypto.receipts import format_receipt
from services.kit.files import write_private

#: Invented names; "Sample" stands where a surname would.
NAMES = (
    "Aigul", "Bauyrzhan", "Dinara", "Yerlan", "Gulnar", "Kairat", "Laura", "Marat", "Nazgul", "Olzhas", "Raushan",
    "Timur", "Zhanna",
)  # fmt: skip


#: Who holds the second and third seat beside the custodian of that list.
HOLDERS = ("", "Daniyar", "Saule")


@dataclass(frozen=True)
class Sample:
    """One invented report: who files how, the text, how far the desk takes it, and what the reporter is told."""

    mode: str
    plain: bool
    language: str
    text: str
    steps: tuple[str, ...] = ()
    words: str = ""
    assigned: bool = False
    category: str | None = None


#: A case for every state; the last step of each tells the reporter the words, or a message does.
SAMPLES = (
    Sample("anonymous", True, "kk", "Ойдан шығарылған мысал: емханада кезексіз өткізу үшін ақша сұрады."),
    Sample(
        "confidential",
        False,
        "ru",
        "Вымышленный пример: при выдаче разрешения попросили вознаграждение.",
        ("register",),
    ),
    Sample(
        "anonymous",
        False,
        "kk",
        "Ойдан шығарылған мысал: мемлекеттік сатып алуда бір ғана жеткізуші ұтып келеді.",
        ("register", "review"),
        "Рақмет. Қай жылғы сатып алу екенін жаза аласыз ба?",
        assigned=True,
    ),
    Sample(
        "anonymous",
        True,
        "ru",
        "Вымышленный пример: на вымышленном складе не хватает вымышленного топлива.",
        ("register", "forward"),
        "Ваше вымышленное сообщение направлено в орган, которому поручено такое рассматривать.",
    ),
    Sample(
        "open",
        False,
        "kk",
        "Ойдан шығарылған мысал: қызмет туралы шағым, ол бойынша жауап бұрын берілген.",
        ("register", "return"),
        "Бұл ойдан шығарылған мәселе бойынша жауап берілген, сондықтан хабарлама қайтарылды.",
        category="service-complaint",
    ),
    Sample(
        "confidential",
        False,
        "en",
        "An invented example: an inspector asked for money to close an invented case.",
        ("register", "investigate"),
        "Thank you. An invented pre-trial investigation has begun.",
        assigned=True,
    ),
    Sample(
        "open",
        True,
        "en",
        "An invented example: land was given to a relative without a tender.",
        ("register", "review", "close"),
        "Thank you. This invented case is closed.",
    ),
)
#: What the operator files for a caller, and how the invented case ended that is closed.
CALLED = Sample("anonymous", False, "ru", "Вымышленный звонок: за место в детском саду попросили деньги.")
ACT = Act("Sample court (invented)", "invented-1", date(2026, 10, 1), date(2026, 10, 20))
OUTCOME = Facts("convicted", ACT, "medium", ("cc-366-1",), bribe=100_000)


def fill(here: Here) -> dict[str, Any]:
    """Make staff and reports once; what to print. A second call only reads what the first one saved."""
    saved = here.dev / "demo.json"
    if saved.exists():
        found: dict[str, Any] = json.loads(saved.read_text())
        return found
    staff = {role.value: _colleague(here, role.value, name) for role, name in zip(Role, NAMES, strict=True)}
    reports = _reports(here, staff)
    more = {f"{Role.CUSTODIAN} ({seat})": _custodian(here, seat) for seat in (2, 3)}
    found = {"staff": [_line(role, one) for role, one in (staff | more).items()], "reports": reports}
    write_private(saved, json.dumps(found, ensure_ascii=False, indent=1).encode())
    return found


def _custodian(here: Here, seat: int) -> NewColleague:
    """One more holder of a seat: an identity takes two of them."""
    return _colleague(here, Role.CUSTODIAN.value, HOLDERS[seat - 1], f"demo-custodian-{seat}", seat)


def _colleague(
    here: Here, role: str, name: str, login: str | None = None, seat: int | None = None
) -> NewColleague:
    login = login or f"demo-{role}"
    if role == Role.CUSTODIAN:
        seat = seat or 1
    with administrator(here, None) as session:
        _, enrolment = session.add_staff(login, f"{name} Sample", [role])
        colleague = enrol_with_keys(here, login, enrolment)
        certify(here, session, colleague, [role], seat)
    secrets = {n: getattr(colleague, n) for n in ("login", "password", "totp_secret", "passphrase")}
    write_private(here.dev / f"{login}.json", json.dumps(secrets).encode())
    return colleague


def _line(role: str, colleague: NewColleague) -> dict[str, str]:
    return {
        "role": role,
        "login": colleague.login,
        "password": colleague.password,
        "passphrase": colleague.passphrase,
    }


@contextmanager
def _signed_in(here: Here, colleague: NewColleague) -> Iterator[StaffSession]:
    with here.staff() as session:
        session.sign_in(colleague.login, colleague.password)
        session.unlock(colleague.passphrase)
        yield session


def _reports(here: Here, staff: dict[str, NewColleague]) -> list[dict[str, str]]:
    lines = []
    with here.reporter() as reporter, _signed_in(here, staff["desk"]) as desk:
        form = reporter.form()
        for i, sample in enumerate(SAMPLES):
            report = _new_report(form, sample, i)
            filed = reporter.file_plain(report) if sample.plain else reporter.file_sealed(report)
            lines.append(_filed(filed, _take(desk, filed.reference, sample)))
            if sample.assigned:
                desk.assign(desk.case(desk.find(filed.reference).id), staff["investigator"].id)
    with _signed_in(here, staff["operator"]) as session:
        lines.append(_filed(_calls(here, session), "received (call to 1424)"))
    return lines


def _filed(filed: Filed, state: str) -> dict[str, str]:
    return {"reference": filed.reference, "receipt": format_receipt(filed.receipt), "state": state}


def _take(desk: StaffSession, reference: str, sample: Sample) -> str:
    """Take the steps of a sample and tell its words; the state that it comes to."""
    case_id, state = desk.find(reference).id, "received"
    for step in sample.steps:
        state = _step(desk, case_id, step, sample.words)
    if sample.words and sample.steps[-1] in ("review", "investigate"):
        desk.answer(desk.case(case_id), sample.words)
    return state


def _step(desk: StaffSession, case_id: str, step: str, words: str) -> str:
    match step:
        case "forward":
            return steps.tell(desk, desk.case(case_id), step, words, body="other")
        case "return":
            return steps.tell(desk, desk.case(case_id), step, words, ground="same_matter_ended")
        case "close":
            return steps.close(desk, desk.case(case_id), OUTCOME, words)
        case "investigate":
            return steps.move(desk, case_id, step, "criminal")
    return steps.move(desk, case_id, step)


def _calls(here: Here, session: StaffSession) -> Filed:
    """Two invented calls to 1424: one that reports, and one that asks to be called back."""
    with here.reporter(session.bearer) as reporter:
        filed = reporter.file_sealed(_new_report(reporter.form(), CALLED, len(SAMPLES), PHONE))
    operator.register(session, NewCall("report", CALLED.language, False, "report-filed"))
    note = NewNote("Ойдан шығарылған мысал: қалай хабарлауға болады?", "+7 700 000 00 00", "18:00-ден кейін")
    operator.register(session, NewCall("consultation", "kk", False, "call-back-asked", note=note))
    return filed


def _new_report(form: dict[str, Any], sample: Sample, i: int, channel: str = "api") -> NewReport:
    def pick(name: str) -> str:
        items = form["lists"][name]["items"]
        return str(items[(3 * i) % len(items)]["code"])

    fields = {
        "amount_band": pick("amount_bands"),
        "category": sample.category or pick("categories"),
        "channel": channel,
        "language": sample.language,
        "region": pick("regions"),
        "sector": pick("sectors"),
        "urgency": pick("urgency"),
        "year": 2026,
    }
    identity = (
        None if sample.mode == "anonymous" else {"name": f"Sample Reporter {i}", "phone": "+7 700 000 00 00"}
    )
    note = NewAttachment("invented.txt", "text/plain", sample.text.encode())
    return NewReport(fields, {"what": sample.text}, sample.mode, identity, [note])


def text(found: dict[str, Any], dev: Path) -> str:
    """What `make demo` prints."""
    staff = [f"  {s['role']:18} {s['login']:24} {s['password']:26} {s['passphrase']}" for s in found["staff"]]
    reports = [f"  {r['reference']}  {r['receipt']}  {r['state']}" for r in found["reports"]]
    return "\n".join(
        [
            "\nInvented staff (role, login, password, passphrase of the keys; no second factor in development):",
            *staff,
            f"  As files for --secrets: {dev}/demo-ROLE.json",
            "\nInvented reports (reference, receipt, state):",
            *reports,
            f"  Somebody asked 1424 to be called back: adal call callbacks --secrets {dev}/demo-desk.json",
            "",
        ]
    )
