"""How the tests of the pages act: as a browser that loads a form, fills it in and sends it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2

from services.crypto.age import HybridRecipient
from services.crypto.attachments import open_attachment
from services.crypto.canonical import unb64u
from services.crypto.manifests import Manifest
from services.crypto.packages import OpenedReport, open_report
from services.crypto.payloads import ZERO32
from tests.intake.builders import STAFF, Json, World, desk_message

#: What a browser sends with the forms of a page of this site.
OURS = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
#: (name, media type, bytes)
File = tuple[str, str, bytes]

REPORT: dict[str, str] = {
    "category": "bribe-taking",
    "sector": "health",
    "what": "Money was asked for\r\na place in the queue.",
    "amount_band": "to-100k",
    "region": "710000000",
    "urgency": "normal",
    "mode": "anonymous",
    "language": "kk",
}


class _Forms(HTMLParser):
    """The forms of a page: action and the values that a browser would send untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "form":
            self.forms.append((given["action"], {}))
        elif tag == "input" and given.get("type") in ("hidden", "text", "date"):
            self.forms[-1][1][given["name"]] = given.get("value", "")
        elif tag == "input" and "checked" in given:
            self.forms[-1][1][given["name"]] = given["value"]
        elif tag == "textarea":
            self._area = given["name"]
            self.forms[-1][1][self._area] = ""
        elif tag == "option" and "selected" in given:
            self.text.append(given["value"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1][1][self._area] += data.removeprefix("\n")
        self.text.append(data)


@dataclass
class Page:
    """An answer that was read as a browser reads it."""

    answer: httpx2.Response
    parsed: _Forms = field(default_factory=_Forms)

    def __post_init__(self) -> None:
        assert self.answer.headers["content-type"].startswith("text/html"), self.answer.headers
        self.parsed.feed(self.answer.text)

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def html(self) -> str:
        return self.answer.text

    @property
    def words(self) -> str:
        """The text that a person sees, white space folded."""
        return " ".join(" ".join(self.parsed.text).split())

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.html)
        assert found
        return found[1]

    @property
    def code(self) -> str:
        """The receipt that is shown."""
        found = re.search(r'<p class="digits">(.*?)</p>', self.html)
        assert found, self.words
        return re.sub(r"\D", "", re.sub(r"<.*?>", "", found[1]))

    @property
    def reference(self) -> str:
        found = re.search(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{2}\b", self.html)
        assert found, self.words
        return found[0]

    def form(self, action: str) -> dict[str, str]:
        """The values of the form that leads to an address ending in `action`."""
        return dict(next(values for to, values in self.parsed.forms if to.endswith(action)))

    def error_of(self, name: str) -> str:
        """The message beside an input."""
        found = re.search(rf'<p class="error" id="{name}-error">(.*?)</p>', self.html, re.DOTALL)
        return " ".join(found[1].split()) if found else ""


@dataclass(frozen=True)
class Visitor:
    """A browser without script, in one language."""

    world: World
    language: str = "en"

    @property
    def http(self) -> httpx2.AsyncClient:
        return self.world.http

    async def load(self, path: str, **headers: str) -> Page:
        return Page(await self.http.get(f"/{self.language}{path}", headers=headers))

    async def post(
        self,
        path: str,
        values: Mapping[str, str],
        files: Sequence[File] | None = None,
        headers: Mapping[str, str] = OURS,
    ) -> httpx2.Response:
        """Send a form; with `files`, as multipart."""
        url = f"/{self.language}{path}"
        if files is None:
            return await self.http.post(url, data=dict(values), headers=dict(headers))
        parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in values.items()]
        parts += [("files", (name, data, kind)) for name, kind, data in files] or [("files", ("", b""))]
        return await self.http.post(url, files=parts, headers=dict(headers))

    async def send(self, path: str, values: Mapping[str, str], files: Sequence[File] | None = None) -> Page:
        return Page(await self.post(path, values, files))

    # --- the journey

    async def fill_report(self, files: Sequence[File] = (), /, **changes: str) -> Page:
        """Load the form, fill it in, send it."""
        form = (await self.load("/report")).form("/report/sent")
        return await self.send("/report/sent", {**form, **REPORT, **changes}, files)

    async def file(self, files: Sequence[File] = (), /, **changes: str) -> Page:
        """A report that was taken; the page with its receipt."""
        page = await self.fill_report(files, **changes)
        assert page.status == 201, page.words
        return page

    async def enter(self, receipt: str, **changes: str) -> Page:
        form = (await self.load("/inbox")).form("/inbox")
        return await self.send("/inbox", {**form, "receipt": receipt, **changes})

    async def inbox(self, receipt: str) -> Page:
        page = await self.enter(receipt)
        assert page.status == 200, page.words
        return page


async def reply(
    world: World, reference: str, recipient: HybridRecipient, text: str, *files: tuple[str, bytes]
) -> None:
    """The desk answers a report, as its client does."""
    case = await world.case(await world.case_id(reference))
    manifest = Manifest.from_json(case["manifest"])
    place = case["next"]
    message = desk_message(
        manifest,
        [manifest.report_recipient, recipient],
        world.desk()[1],
        text=text,
        n=place["n"],
        prev=unb64u(place["prev"]) if place["n"] else ZERO32,
        files=files,
    )
    answer = await world.answer(case["id"], message)
    assert answer.status_code == 201, answer.text


async def parts(world: World, page: Page) -> tuple[Json, list[bytes]]:
    """The case of a report that was filed, and the files of its parts."""
    case = await world.case(await world.case_id(page.reference))
    files = []
    for line in case["parts"]:
        url = f"{STAFF}/cases/{case['id']}/parts/{line['number']}"
        files.append((await world.http.get(url, headers=world.token("desk"))).content)
    return case, files


async def opened(world: World, page: Page) -> tuple[OpenedReport, list[bytes]]:
    """What the desk reads, and the true bytes of the attachments."""
    case, files = await parts(world, page)
    key = await world.report_key(case)
    report = open_report(Manifest.from_json(case["manifest"]), unb64u(case["signature"], 64), files, key)
    data = [open_attachment(file, e, key) for file, e in zip(files[2:], report.envelopes, strict=True)]
    return report, data
