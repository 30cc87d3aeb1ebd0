"""Every page in three languages, with every header, and nothing in it that runs or comes from elsewhere."""

import re

import httpx2
import pytest

from services.kit.html import HEADERS, STATIC
from services.kit.i18n import LANGUAGES
from tests.intake.builders import World
from tests.intake.pages import OURS, Page, Visitor

pytestmark = pytest.mark.anyio

PAGES = ("/", "/channels", "/report", "/report/sent", "/report/check", "/inbox")
POSTS = (
    "/report/sent",
    "/report/check",
    "/inbox",
    "/inbox/message",
    "/inbox/identity",
    "/inbox/file",
    "/inbox/code",
    "/inbox/code/confirm",
)
CYRILLIC = re.compile(r"[а-яА-Я]")


def has_headers(answer: httpx2.Response) -> None:
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            assert answer.headers[name] == value
    assert "no-store" in answer.headers["Cache-Control"]
    assert "content-encoding" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en", "en"),
        ("kk-KZ", "kk"),
        ("fr", "kk"),
        ("", "kk"),
        ("\xff;;", "kk"),
    ],
)
async def test_the_front_address_leads_to_the_language_of_the_browser(
    http: httpx2.AsyncClient, asked: str, language: str
) -> None:
    answer = await http.get("/", headers=[(b"Accept-Language", asked.encode("latin-1"))])
    assert (answer.status_code, answer.headers["location"]) == (303, f"/{language}/")
    assert answer.headers["vary"] == "Accept-Language"
    has_headers(answer)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_language_without_its_slash_is_completed(http: httpx2.AsyncClient, language: str) -> None:
    answer = await http.get(f"/{language}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/{language}/")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_its_language_headers_and_no_script(
    world: World, language: str, path: str
) -> None:
    page = await Visitor(world, language).load(path)
    assert page.status == 200
    has_headers(page.answer)
    assert f'<html lang="{language}">' in page.html
    assert "<script" not in page.html.lower()
    assert not re.search(r"\son\w+=|style=|https?://|javascript:", page.html)
    assert bool(CYRILLIC.search(page.words.replace("Қазақша", "").replace("Русский", ""))) == (
        language != "en"
    )


@pytest.mark.parametrize("path", PAGES)
async def test_no_sentence_of_a_page_is_left_in_english(world: World, path: str) -> None:
    english = {line for line in (await Visitor(world, "en").load(path)).parsed.text if len(line.split()) > 2}
    assert english
    for language in ("kk", "ru"):
        lines = set((await Visitor(world, language).load(path)).parsed.text)
        assert not english & lines


@pytest.mark.parametrize("path", PAGES)
async def test_ids_are_unique_and_every_label_has_its_input(world: World, path: str) -> None:
    page = await Visitor(world).load(path)
    assert len(page.parsed.ids) == len(set(page.parsed.ids))
    for name in ("for", "aria-describedby", "aria-labelledby"):
        for found in re.findall(rf'\s{name}="([^"]*)"', page.html):
            assert set(found.split()) <= set(page.parsed.ids), found
    assert re.findall(r'href="#([^"]+)"', page.html) == ["main"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_leads_to_itself_in_the_other_languages(world: World, path: str) -> None:
    page = await Visitor(world).load(path)
    for language in LANGUAGES:
        link = re.search(rf'<a href="(/{language}[^"]*)" lang="{language}"', page.html)
        assert link
        assert (await world.http.get(link[1])).status_code == 200


async def test_the_style_sheet_may_be_kept_and_is_named_by_its_content(world: World) -> None:
    page = await Visitor(world).load("/")
    address = re.search(r'href="(/static/adal\.css\?v=[0-9a-f]{12})"', page.html)
    assert address
    answer = await world.http.get(address[1])
    assert answer.content == STATIC["adal.css"]
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert b"url(" not in answer.content
    assert b"@import" not in answer.content


@pytest.mark.parametrize("name", ["none.css", "..%2fhtml.py", "adal.css%00"])
async def test_no_other_file_is_served(http: httpx2.AsyncClient, name: str) -> None:
    answer = await http.get(f"/static/{name}")
    assert answer.status_code == 404


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_address_that_leads_nowhere_is_a_page(world: World, language: str) -> None:
    page = await Visitor(world, language).load("/secret-words")
    assert page.status == 404
    assert "secret-words" not in page.html
    has_headers(page.answer)


async def test_an_address_of_a_visit_that_was_kept_leads_to_the_entry(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/ru/inbox/code/confirm")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ru/inbox")


async def test_the_report_page_says_what_plain_mode_is_and_names_every_clear_field(world: World) -> None:
    page = await Visitor(world).load("/report")
    assert "not end-to-end encryption" in page.words
    before = page.html.index('id="clear"')
    for text in (
        "What is your report about?",
        "In which region?",
        "In which year?",
        "How the report came in",
    ):
        assert page.html.index(f"<li>{text}</li>") > before
    assert page.html.index("Send the report") > before
    assert page.html.count("not sealed</span>") == 7


# --- sent from elsewhere


ELSEWHERE: list[dict[str, str]] = [
    {},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:81"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    {"Referer": "https://elsewhere.example/http://localhost/"},
]
HERE: list[dict[str, str]] = [
    OURS,
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:80"},
    {"Referer": "http://localhost/en/report"},
]


@pytest.mark.parametrize("path", POSTS)
async def test_every_form_sent_from_elsewhere_is_refused(world: World, path: str) -> None:
    for headers in ELSEWHERE:
        page = Page(await Visitor(world).post(path, {"token": "x"}, headers=headers))
        assert page.status == 403, headers
        assert "not sent by a page of this site" in page.words
        has_headers(page.answer)


@pytest.mark.parametrize("path", POSTS)
async def test_every_form_of_this_site_passes_that_check(world: World, path: str) -> None:
    for headers in HERE:
        page = Page(await Visitor(world).post(path, {"token": "x"}, headers=headers))
        assert page.status != 403, headers
        has_headers(page.answer)


async def test_every_post_of_the_pages_is_in_this_list(world: World) -> None:
    """A page that is added later must not escape the checks above."""
    for path in POSTS:
        assert (await Visitor(world).post(path, {}, headers={})).status_code == 403
    from services.intake import pages_inbox, pages_report

    routes = [*pages_report.router.routes, *pages_inbox.router.routes]
    assert {r.path for r in routes if "POST" in r.methods} == set(POSTS)  # type: ignore[attr-defined]


# --- what is no form


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"nothing"),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nz'),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", "a=ж".encode()),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(500))),
    ],
)
async def test_what_is_no_form_gets_a_page_that_repeats_nothing(world: World, kind: str, body: bytes) -> None:
    headers = {**OURS, "Content-Type": kind}
    page = Page(await world.http.post("/en/report/sent", content=body, headers=headers))
    assert page.status == 400
    has_headers(page.answer)


async def test_a_failure_inside_is_a_page_without_a_word_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from services.intake import pages_report

    def fail(*_: object) -> None:
        raise RuntimeError("marker-of-the-input")

    monkeypatch.setattr(pages_report, "load_form", fail)
    page = await Visitor(world).load("/report")
    assert page.status == 500
    has_headers(page.answer)
    assert "marker" not in page.html + "".join(capsys.readouterr())
