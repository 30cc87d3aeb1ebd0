"""Catalogues are complete, languages are negotiated as RFC 9110 says, and the check notices each damage."""

from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit import catalogues, i18n
from services.kit.i18n import (
    LANGUAGES,
    catalogue_path,
    date_text,
    money_text,
    negotiate,
    number_text,
    translator,
)

RU_PLURAL = (
    "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
)


def po(language: str, body: str) -> Catalog:
    plural = RU_PLURAL if language == "ru" else "nplurals=2; plural=(n != 1);"
    head = (
        f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: {plural}\\n"\n\n'
    )
    return read_po(BytesIO((head + body).encode()), locale=language)


def template(*ids: str | tuple[str, str]) -> Catalog:
    made = Catalog(fuzzy=False)
    for id_ in ids:
        made.add(id_)
    return made


def problems(language: str, body: str, *ids: str | tuple[str, str]) -> list[str]:
    return list(catalogues.problems_of(template(*ids), po(language, body), language))


# --- the catalogues of the repository


def test_every_sentence_of_the_code_is_translated_in_every_catalogue() -> None:
    assert catalogues.check(catalogues.extract()) == []


def test_the_code_has_sentences_and_the_extraction_finds_them() -> None:
    ids = {message.id for message in catalogues.extract()}
    assert "This field is required." in ids
    assert "There is nothing at this address, or you may not see it." in ids


def test_translators_answer_in_their_language() -> None:
    answers = {language: translator(language).gettext("This field is required.") for language in LANGUAGES}
    assert answers["en"] == "This field is required."
    assert len(set(answers.values())) == 3


def test_kazakh_and_russian_texts_are_written_in_cyrillic() -> None:
    for language in ("kk", "ru"):
        for message in catalogues.load(language):
            assert not message.id or any("а" <= char <= "я" for char in str(message.string).lower()), (
                message.id
            )


def test_kazakh_texts_use_kazakh_letters() -> None:
    texts = "".join(str(message.string) for message in catalogues.load("kk"))
    assert set("әғқңөұүі") <= set(texts.lower())


def test_a_sentence_without_translation_falls_back_to_itself() -> None:
    assert translator("kk").gettext("no such sentence") == "no such sentence"
    assert translator("ru").ngettext("one", "many", 5) == "many"


@pytest.mark.parametrize("language", ["", "de", "../kk", "KK"])
def test_a_language_without_catalogue_is_refused(language: str) -> None:
    with pytest.raises(ValueError, match="no catalogue"):
        translator(language)


@pytest.mark.parametrize(("language", "forms"), [("kk", 2), ("ru", 3), ("en", 2)])
def test_catalogues_declare_the_plural_forms_of_their_language(language: str, forms: int) -> None:
    assert catalogues.load(language).num_plurals == forms


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ru", {1: 0, 2: 1, 5: 2, 11: 2, 12: 2, 21: 0, 22: 1, 25: 2, 111: 2}),
        ("kk", {1: 0, 2: 1, 5: 1, 21: 1}),
    ],
)
def test_plural_rules_of_the_files_choose_the_right_form(language: str, expected: dict[int, int]) -> None:
    plural = translator(language).plural
    assert {n: int(plural(n)) for n in expected} == expected


# --- negotiation


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("kk", "kk"),
        ("KK-kz", "kk"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en;q=0.5, kk;q=0.7", "kk"),
        ("de, ru;q=0.1", "ru"),
        ("de", "en"),
        ("*", "en"),
        ("de, *;q=0.5", "en"),
        ("*, kk;q=0.5", "en"),
        ("en;q=0, *", "kk"),
        ("kk;q=0, ru ; q=0.3", "ru"),
        ("kk;q=0", "en"),
        ("ru;q=nonsense, kk;q=0.2", "kk"),
        ("ru;q=1.5, kk;q=0.2", "kk"),
        ("kkk", "en"),
        (",,;;,ru", "ru"),
    ],
)
def test_negotiation_follows_weights_and_skips_what_it_cannot_read(header: str | None, expected: str) -> None:
    assert negotiate(header) == expected


def test_equal_weights_keep_the_order_of_the_header() -> None:
    assert negotiate("ru, kk") == "ru"
    assert negotiate("kk, ru") == "kk"


def test_the_caller_may_narrow_the_languages_and_name_another_default() -> None:
    assert negotiate("en", ("kk", "ru"), "kk") == "kk"
    assert negotiate("ru", ("kk", "ru"), "kk") == "ru"


def test_only_the_first_thousand_characters_of_a_header_are_read() -> None:
    assert negotiate("x," * 500 + "ru") == "en"


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_header_gives_a_supported_language(header: str) -> None:
    assert negotiate(header) in LANGUAGES


# --- dates and numbers


def test_days_are_written_as_each_language_writes_them() -> None:
    day = date(2026, 11, 24)
    written = {language: " ".join(date_text(day, language).split()) for language in LANGUAGES}
    assert written == {"kk": "2026 ж. 24 қараша", "ru": "24 ноября 2026 г.", "en": "November 24, 2026"}


def test_numbers_and_money_use_the_signs_of_the_language() -> None:
    plain = {language: money_text(17_300_000, "KZT", language) for language in LANGUAGES}
    words = {language: " ".join(text.split()) for language, text in plain.items()}
    assert words == {"kk": "17 300 000 ₸", "ru": "17 300 000 KZT", "en": "17,300,000 KZT"}
    assert number_text(1234, "en") == "1,234"


# --- the check


def test_a_complete_catalogue_has_no_problem() -> None:
    assert problems("kk", 'msgid "Yes {name}."\nmsgstr "Иә {name}."\n', "Yes {name}.") == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "is missing"),
        ('msgid "Yes."\nmsgstr ""\n', "is not translated"),
        ('msgid "Yes."\nmsgstr "  "\n', "is not translated"),
        ('#, fuzzy\nmsgid "Yes."\nmsgstr "Иә."\n', "is fuzzy"),
        ('msgid "Yes."\nmsgstr "Иә {name}."\n', "other placeholders"),
        ('msgid "Yes."\nmsgstr "Иә %(name)s."\n', "other placeholders"),
        ('msgid "Yes."\nmsgstr "Иә."\n\nmsgid "Old."\nmsgstr "Ескі."\n', "is not used any more"),
    ],
)
def test_each_damage_is_reported(body: str, complaint: str) -> None:
    found = problems("kk", body, "Yes.")
    assert len(found) == 1
    assert complaint in found[0]
    assert found[0].startswith("kk: ")


def test_a_lost_placeholder_is_reported() -> None:
    assert "other placeholders" in problems("ru", 'msgid "%(n)d left"\nmsgstr "осталось"\n', "%(n)d left")[0]


def plural_entry(*forms: str) -> str:
    lines = [f'msgstr[{index}] "{form}"' for index, form in enumerate(forms)]
    return 'msgid "One file."\nmsgid_plural "{n} files."\n' + "\n".join(lines) + "\n"


def test_russian_needs_three_forms_each_with_its_number() -> None:
    ids = ("One file.", "{n} files.")
    assert problems("ru", plural_entry("{n} файл.", "{n} файла.", "{n} файлов."), ids) == []
    assert "other placeholders" in problems("ru", plural_entry("Файл.", "{n} файла.", "{n} файлов."), ids)[0]
    assert "not translated" in problems("ru", plural_entry("{n} файл.", "{n} файла.", ""), ids)[0]
    assert problems("ru", plural_entry("{n} файл.", "{n} файла."), ids) != []


def test_kazakh_needs_two_forms_and_may_leave_out_the_number_one() -> None:
    ids = ("One file.", "{n} files.")
    assert problems("kk", plural_entry("Бір файл.", "{n} файл."), ids) == []
    assert problems("kk", plural_entry("{n} файл.", "{n} файл."), ids) == []
    assert "other placeholders" in problems("kk", plural_entry("Бір файл.", "Файлдар."), ids)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing 100% here", []),
        ("%(a)s and %d", ["%(a)s", "%d"]),
        ("{b} {a!r} {c:>3} {}", ["{a!r}", "{b}", "{c:>3}", "{}"]),
    ],
)
def test_placeholders_of_both_styles_are_seen(text: str, expected: list[str]) -> None:
    assert catalogues.placeholders(text) == expected


# --- extraction and update, in a folder of their own


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small source tree with its own catalogues."""
    source = tmp_path / "services" / "shop"
    (source / "templates").mkdir(parents=True)
    (source / "page.py").write_text(
        'from services.kit.i18n import N_\nA = N_("Hello.")\n'
        'def f(t, n):\n    return t.ngettext("One file.", "{n} files.", n)\n',
        encoding="utf-8",
    )
    (source / "templates" / "page.html").write_text("<p>{{ _('From a page.') }}</p>", encoding="utf-8")
    hidden = tmp_path / "node_modules" / "services"
    hidden.mkdir(parents=True)
    (hidden / "other.py").write_text('_("Not ours.")', encoding="utf-8")
    monkeypatch.setattr(i18n, "LOCALE_DIR", tmp_path / "locale")
    return tmp_path


def test_extraction_reads_python_and_templates_and_nothing_else(project: Path) -> None:
    ids = {message.id for message in catalogues.extract(project) if message.id}
    assert ids == {"Hello.", "From a page.", ("One file.", "{n} files.")}


def test_update_fills_english_and_leaves_the_others_to_translate(project: Path) -> None:
    found = catalogues.extract(project)
    catalogues.update(found)
    left = catalogues.check(found)
    assert len(left) == 6
    assert {line[:2] for line in left} == {"kk", "ru"}
    english = catalogues.load("en")
    message = english.get("One file.")
    assert message is not None
    assert message.string == ("One file.", "{n} files.")


def test_update_keeps_translations_and_drops_unused_sentences(project: Path) -> None:
    catalogues.update(catalogues.extract(project))
    path = catalogue_path("kk")
    path.write_text(path.read_text().replace('"Hello."\nmsgstr ""', '"Hello."\nmsgstr "Сәлем."'))
    (project / "services" / "shop" / "templates" / "page.html").write_text("")
    catalogues.update(catalogues.extract(project))
    kazakh = catalogues.load("kk")
    message = kazakh.get("Hello.")
    assert message is not None
    assert message.string == "Сәлем."
    assert kazakh.get("From a page.") is None
    assert "#~" not in path.read_text()


def test_two_updates_give_the_same_bytes(project: Path) -> None:
    catalogues.update(catalogues.extract(project))
    first = [catalogue_path(language).read_bytes() for language in LANGUAGES]
    catalogues.update(catalogues.extract(project))
    assert first == [catalogue_path(language).read_bytes() for language in LANGUAGES]


def test_the_command_says_what_is_wrong_by_its_exit_code(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogues, "extract", lambda: template("Hello."))
    assert catalogues.main(["check"]) == 1
    assert "is missing" in capsys.readouterr().err
    assert catalogues.main(["update"]) == 0
    assert catalogues.main(["check"]) == 1
    for language in LANGUAGES:
        path = catalogue_path(language)
        path.write_text(path.read_text().replace('"Hello."\nmsgstr ""', '"Hello."\nmsgstr "Сәлем."'))
    assert catalogues.main(["check"]) == 0
    assert catalogues.main([]) == 2
    assert "usage" in capsys.readouterr().err
