"""Opening an identity from end to end, through HTTP only, against a separately started server.

k-1 custodians open nothing, k do; the reporter sees it; a server that lies gets no share; everything stored is searched
for the identity's words.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from services.cli.here import Here
from services.client.custody import Custody, RequestLine
from services.client.errors import NotLogged, Problem
from services.crypto import custody as documents
from services.crypto import tlog
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64, b64u, unb64u
from services.crypto.certificates import Certificate
from services.crypto.custody import CheckedRequest, IdentityRequest
from services.crypto.errors import BadSignature, Refused
from services.crypto.promises import entry
from services.crypto.signatures import Signed, SigningKey
from services.first_run import ORIGIN
from services.kit.clock import day_of, utc_now
from tests.system.conftest import Server
from tests.system.custodians import Chamber, Liar, opened_chamber
from tests.system.office import nothing_readable, opened_office
from tests.system.test_markers import marker


@pytest.fixture(scope="module")
def chamber(server: Server) -> Iterator[Chamber]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as office, opened_chamber(office) as made:
        yield made


def refused(attempt: Callable[[], Any]) -> tuple[int, str]:
    """How the server refuses."""
    with pytest.raises(Problem) as found:
        attempt()
    return found.value.status, found.value.slug


# --- the journey


def test_two_of_three_custodians_open_an_identity_and_the_reporter_sees_it(chamber: Chamber) -> None:
    mark = marker()
    reference, receipt = chamber.filed(mark)
    request = chamber.asked(reference, mark)
    seen = chamber.custody("custodian-1").read(request)
    assert (seen.reason, seen.line.reference, seen.earlier) == (f"{mark} reason", None, ())

    chamber.approved(request, 1)
    assert refused(lambda: chamber.call("custodian-1", "GET", f"/{request}/shares/1")) == (409, "conflict")
    with pytest.raises(Refused, match="too few approvals"):
        chamber.released(request, 1)
    chamber.approved(request, 2)
    chamber.released(request, 1)
    asker = chamber.custody("investigator")
    asker.undertake(asker.read(request), "2026-11")
    assert refused(lambda: asker.open(asker.read(request))) == (409, "conflict")
    with chamber.office.here.reporter() as reporter:
        assert reporter.inbox(receipt).view.openings == ()

    chamber.released(request, 2)
    opened = asker.open(asker.read(request))
    assert opened.identity == {"name": f"{mark} name"}
    assert (opened.bad_seats, opened.rejected) == ((), 0)
    assert asker.open(asker.read(request)).identity == opened.identity
    with chamber.office.here.reporter() as reporter:
        [shown] = reporter.inbox(receipt).view.openings
    assert (shown.day, shown.ground, set(shown.labels)) == (
        day_of(utc_now()),
        "pre-trial",
        {"kk", "ru", "en"},
    )
    register = [line for line in chamber.custody("lead").undertakings() if line.reference == reference]
    assert [(line.person, line.text) for line in register] == [(chamber.office.investigator.id, "2026-11")]
    nothing_readable(chamber.office, [mark])


def test_an_identity_added_later_is_the_one_that_is_opened(chamber: Chamber) -> None:
    mark = marker()
    reference, receipt = chamber.filed(mark)
    with chamber.office.here.reporter() as reporter:
        new = reporter.inbox(receipt).replace_code()
        reporter.confirm_code(new)
        reporter.inbox(new).add_identity({"name": f"{mark} later"}, unproven=True)
    request, asker = chamber.asked(reference, mark, deferral_days=30), chamber.custody("investigator")
    chamber.approved(request, 3, 2)
    chamber.released(request, 2, 3)
    asker.undertake(asker.read(request), "2026-11")
    assert asker.open(asker.read(request)).identity == {"name": f"{mark} later"}
    with chamber.office.here.reporter() as reporter:
        assert reporter.inbox(new).view.openings == ()  # the approved deferral has not ended

    lead = chamber.session("lead")
    lead.assign(lead.case(lead.find(reference).id), chamber.people["later"].id)
    for name in ("later", "lead", "desk"):
        for method, path in (("GET", f"/{request}"), ("POST", f"/{request}/opening")):
            assert refused(partial(chamber.call, name, method, path)) == (404, "not-found")


def test_refused_requests_pay_out_nothing_and_are_told_to_the_next_custodians(chamber: Chamber) -> None:
    mark = marker()
    reference, _ = chamber.filed(mark)
    request = chamber.asked(reference, mark)
    chamber.approved(request, 1)
    for seat in (2, 3):
        custody = chamber.custody(f"custodian-{seat}")
        line = custody.decide(custody.read(request), approve=False)
    assert line.state == "refused"
    for seat in (1, 2, 3):
        fetch = partial(chamber.call, f"custodian-{seat}", "GET", f"/{request}/shares/{seat}")
        assert refused(fetch) == (409, "conflict")
    [earlier] = chamber.custody("custodian-1").read(chamber.asked(reference, mark)).earlier
    assert (earlier.ground, earlier.state) == ("pre-trial", "refused")


# --- a server that lies to a custodian


@dataclass
class Deceived:
    """A custodian in front of a lying server, an approved request, and what the server could put in its place."""

    custody: Custody
    liar: Liar
    request: str
    view: dict[str, Any]
    other: dict[str, Any]
    share: dict[str, Any]
    other_share: dict[str, Any]


@pytest.fixture(scope="module")
def deceived(chamber: Chamber) -> Deceived:
    views, shares, liar = [], [], Liar()
    for _ in range(2):
        mark = marker()
        request = chamber.asked(chamber.filed(mark)[0], mark)
        chamber.approved(request, 1, 2)
        views.append(chamber.call("custodian-1", "GET", f"/{request}"))
        shares.append(chamber.call("custodian-1", "GET", f"/{request}/shares/1"))
    custody = chamber.lied_to("custodian-1", liar)
    return Deceived(custody, liar, views[0]["id"], *views, *shares)


def forged_proof(view: dict[str, Any], origin: str) -> str:
    """A proof that holds, of a log with this record alone, signed by a key of the server's own."""

    asked = IdentityRequest.from_json(view["document"]["body"])
    digest = Signed.from_json(view["document"]).digest
    checked = CheckedRequest(asked, digest, Certificate.from_json(asked.asker.body))
    line = RequestLine.from_json(view)

    leaf = documents.request_leaf(checked, line.day, unb64u(view["salt"], 32))
    hashed = tlog.record_hash(entry(bytes(32), leaf))
    note = tlog.sign_checkpoint(tlog.Checkpoint(origin, 1, hashed), SigningKey.generate())
    return "\n".join(["c2sp.org/tlog-proof@v1", f"extra {'A' * 43}=", "index 0", "", note])


def changed_extra(text: str) -> str:
    """The same proof with another random half of the entry."""
    old = text.split("extra ", 1)[1].split("\n", 1)[0]
    return text.replace(old, b64(bytes(32)), 1)


def changed(view: dict[str, Any], **changes: Any) -> Callable[[Any], Any]:
    return lambda _truth: {**copy.deepcopy(view), **changes}


#: name -> (what the custodian's client says, word of the path, the lie)
LIES: dict[str, tuple[type[Exception], str, Callable[[Deceived], Callable[[Any], Any]]]] = {
    "the log has no such entry": (NotLogged, "/log/proofs/", lambda d: lambda _: 404),
    "a checkpoint of this log's name by another key": (
        BadSignature, "/log/proofs/", lambda d: lambda _: forged_proof(d.view, ORIGIN)
    ),
    "a checkpoint of another log": (
        BadSignature, "/log/proofs/", lambda d: lambda _: forged_proof(d.view, "elsewhere/adal/intake")
    ),
    "the proof is of another place": (
        Refused, "/log/proofs/", lambda d: lambda text: text.replace("index ", "index 1", 1)
    ),
    "the random half of the entry is changed": (
        Refused, "/log/proofs/", lambda d: changed_extra
    ),
    "the record has another salt": (NotLogged, "/identity-requests/", lambda d: changed(d.view, salt=b64u(bytes(32)))),
    "the record is of another day": (NotLogged, "/identity-requests/", lambda d: changed(d.view, day="2026-01-01")),
    "approvals are left out": (
        Refused, "/identity-requests/", lambda d: changed(d.view, decisions=d.view["decisions"][:1])
    ),
    "one approval stands twice": (
        Refused, "/identity-requests/", lambda d: changed(d.view, decisions=d.view["decisions"][:1] * 2)
    ),
    "approvals of another request": (
        Refused, "/identity-requests/", lambda d: changed(d.view, decisions=d.other["decisions"])
    ),
    "the request is another one": (
        Refused, "/identity-requests/", lambda d: changed(d.view, document=d.other["document"])
    ),
    "more time than was signed": (
        Refused, "/identity-requests/", lambda d: changed(d.view, expires="2027-01-01T00:00:00Z")
    ),
    "another ground than was signed": (Refused, "/identity-requests/", lambda d: changed(d.view, ground="consent")),
    "the asker's key is swapped": (BadSignature, "/identity-requests/", lambda d: with_another_asker(d.view)),
    "the reason is another one": (
        Refused, "/identity-requests/", lambda d: changed(d.view, reasons=d.other["reasons"])
    ),
    "the share of another report": (
        Refused, "/shares/", lambda d: lambda truth: {**truth, "data": d.other_share["data"]}
    ),
    "share and manifest of another report": (Refused, "/shares/", lambda d: lambda _: d.other_share),
    "the true share under a changed manifest": (
        Refused, "/shares/", lambda d: lambda truth: {**truth, "manifest": d.other_share["manifest"]}
    ),
}  # fmt: skip


def with_another_asker(view: dict[str, Any]) -> Callable[[Any], Any]:
    """The server's own key stands in the asker's certificate, so that the share would be sealed to it."""

    lie = copy.deepcopy(view)
    lie["document"]["body"]["asker"]["body"]["recipient"] = str(HybridIdentity.generate().recipient)
    return lambda _: lie


@pytest.mark.parametrize("name", LIES)
def test_a_custodian_releases_nothing_when(deceived: Deceived, name: str) -> None:
    error, word, make = LIES[name]
    lie = make(deceived)
    # Shares lie below the request, whose own answer has to stay true.
    deceived.liar.lies = {"/shares/": (lambda truth: truth)} if word == "/identity-requests/" else {}
    deceived.liar.lies |= {word: lie}
    with pytest.raises(error):
        deceived.custody.release(deceived.custody.read(deceived.request))
    deceived.liar.lies = {}


def test_a_custodian_releases_nothing_after_the_request_has_expired(
    chamber: Chamber, deceived: Deceived
) -> None:
    liar = Liar({"/key-directory": lambda truth: truth})
    late = chamber.lied_to("custodian-1", liar, ahead=timedelta(days=8))
    with pytest.raises(Refused, match="expired"):
        late.release(late.read(deceived.request))


def test_without_a_lie_the_same_custodian_releases_and_a_replayed_release_opens_nothing(
    chamber: Chamber, deceived: Deceived
) -> None:
    """The second request's releases are put in the place of the first one's: the asker's client takes none of them."""
    first, second = deceived.request, deceived.other["id"]
    liar = Liar()
    asker = chamber.lied_to("investigator", liar)
    chamber.released(first, 1, 2)
    chamber.released(second, 1, 2)
    for request in (first, second):
        asker.undertake(asker.read(request), "2026-11")
    taken = chamber.call("investigator", "POST", f"/{second}/opening")
    liar.lies = {"/opening": lambda _: taken}
    with pytest.raises(Refused, match="too few shares"):
        asker.open(asker.read(first))
    liar.lies = {
        "/opening": lambda truth: {**truth, "releases": [*taken["releases"][:1], *truth["releases"][1:]]}
    }
    with pytest.raises(Refused, match="too few shares"):
        asker.open(asker.read(first))
    liar.lies = {}
    found = asker.open(asker.read(first))
    assert found.identity is not None
    assert found.bad_seats == ()
