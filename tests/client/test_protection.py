"""Retaliation and incidents through the client against a real server: sealed here, opened by who may."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.client.errors import BadAnswer, NotUnlocked, Problem
from services.client.inbox import Inbox
from services.client.protection import (
    add_incident,
    articles,
    end_incident,
    incidents,
    results,
    rights,
    set_protection,
)
from services.client.reporter import Reporter
from services.crypto.errors import Refused
from tests.client.local import Asked, Reply, as_json, http_to, serving
from tests.client.people import Team
from tests.system.office import new_report

WORDS = "invented: I was moved to the night shift"


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


def reported(reporter: Reporter, mark: str) -> tuple[Inbox, str]:
    """A report on which retaliation was reported, and its reference."""
    filed = reporter.file_sealed(replace(new_report(reporter, mark, "anonymous"), attachments=()))
    inbox = reporter.inbox(filed.receipt)
    inbox.report_retaliation(WORDS)
    return inbox, filed.reference


def test_a_reporter_sees_the_clock_and_the_desk_reads_the_words(team: Team, reporter: Reporter):
    inbox, reference = reported(reporter, "clock")
    shown = inbox.view.protection
    assert shown is not None
    assert shown.status == "asked"
    assert abs((shown.since - datetime.now(UTC).date()).days) <= 1
    assert (shown.until.year, shown.until.month) == (shown.since.year + 3, shown.since.month)

    desk = team.signed_in("protection.desk", "desk")
    assert reference in {line.reference for line in desk.cases(retaliation="true")}
    case = desk.case(desk.find(reference).id)
    assert [(message.role, message.text) for message in case.messages] == [("retaliation", WORDS)]
    assert case.sealed.protection == shown
    assert set_protection(desk, case.line.id, "in_hand") == "in_hand"
    later = inbox.refresh().protection
    assert later is not None
    assert later.status == "in_hand"
    inbox.send("and a message after it")
    assert [message.role for message in desk.case(case.line.id).messages] == ["retaliation", "message"]
    desk.close()


def test_leads_record_and_read_incidents_and_others_do_not(team: Team, reporter: Reporter):
    _, reference = reported(reporter, "incident")
    one, other = team.signed_in("protection.lead1", "lead"), team.signed_in("protection.lead2", "lead")
    case = one.case(one.find(reference).id)
    rid = case.sealed.manifest.rid
    made = add_incident(one, case.line.id, rid, "cc-424", "Invented Clerk", "told the head of the clinic")
    for lead in (one, other):
        (found,) = incidents(lead, case.line.id, rid)
        assert (found.id, found.article, found.refused) == (made, "cc-424", False)
        assert found.opened is not None
        assert found.opened.disclosure.who == "Invented Clerk"
        assert found.opened.person == one.me().person.id
    (moved,) = incidents(other, case.line.id, bytes(32))
    assert (moved.opened, moved.refused) == (None, True)

    with pytest.raises(Problem) as own:
        end_incident(one, case.line.id, made, "confirmed")
    assert own.value.status == 409
    end = end_incident(other, case.line.id, made, "passed_to_prosecutor")
    assert (end.result, end.by) == ("passed_to_prosecutor", other.me().person.id)
    (found,) = incidents(one, case.line.id, rid)
    assert (found.status, found.end) == ("ended", end)

    auditor = team.signed_in("protection.auditor", "auditor")
    (clear,) = incidents(auditor, case.line.id, None)
    assert (clear.article, clear.opened, clear.refused) == ("cc-424", None, False)
    with pytest.raises(Problem) as refused:
        add_incident(auditor, case.line.id, rid, "cc-424", "x", "y")
    assert refused.value.status == 403
    desk = team.signed_in("protection.desk", "desk")
    with pytest.raises(Problem):
        incidents(desk, case.line.id, rid)
    for session in (one, other, auditor, desk):
        session.close()


def test_an_incident_needs_an_unlocked_certified_key(team: Team):
    session = team.session()
    member = team.make("protection.bare", "lead", certified=False)
    session.sign_in(member.login, "a long invented password")
    with pytest.raises(NotUnlocked):
        add_incident(session, "x", bytes(32), "cc-424", "x", "y")
    session.close()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_rights_and_articles_say_what_is_confirmed(reporter: Reporter, language: str):
    found = rights(reporter.http, language)
    assert {line.confirmed for line in found.statements} == {True, False}
    assert all(line.source for line in found.statements if line.confirmed)
    assert set(articles(reporter.http, language)) == {"cc-423", "cc-424"}
    assert set(results(reporter.http, language)) == {"confirmed", "not_confirmed", "passed_to_prosecutor"}


def test_a_server_that_takes_the_words_and_flags_nothing_is_told_apart(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
):
    inbox, _ = reported(reporter, "unflagged")
    monkeypatch.setattr(Inbox, "_load", lambda self: replace(self.view, protection=None))
    monkeypatch.setattr(Inbox, "_append", lambda self, *_args: self.refresh() and 0)
    with pytest.raises(Refused):
        inbox.report_retaliation("again")


def test_rights_in_another_form_are_not_understood():
    def answer(_asked: Asked) -> Reply:
        return as_json({"version": "1", "sources": {}, "statements": [{"labels": {}, "source": None}]})

    with serving(answer) as local, pytest.raises(BadAnswer):
        rights(http_to(local.url), "en")
