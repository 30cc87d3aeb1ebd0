"""Pages of the kit: who sent a form, what a template may not do, and where files come from."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from starlette.datastructures import Headers

from services.kit import html
from services.kit.i18n import LANGUAGES


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://adal.example"}, False),
        ({"origin": "https://adal.example"}, True),
        ({"origin": "https://adal.example:443"}, True),
        ({"origin": "https://ADAL.example"}, True),
        ({"origin": "https://adal.example:8443"}, False),
        ({"origin": "https://adal.example.evil.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://adal.example:port"}, False),
        ({"origin": "ftp://adal.example"}, False),
        ({"origin": ""}, False),
        ({"referer": "https://adal.example/kk/report?x"}, True),
        ({"referer": "https://evil.example/https://adal.example/"}, False),
        ({"origin": "https://evil.example", "referer": "https://adal.example/"}, False),
        ({}, False),
    ],
)
def test_only_pages_of_this_site_send_forms(headers: dict[str, str], ours: bool) -> None:
    assert html.same_origin(Headers({"host": "adal.example", **headers})) is ours


@pytest.mark.parametrize(
    ("host", "ours"), [("adal.example:8424", True), ("adal.example", False), ("", False)]
)
def test_the_port_counts(host: str, ours: bool) -> None:
    assert html.same_origin({"host": host, "origin": "http://adal.example:8424"}) is ours


def test_an_onion_address_is_a_site_like_any_other() -> None:
    host = "a" * 56 + ".onion"
    assert html.same_origin({"host": host, "origin": f"http://{host}"})


def write(folder: Path, text: str) -> Path:
    (folder / "page.html").write_text(text, encoding="utf-8")
    return folder


def test_a_template_escapes_what_it_is_given(tmp_path: Path) -> None:
    page = html.environment("en", write(tmp_path, "{{ x }} {{ _('%(x)s!', x=x) }}")).get_template("page.html")
    assert page.render(x="<b>") == "&lt;b&gt; &lt;b&gt;!"


def test_a_name_that_was_not_given_is_an_error_and_no_hole(tmp_path: Path) -> None:
    page = html.environment("en", write(tmp_path, "{{ missing }}")).get_template("page.html")
    with pytest.raises(UndefinedError):
        page.render()


@pytest.mark.parametrize(
    ("language", "number"), [("en", "1,234.5"), ("ru", "1\xa0234,5"), ("kk", "1\xa0234,5")]
)
def test_numbers_are_written_as_the_language_does(tmp_path: Path, language: str, number: str) -> None:
    page = html.environment(language, write(tmp_path, "{{ 1234.5 | number }}")).get_template("page.html")
    assert page.render() == number


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_frame_of_a_page_has_a_skip_link_and_its_language(tmp_path: Path, language: str) -> None:
    folder = write(tmp_path, "{% extends 'base.html' %}{% block title %}T{% endblock %}")
    made = html.environment(language, folder).get_template("page.html").render(here="/x")
    assert f'<html lang="{language}">' in made
    assert made.index('href="#main"') < made.index('id="main"')
    assert made.count('aria-current="true"') == 1


def test_another_language_has_no_templates(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="catalogue"):
        html.environment("de", tmp_path)


def test_the_address_of_a_static_file_follows_its_content() -> None:
    assert html.static_url("adal.css").startswith("/static/adal.css?v=")
    with pytest.raises(KeyError):
        html.static_url("none.css")


def test_the_policy_allows_no_script() -> None:
    policy = html.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script" not in policy
    assert "unsafe" not in policy
