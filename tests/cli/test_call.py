"""The seat of an operator at the terminal, against a real server: a call, a receipt read out, and what is left of it."""

import json
import re
from pathlib import Path

import pytest

from services.cli.here import Here, read_secrets, sign_in_with_code
from services.client.errors import Problem
from services.client.filing import NewReport
from services.client.operator import KNOWN_TO_OTHERS, code_known_to_others
from services.client.staff import StaffSession
from services.client.systems import System
from services.crypto.receipts import format_receipt, new_receipt
from services.intake import rules
from tests.cli.conftest import Outcome, Run
from tests.cli.test_form import GOOD
from tests.cli.test_journey import desk, folder, lead, secrets_of, shown_of
from tests.system.conftest import Server

__all__ = ["desk", "folder", "lead"]

WORDS = "MARKER-call the headmaster asked for money"
NUMBER = "+7 700 000 11 22"


@pytest.fixture
def operator(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "op.tour", "operator", "Operator Tour")


@pytest.fixture
def answers(folder: Path) -> Path:
    path = folder / "call.json"
    path.write_text(json.dumps({**GOOD, "mode": "anonymous", "answers": {"what": WORDS}, "identity": None}))
    return path


def call(adal: Run, answers: Path, who: Path, *more: str, kind: str = "report", typed: str = "") -> Outcome:
    return adal("call", kind, "--answers", answers, "--yes", "--secrets", who, *more, typed=typed)


@pytest.fixture
def taken(adal: Run, answers: Path, operator: Path) -> tuple[str, str]:
    """Receipt and reference of a report taken on the telephone, whose code nobody repeated."""
    found = call(adal, answers, operator, typed="\n")
    assert found.code == 0, found.err
    return shown_of(found)


def figure(adal: Run, who: Path, name: str) -> int:
    found = adal("call", "figures", "--secrets", who)
    assert found.code == 0, found.err
    line = re.search(rf"^{re.escape(name)} +(\d+) +(\d+)", found.out, re.MULTILINE)
    return int(line[1]) if line else 0


def test_the_code_is_read_out_in_six_groups_and_what_must_be_said_is_shown(
    adal: Run, answers: Path, operator: Path
):
    before = figure(adal, operator, "Calls")
    found = call(adal, answers, operator, typed=f"{format_receipt(new_receipt())}\n12\n\n")
    assert found.code == 0, found.err
    assert re.search(r"(\d{4} ){5}\d{4}", found.out)
    assert found.err.count("That is not the code.") == 2
    assert "The code was not repeated." in found.err
    for words in (
        "You need not say who you are",
        "replace it by a new one",
        "the desk asks nothing",
        "call 1424",
    ):
        assert words in found.out
    assert WORDS not in found.text
    assert figure(adal, operator, "Calls") == before + 1
    assert figure(adal, operator, "A report was filed, the code was not repeated") >= 1


@pytest.mark.parametrize(
    ("language", "words"), [("kk", "Бұл кодты мен де білемін"), ("ru", "Этот код знаю и я")]
)
def test_sentences_are_said_in_the_language_of_the_caller(
    adal: Run, folder: Path, operator: Path, language: str, words: str
):
    path = folder / f"call-{language}.json"
    fields = {**GOOD["fields"], "language": language}
    path.write_text(json.dumps({"mode": "anonymous", "fields": fields, "answers": {"what": WORDS}}))
    found = call(adal, path, operator, typed="\n")
    assert found.code == 0, found.err
    assert words in found.out
    assert "The call is recorded" in found.out, "the operator's own language"


def test_a_report_by_telephone_reaches_the_desk_with_its_channel_and_a_warning(
    adal: Run, taken: tuple[str, str], desk: Path
):
    receipt, reference = taken
    opened = adal("case", "open", reference, "--secrets", desk)
    assert WORDS in opened.out
    assert "Call to 1424" in opened.out
    assert "known to whoever took this report" in opened.err
    told = adal("case", "answer", reference, "--text", "-", "--secrets", desk, typed="Which school?\n")
    assert told.code == 0, told.err
    assert "Ask nothing that shows who the reporter is." in told.err
    inbox = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "Whoever took your report knows this code" in inbox.out
    assert "Which school?" in inbox.out


def test_pressure_and_complaint_have_their_category(adal: Run, answers: Path, operator: Path, desk: Path):
    for kind, category in (("pressure", "A business was pressed"), ("complaint", "Complaint about")):
        found = call(adal, answers, operator, kind=kind, typed="\n")
        assert found.code == 0, found.err
        opened = adal("case", "open", shown_of(found)[1], "--secrets", desk)
        assert category in opened.out
    assert figure(adal, operator, "Pressure on business or obstruction of it") >= 1
    assert figure(adal, operator, "Complaint about the service and its staff") >= 1


def test_nothing_goes_without_a_yes_and_no_call_is_recorded(adal: Run, answers: Path, operator: Path):
    before = figure(adal, operator, "Calls")
    found = adal("call", "report", "--answers", answers, "--secrets", operator, typed="no\n")
    assert found.code == 2
    assert "Nothing was sent." in found.err
    assert figure(adal, operator, "Calls") == before


def test_letters_and_walk_ins_are_entered_by_the_desk(adal: Run, answers: Path, desk: Path, folder: Path):
    scan = folder / "scan.png"
    scan.write_bytes(b"\x89PNG invented")
    letter = call(adal, answers, desk, "--attach", str(scan), kind="letter")
    assert letter.code == 0, letter.err
    assert "closed envelope" in letter.out
    opened = adal("case", "open", shown_of(letter)[1], "--secrets", desk)
    assert "Letter" in opened.out
    assert "scan.png" in opened.out
    receipt = call(adal, answers, desk, kind="walk-in", typed="\n")
    assert receipt.code == 0, receipt.err
    assert "In person" in adal("case", "open", shown_of(receipt)[1], "--secrets", desk).out


def test_each_seat_has_its_own_doors(adal: Run, answers: Path, operator: Path, desk: Path):
    for who, kind in ((operator, "letter"), (operator, "walk-in"), (desk, "report")):
        found = call(adal, answers, who, kind=kind, typed="\n")
        assert found.code == 2
        assert "cannot file a report under this channel" in found.err
    for args in (("consult", "--speaks", "kk", "--wrap-up", "consultation-given"), ("figures",)):
        assert adal("call", *args, "--secrets", desk, typed="\n").code == 2


def test_the_operator_cannot_read_the_report_back(
    adal: Run, taken: tuple[str, str], operator: Path, installation: Server
):
    """With every key and token of the operator: no list, no case, no part; the code shows answers, not the report."""
    receipt, reference = taken
    for args in (("case", "list"), ("case", "open", reference), ("case", "answer", reference, "--text", "-"),
                 ("case", "download", reference, "--to", "."),
                 ("identity", "ask", reference, "--ground", "court", "--reason", "-"),
                 ("call", "callbacks")):  # fmt: skip
        found = adal(*args, "--secrets", operator, typed="x\n")
        assert found.code == 2, args
        assert WORDS not in found.text
    here = Here(installation.url, installation.var, None)
    secrets = read_secrets(operator)
    with here.staff() as session:
        sign_in(session, secrets, operator)
        session.unlock(secrets.passphrase or "")
        assert session.unlocked.groups == (), "no key of a desk or a seat"
        for path in ("/cases", "/callbacks", "/identity-requests", "/desk-months"):
            with pytest.raises(Problem) as refused:
                session.call("GET", f"/api/intake/v1/staff{path}")
            assert refused.value.status == 403
    with here.reporter() as reporter:
        inbox = reporter.inbox(receipt)
        assert (inbox.replies, inbox.rejected) == ((), ())
        for part in inbox.view.parts:
            with pytest.raises(Problem) as hidden:
                reporter.http.get(f"/api/intake/v1/inbox/parts/{part.number}", inbox_headers(inbox))
            assert hidden.value.status == 404
        new = inbox.replace_code()
        reporter.confirm_code(new)
        with pytest.raises(Problem) as gone:
            reporter.inbox(receipt)
        assert gone.value.slug == "no-such-receipt"


def inbox_headers(inbox: object) -> dict[str, str]:
    found: dict[str, str] = inbox._bearer()  # type: ignore[attr-defined]
    return found


def sign_in(session: StaffSession, secrets: object, file: Path) -> None:
    """Go on with the session that the command keeps, or begin one."""
    kept = file.with_name(file.name + ".session")
    if kept.exists():
        session.resume(kept.read_text().strip())
    else:
        sign_in_with_code(session, secrets)  # type: ignore[arg-type]


def test_a_call_back_is_opened_by_the_desk_alone(adal: Run, operator: Path, desk: Path):
    asked = adal("call", "callback", "--speaks", "ru", "--number", NUMBER, "--wish", "after six", "--text", "-",
                 "--secrets", operator, typed="about a licence\n")  # fmt: skip
    assert asked.code == 0, asked.err
    assert "sealed to the desk" in asked.out
    listed = adal("call", "callbacks", "--secrets", desk)
    assert listed.code == 0, listed.err
    for words in (NUMBER, "after six", "about a licence", "Consultation", "ru"):
        assert words in listed.out
    assert "Not signed" not in listed.out
    note = re.findall(r"^([0-9a-f-]{36})  ", listed.out, re.MULTILINE)[-1]
    assert adal("call", "done", note, "--secrets", desk).code == 0
    assert adal("call", "done", note, "--secrets", desk).code == 2
    assert note not in adal("call", "callbacks", "--secrets", desk).out
    assert note in adal("call", "callbacks", "--done", "--secrets", desk).out


def test_a_consultation_without_a_report_and_feedback(adal: Run, operator: Path, desk: Path, lead: Path):
    empty = adal("call", "consult", "--speaks", "kk", "--wrap-up", "consultation-given", "--text", "-",
                 "--secrets", operator)  # fmt: skip
    assert empty.code == 0, empty.err
    assert "sealed" not in empty.out
    asked = adal("call", "consult", "--speaks", "kk", "--text", "-", "--secrets", operator, typed="")
    assert "Consultation given" in asked.out, "the ends of a call are listed where none was given"
    words = adal("call", "feedback", "--speaks", "en", "--wrap-up", "passed-to-desk", "--text", "-",
                 "--secrets", operator, typed="MARKER you are kind\n")  # fmt: skip
    assert words.code == 0, words.err
    assert "MARKER you are kind" in adal("call", "callbacks", "--notes", "--secrets", desk).out
    figures = adal("call", "figures", "--secrets", lead)
    assert "Consultation given" in figures.out
    assert re.search(r"^  [0-9a-f-]{36}  \d+$", figures.out, re.MULTILINE), "each operator, for a lead"


@pytest.mark.parametrize(
    "args",
    [
        ("consult", "--speaks", "de", "--wrap-up", "consultation-given"),
        ("consult", "--speaks", "kk", "--wrap-up", "nothing"),
        ("feedback", "--speaks", "kk", "--wrap-up", "passed-to-desk"),
        ("callback", "--speaks", "kk", "--wish", "", "--number", ""),
        ("callback", "--speaks", "kk", "--wish", "", "--number", NUMBER),
        ("figures", "--day", "yesterday"),
        ("status", "AAAA-AAAA-AA"),
        ("code-used", "AAAA-AAAA-AA"),
    ],
    ids=" ".join,
)
def test_wrong_input_is_explained(adal: Run, operator: Path, args: tuple[str, ...]):
    text = ("--text", "-") if args[0] in ("consult", "feedback", "callback") else ()
    found = adal("call", *args, *text, "--secrets", operator, typed="\n")
    assert found.code == 2, found.text
    assert found.err


def test_a_state_is_told_by_reference(adal: Run, taken: tuple[str, str], operator: Path):
    found = adal("call", "status", taken[1].lower().replace("-", " "), "--secrets", operator)
    assert found.code == 0, found.err
    assert taken[1] in found.out
    assert "received" in found.out
    assert "bribe" not in found.out


def test_after_a_code_was_used_the_desk_writes_nothing_until_it_is_replaced(
    adal: Run, taken: tuple[str, str], operator: Path, desk: Path, installation: Server
):
    receipt, reference = taken
    flagged = adal("call", "code-used", reference, "--secrets", operator)
    assert flagged.code == 0, flagged.err
    assert "The case is flagged." in flagged.out
    refused = adal("case", "answer", reference, "--text", "-", "--secrets", desk, typed="Who are you?\n")
    assert refused.code == 1
    assert "Nothing is sealed to it until it is replaced." in refused.err
    assert "somebody else used this receipt code" in adal("case", "open", reference, "--secrets", desk).out
    shown = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "The desk writes nothing until it is replaced." in shown.out
    assert "Said to be used by somebody else" in adal("call", "status", reference, "--secrets", operator).out
    with Here(installation.url, installation.var, None).reporter() as reporter:
        new = reporter.inbox(receipt).replace_code()
        reporter.confirm_code(new)
    told = adal("case", "answer", reference, "--text", "-", "--secrets", desk, typed="Which day?\n")
    assert told.code == 0, told.err
    assert "known to whoever" not in told.err
    assert "It was replaced since." in adal("inbox", "show", "--receipt", "-", typed=new + "\n").out


def test_a_switchboard_files_in_plain_mode_with_its_own_credential(
    adal: Run, desk: Path, installation: Server, answers: Path
):
    made = adal("staff", "client", "add", "switchboard", "--scope", "client:calls", "--secrets",
                installation.var / "dev" / "administrator.json")  # fmt: skip
    assert made.code == 0, made.err
    client = re.search(r"([0-9a-f]{8}-[0-9a-f-]{27})", made.out)
    secret = re.search(r"^.*[Ss]ecret.*?  +(\S+)$", made.out, re.MULTILINE)
    assert client is not None
    assert secret is not None
    filled = json.loads(answers.read_text())
    here = Here(installation.url, installation.var, None)
    fields = {**GOOD["fields"], "channel": "phone-1424", "language": "kk", "year": 2026}
    report = NewReport(fields, filled["answers"], "anonymous")
    with here.reporter() as plain:
        system = System(plain.http, client[1], secret[1])
        assert secret[1] not in repr(system)
        with here.reporter(system.bearer) as reporter:
            filed = reporter.file_plain(report)
            with pytest.raises(Problem) as refused:
                reporter.file_plain(NewReport({**fields, "channel": "bot"}, filled["answers"], "anonymous"))
            assert refused.value.slug == "channel"
    opened = adal("case", "open", filed.reference, "--secrets", desk)
    assert WORDS in opened.out
    assert "Call to 1424" in opened.out


def test_client_and_service_agree_on_who_else_knows_a_code():
    assert KNOWN_TO_OTHERS == rules.KNOWN_TO_OTHERS
    assert code_known_to_others({"channel": "phone-1424"}, None)
    assert not code_known_to_others({"channel": "web"}, None)
