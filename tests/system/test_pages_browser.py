"""The pages in a real browser with script off: file, keep the receipt, read the reply, write back.

Every state is looked at with axe at the width of a small telephone and of a desk screen, in all three languages. With
ADAL_SCREENSHOTS=FOLDER pictures of each state are kept there.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Request, expect

from services.cli.here import Here
from services.cli.staff import administrator, certify, enrol_with_keys
from services.client import steps
from services.client.staff import StaffSession
from services.crypto.packages import NewAttachment
from services.kit.i18n import LANGUAGES
from tests.intake.pages import REPORT
from tests.system.browser import browser as running
from tests.system.browser import violations
from tests.system.conftest import Server
from tests.system.test_markers import files_under, marker, spellings

CHECKED = ("urgency", "mode", "language")
WIDTHS = (360, 1280)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"ADAL_INTAKE_CHALLENGE_COST": "10", "ADAL_INTAKE_PAGE_MIN_SECONDS": "1"}
    made = Server(tmp_path_factory.mktemp("server"), settings=settings)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def desk(server: Server) -> Iterator[StaffSession]:
    """Somebody of the desk, signed in, with keys."""
    here = Here(server.url, server.var, None)
    with administrator(here, None) as session:
        _, enrolment = session.add_staff("pages-desk", "Invented Person", ["desk"])
        colleague = enrol_with_keys(here, "pages-desk", enrolment)
        certify(here, session, colleague, ["desk"])
    roots = here.roots()
    made = StaffSession(server.url, roots, memory=here.memory(roots))
    made.sign_in(colleague.login, colleague.password)
    made.unlock(colleague.passphrase)
    yield made
    made.close()


@dataclass
class Walk:
    """One reader without script, and everything the browser asked for."""

    page: Page
    language: str
    server: Server
    requests: list[Request] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.server.url}/{self.language}{path}")

    def send(self, action: str) -> None:
        self.page.locator(f"form[action$='{action}']").locator("button").click()

    def look(self, state: str) -> None:
        """Nothing is wrong with what is on the screen now."""
        self.seen.append(state)
        size = self.page.viewport_size
        assert size
        if folder := os.environ.get("ADAL_SCREENSHOTS"):
            name = f"{self.language}-{size['width']}-{len(self.seen):02}-{state}.png"
            self.page.screenshot(path=str(Path(folder) / name), full_page=True)
        assert violations(self.page) == [], state

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            if name in CHECKED:
                self.page.check(f"#{name}-{value}")
            elif self.page.locator(f"select#{name}").count():
                self.page.select_option(f"#{name}", value)
            else:
                self.page.fill(f"#{name}", value)

    def code(self) -> str:
        return re.sub(r"\D", "", self.page.inner_text("#code"))

    def reference(self) -> str:
        found = re.search(r"[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{2}", self.page.inner_text("main"))
        assert found
        return found[0]


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def walking(browser: Browser, server: Server, language: str, width: int) -> Walk:
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    context.set_default_timeout(20_000)
    walk = Walk(context.new_page(), language, server)
    walk.page.on("request", lambda request: walk.requests.append(request))
    return walk


def file_with_a_mistake_first(walk: Walk, mark: str) -> str:
    """The form, once with mistakes and a file, then right with another; the code that was kept."""
    walk.open("/")
    walk.look("front")
    walk.page.locator("main a.button").first.click()
    walk.look("form")
    walk.fill(**{**REPORT, "what": f"{mark} what", "year": "1800", "name": f"{mark} name"})
    first = payload(f"{mark} бір.txt", mark.encode())
    walk.page.set_input_files("#files", [first])
    walk.send("/report/sent")
    expect(walk.page.locator("#year-error")).to_be_visible()
    expect(walk.page.locator("#what")).to_have_value(f"{mark} what")
    walk.look("mistakes")
    walk.fill(year="2026", name="")
    second = payload("two.bin", mark.encode() * 400_000)
    walk.page.set_input_files("#files", [second])
    walk.send("/report/sent")
    walk.look("receipt")
    return walk.code()


def type_back(walk: Walk, code: str) -> None:
    """Once wrong, then right."""
    walk.fill(typed=str((int(code[0]) + 1) % 10) + code[1:])
    walk.send("/report/check")
    expect(walk.page.locator("#typed-error")).to_contain_text("1.")
    walk.look("slip")
    walk.fill(typed=" - ".join(code[i : i + 4] for i in range(0, 24, 4)))
    walk.send("/report/check")
    walk.look("kept")


def read_and_write(walk: Walk, code: str, mark: str, desk: StaffSession, reference: str) -> None:
    """Enter, once with a wrong code; read the reply and its file; write back with a file."""
    walk.open("/inbox")
    walk.fill(receipt="1234")
    walk.send("/inbox")
    expect(walk.page.locator("#receipt-error")).to_be_visible()
    walk.look("entry")
    walk.fill(receipt=code)
    walk.send("/inbox")
    expect(walk.page.locator("h1")).to_contain_text(reference)
    walk.look("inbox")

    case = desk.case(desk.find(reference).id)
    assert case.narrative.answers["what"] == f"{mark} what"
    assert [file.name for file in case.attachments] == [f"{mark} бір.txt", "two.bin"]
    steps.move(desk, case.line.id, "register")
    desk.answer(case, f"{mark} question", [NewAttachment(f"{mark}.txt", "text/plain", mark.encode() * 3)])

    walk.page.locator("form[action$='/inbox'] button").click()
    expect(walk.page.locator("article .text")).to_have_text(f"{mark} question")
    with walk.page.expect_download() as started:
        walk.send("/inbox/file")
    assert started.value.suggested_filename == f"{mark}.txt"
    assert Path(started.value.path()).read_bytes() == mark.encode() * 3
    walk.fill(text=f"{mark} answer")
    third = payload("three.txt", b"three")
    walk.page.set_input_files("#files", [third])
    walk.send("/inbox/message")
    expect(walk.page.locator("[role=status]")).to_be_visible()
    walk.look("sent")
    case = desk.case(case.line.id)
    assert case.messages[-1].text == f"{mark} answer"


def strike_back(walk: Walk, mark: str) -> None:
    """Report retaliation, once without a word; the inbox then shows since when protection runs."""
    walk.page.locator("details:has(#retaliation) > summary").click()
    walk.look("rights")
    walk.send("/inbox/retaliation")
    expect(walk.page.locator("#retaliation-error")).to_be_visible()
    walk.fill(retaliation=f"{mark} dismissed")
    walk.send("/inbox/retaliation")
    expect(walk.page.locator("[role=status]")).to_be_visible()
    walk.look("protected")


def name_and_new_code(walk: Walk, code: str, mark: str) -> str:
    """Tell a name, once with a mistake; replace the code. The new code."""
    walk.page.locator("details:has(#phone) > summary").click()
    walk.fill(phone="+7 700 000 00 00")
    walk.send("/inbox/identity")
    expect(walk.page.locator("#name-error")).to_be_visible()
    walk.look("nameless")
    walk.fill(name=f"{mark} later")
    walk.send("/inbox/identity")
    expect(walk.page.locator("[role=status]")).to_be_visible()
    walk.page.locator("details").last.locator("summary").click()
    walk.look("unfolded")
    walk.send("/inbox/code")
    new = walk.code()
    assert new != code
    walk.look("new-code")
    walk.fill(typed=new)
    walk.send("/inbox/code/confirm")
    expect(walk.page.locator("[role=status]")).to_be_visible()
    walk.look("replaced")
    walk.open("/inbox")
    walk.fill(receipt=code)
    walk.send("/inbox")
    expect(walk.page.locator("#receipt-error")).to_be_visible()
    walk.look("old-code")
    return new


@pytest.mark.parametrize(("language", "width"), [("kk", 360), ("ru", 1280), ("en", 360)])
def test_the_whole_journey_without_script(
    browser: Browser, server: Server, desk: StaffSession, language: str, width: int
) -> None:
    mark, walk = marker(), walking(browser, server, language, width)
    code = file_with_a_mistake_first(walk, mark)
    reference = walk.reference()
    type_back(walk, code)
    read_and_write(walk, code, mark, desk, reference)
    strike_back(walk, mark)
    new = name_and_new_code(walk, code, mark)
    leaves_nothing(walk, [mark, code, new])
    walk.page.context.close()


def leaves_nothing(walk: Walk, marks: list[str]) -> None:
    """No address held a secret, nothing came from elsewhere, and nothing readable was written anywhere."""
    for request in walk.requests:
        assert request.url.startswith((f"{walk.server.url}/", "data:,")), request.url
        assert not [mark for mark in marks if mark in request.url]
        assert request.resource_type in ("document", "stylesheet", "other", "image")
    assert walk.page.context.cookies() == []
    wanted = [spelling for mark in marks for spelling in spellings(mark)]
    kept = [*files_under(walk.server.var, walk.server.temporary), walk.server.output]
    assert len(kept) > 100
    for path in kept:
        data = path.read_bytes()
        assert not [spelling for spelling in wanted if spelling in data], path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_reads_well_at_every_width(
    browser: Browser, server: Server, language: str, width: int
) -> None:
    walk = walking(browser, server, language, width)
    for path in ("/", "/channels", "/report", "/report/sent", "/inbox", "/nowhere"):
        walk.open(path)
        walk.look(path.strip("/").replace("/", "-") or "front")
    walk.page.context.close()


def test_the_form_can_be_reached_and_left_with_the_keyboard_alone(browser: Browser, server: Server) -> None:
    walk = walking(browser, server, "en", 1280)
    walk.open("/report")
    walk.page.keyboard.press("Tab")
    focused = walk.page.locator(":focus")
    expect(focused).to_have_text("Skip to the content")
    walk.page.keyboard.press("Enter")
    walk.page.keyboard.press("Tab")
    expect(walk.page.locator(":focus")).to_have_attribute("id", "category")
    for _ in range(60):
        if walk.page.locator("button:focus").count():
            break
        walk.page.keyboard.press("Tab")
    expect(walk.page.locator(":focus")).to_have_text("Send the report")
    walk.page.context.close()


def test_a_receipt_prints_on_paper_without_what_paper_cannot_use(browser: Browser, server: Server) -> None:
    walk = walking(browser, server, "en", 1280)
    walk.open("/report")
    walk.fill(**REPORT)
    walk.send("/report/sent")
    walk.page.emulate_media(media="print")
    expect(walk.page.locator("#code")).to_be_visible()
    expect(walk.page.locator("#typed")).to_be_hidden()
    expect(walk.page.locator("footer")).to_be_hidden()
    if folder := os.environ.get("ADAL_SCREENSHOTS"):
        walk.page.screenshot(path=str(Path(folder) / "print.png"), full_page=True)
    walk.page.context.close()
