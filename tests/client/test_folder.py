"""The folder of a case against a real server: notes that only holders of the key read, links, a case handed on."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import pytest

from services.client import access, folder
from services.client.cases import OpenedCase
from services.client.errors import NotHanded, NotUnlocked, Problem, Unreachable
from services.client.http import Http
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.canonical import b64
from services.crypto.case_notes import CaseNote, seal_case_note
from services.crypto.errors import Refused
from tests.client.people import PASSWORD, Team
from tests.system.office import new_report

WORDS = "invented: the clerk and the owner of the firm share a house"


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


@dataclass
class People:
    """Sessions of one test, closed at its end; logins are those of this file."""

    team: Team
    stack: ExitStack

    def __call__(self, name: str, role: str) -> StaffSession:
        return self.stack.enter_context(closing(self.team.signed_in(f"folder.{name}", role)))

    def id(self, name: str) -> str:
        return self.team.made[f"folder.{name}"].id


@pytest.fixture
def people(team: Team) -> Iterator[People]:
    with ExitStack() as stack:
        yield People(team, stack)


def filed(reporter: Reporter, mark: str) -> str:
    return reporter.file_sealed(replace(new_report(reporter, mark, "anonymous"), attachments=())).reference


def opened(session: StaffSession, reference: str) -> OpenedCase:
    return session.case(session.find(reference).id)


# --- notes


def test_a_note_is_read_by_whoever_holds_the_key_and_names_its_author(people: People, reporter: Reporter):
    desk, lead = people("desk", "desk"), people("lead", "lead")
    case = opened(desk, filed(reporter, "note"))
    made = folder.add_note(desk, case, WORDS)
    for session in (desk, lead):
        (found,) = folder.notes(session, opened(session, case.line.reference))
        assert (found.id, found.author, found.text) == (made, people.id("desk"), WORDS)
    assert WORDS not in repr(found)


def test_notes_from_before_and_after_a_new_key_are_read(people: People, reporter: Reporter):
    desk, lead, inv = people("desk", "desk"), people("lead", "lead"), people("inv", "investigator")
    reference = filed(reporter, "later")
    folder.add_note(desk, opened(desk, reference), "before")
    desk.assign(opened(desk, reference), people.id("inv"), lead=people.id("lead"))
    folder.add_note(inv, opened(inv, reference), "by the investigator")
    lead.end_access(opened(lead, reference), people.id("inv"))
    case = opened(lead, reference)
    folder.add_note(lead, case, "after")
    assert {note.text for note in folder.notes(lead, case)} == {"before", "by the investigator", "after"}
    with pytest.raises(Problem) as gone:
        inv.call("GET", f"/api/intake/v1/staff/cases/{case.line.id}/notes")
    assert gone.value.status == 404


def test_a_note_that_the_server_moved_renamed_or_gave_another_author_is_not_believed(
    people: People, reporter: Reporter
):
    desk = people("desk", "desk")
    case, other = opened(desk, filed(reporter, "one")), opened(desk, filed(reporter, "two"))
    certificate, signing = desk.me().certificate, desk.unlocked.key.signing
    assert certificate is not None

    def line(note: CaseNote, **changes: str) -> dict[str, str]:
        sealed = seal_case_note(note, certificate, signing, case.keyring.recipient)
        return {"id": note.id, "author": people.id("desk"), "note": b64(sealed), **changes}

    known = desk.known_directories()
    good = CaseNote("8f14e45f-ceea-467f-a0e6-0c3b9d1f2a11", case.sealed.manifest.rid, desk.today(), WORDS)
    assert folder._text(case, line(good), known) == WORDS
    foreign = replace(good, rid=other.sealed.manifest.rid)
    assert folder._text(case, line(foreign), known) is None
    assert folder._text(case, line(good, id="8f14e45f-ceea-467f-a0e6-0c3b9d1f2a12"), known) is None
    assert folder._text(case, line(good, author=people.id("desk").replace("-", "")), known) is None
    assert folder._text(other, line(good), known) is None
    assert folder._text(case, line(good), []) is None, "no directory, nobody to vouch"


def test_a_note_sent_again_after_a_broken_answer_is_stored_once(
    people: People, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
):
    desk = people("desk", "desk")
    case = opened(desk, filed(reporter, "again"))
    send = Http.send
    lost: list[bool] = []

    def broken(self: Http, call: object) -> object:
        answer = send(self, call)  # type: ignore[arg-type]
        if not lost and getattr(call, "path", "").endswith("/notes"):
            lost.append(True)
            raise Unreachable()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Http, "send", broken)
        folder.add_note(desk, case, WORDS)
    assert lost
    assert len(folder.notes(desk, case)) == 1


def test_who_has_no_certificate_writes_no_note(team: Team, people: People, reporter: Reporter):
    case = opened(people("desk", "desk"), filed(reporter, "bare"))
    member = team.make("folder.bare", "desk", certified=False)
    with closing(team.session()) as session:
        session.sign_in(member.login, PASSWORD)
        with pytest.raises(NotUnlocked):
            folder.add_note(session, case, WORDS)


# --- labels, links, history


def test_labels_and_links_are_shown_with_the_case(people: People, reporter: Reporter):
    desk = people("desk", "desk")
    one, two = (desk.find(filed(reporter, mark)) for mark in ("l1", "l2"))
    assert set(folder.label_names(desk, "ru")) >= {"urgent", "media"}
    assert folder.set_labels(desk, one.id, ["urgent", "media", "urgent"]) == ("media", "urgent")
    with pytest.raises(Problem):
        folder.set_labels(desk, one.id, ["guilty"])
    folder.link(desk, two.id, one.id, "duplicate_of")
    for case, kind, other in ((one, "has_duplicate", two), (two, "duplicate_of", one)):
        (found,) = folder.folder(desk, case.id).links
        assert (found.kind, found.reference) == (kind, other.reference)
    assert {line.id for line in desk.cases(label="urgent")} == {one.id}
    folder.unlink(desk, one.id, two.id)
    assert folder.folder(desk, two.id).links == ()


def test_triage_goes_over_more_than_two_hundred_cases_in_parts(people: People, reporter: Reporter):
    desk = people("desk", "desk")
    line = desk.find(filed(reporter, "many"))
    unknown = [f"00000000-0000-4000-8000-{i:012}" for i in range(250)]
    found = list(folder.triage(desk, "label", [*unknown, line.id], label="flood"))
    assert len(found) == 251
    assert [one.case for one in found if one.done] == [line.id]
    assert all(one.reason for one in found if not one.done)


# --- another person


def test_a_case_is_handed_over_new_one_first_and_keeps_its_history(people: People, reporter: Reporter):
    desk, lead = people("desk", "desk"), people("lead", "lead")
    old, new = people("inv", "investigator"), people("inv2", "investigator")
    reference = filed(reporter, "over")
    desk.assign(opened(desk, reference), people.id("inv"), lead=people.id("lead"))
    id_ = lead.find(reference).id
    assert lead.hand_over(id_, people.id("inv"), people.id("inv2")) == "investigator"
    assert opened(new, reference).line.reference == reference
    with pytest.raises(LookupError):
        old.find(reference)
    history = {one.person: one.ended for one in folder.folder(lead, id_).assignments}
    assert history[people.id("inv")] is not None
    assert history[people.id("inv2")] is None
    assert history[people.id("lead")] is None


def test_a_hand_over_that_was_cut_is_finished_by_repeating_it(
    people: People, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
):
    desk, lead = people("desk", "desk"), people("lead", "lead")
    people("inv", "investigator")
    people("inv2", "investigator")
    reference = filed(reporter, "cut")
    desk.assign(opened(desk, reference), people.id("inv"), lead=people.id("lead"))
    id_, pair = lead.find(reference).id, (people.id("inv"), people.id("inv2"))

    def cut(*_: object) -> int:
        raise Unreachable()

    with monkeypatch.context() as patch:
        patch.setattr(access, "end_access", cut)
        with pytest.raises(Unreachable):
            lead.hand_over(id_, *pair)
    assert {one.person for one in folder.folder(lead, id_).assignments if one.ended is None} >= set(pair)
    assert lead.hand_over(id_, *pair) == "investigator"
    assert lead.hand_over(id_, *pair) == "investigator", "and once more changes nothing"
    assert len([one for one in folder.folder(lead, id_).assignments if one.person == pair[0]]) == 1
    with pytest.raises(LookupError):
        lead.hand_over(id_, pair[0], people.id("desk"))


def test_only_a_certified_successor_gets_a_case(team: Team, people: People, reporter: Reporter):
    desk, lead = people("desk", "desk"), people("lead", "lead")
    people("inv", "investigator")
    bare = team.make("folder.bare2", "investigator", certified=False)
    reference = filed(reporter, "uncertified")
    desk.assign(opened(desk, reference), people.id("inv"), lead=people.id("lead"))
    id_ = lead.find(reference).id
    with pytest.raises(Refused):
        lead.hand_over(id_, people.id("inv"), bare.id)
    assert people.id("inv") in lead.case(id_).sealed.holders, "nothing was ended"


def test_the_last_lead_leaves_when_somebody_becomes_lead_first(people: People, reporter: Reporter):
    desk, staying = people("desk", "desk"), people("lead", "lead")
    leaver = people("leaver", "lead")
    people("inv", "investigator")
    reference = filed(reporter, "leaver")
    desk.assign(opened(desk, reference), people.id("inv"), lead=people.id("leaver"))
    with pytest.raises(NotHanded):
        opened(staying, reference)
    id_ = leaver.find(reference).id
    # Nobody else holds a key of it: the leaver hands it on, and the new lead ends the access.
    found = dict(leaver.release(people.id("leaver"), to=people.id("lead")))
    assert isinstance(found[reference], Problem), "nobody ends their own access"
    assert opened(staying, reference).line.id == id_
    assert dict(staying.release(people.id("leaver"), to=people.id("lead"))) == {reference: None}
    assert people.id("leaver") not in staying.case(id_).sealed.holders
