"""Searching one's opened cases: folded words, endings, ranking, snippets, and nothing that stays."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.searching import Index, Text, fold, words


def index(**cases: str) -> Index:
    made = Index()
    for reference, text in cases.items():
        made.add(reference, [Text("answers/what", text)])
    return made


def found(made: Index, query: str) -> list[str]:
    return [hit.reference for hit in made.search(query)]


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("Емханада ПАРА сұрады", "пара"),
        ("қызметкер ақша алды", "кызметкер акша"),
        ("Әкімдіктің үлестірген жері", "акимдиктин улестирген"),
        ("Өскемен қаласы, гараж ішінде", "оскемен гараж ишинде"),
        ("взял деньги ещё раз", "еще"),
        ("ЩЁЛОЧЬ", "щелочь"),
        ("The ﬁrm paid", "firm"),
        ("Fußgänger", "FUSSGÄNGER"),
        ("счёт №15-К от 3 мая", "15"),
        ("министерство энергетики", "министерств"),
        ("министрлігінің бұйрығы", "министрлиги"),
    ],
)
def test_words_are_found_however_they_were_typed(written: str, searched: str):
    made = index(A=written, B="ни о чём")
    hits = made.search(searched)
    assert [hit.reference for hit in hits] == ["A"]
    assert hits[0].words == len(searched.split())


def test_a_short_word_finds_itself_only():
    made = index(A="да", B="дача и дачи", C="дав")
    assert found(made, "да") == ["A"]
    assert set(found(made, "дач")) == {"B"}


def test_a_case_with_more_of_the_words_comes_first_then_the_rarer_word_and_the_shorter_text():
    made = index(
        A="hospital bribe", B="hospital hospital hospital", C="bribe " + "and much else " * 50, D="hospital",
        E="nothing",
    )  # fmt: skip
    assert found(made, "hospital bribe")[0] == "A"
    assert found(made, "bribe") == ["A", "C"]
    assert found(made, "bribe road") == ["A", "C"]
    assert found(made, "absent") == []
    assert found(made, "  ,. ") == []


def test_a_whole_word_counts_more_than_the_beginning_of_a_longer_one():
    made = index(A="roads", B="road", C="x", D="y")
    assert found(made, "road") == ["B", "A"]


def test_snippets_show_the_words_as_written_and_where_they_stand():
    made = Index()
    before, after = "до того " * 30, " потом" * 30
    made.add(
        "A", [Text("answers/what", f"{before}ПАРА{after}"), Text("note", "пара слов"), Text("file", "a.txt")]
    )
    (hit,) = made.search("пара")
    assert [one.where for one in hit.snippets] == ["answers/what", "note"]
    first = hit.snippets[0]
    assert first.found == "ПАРА"
    assert first.before.startswith("…")
    assert first.after.endswith("…")
    assert f"{first.before[1:]}ПАРА{first.after[:-1]}" in f"{before}ПАРА{after}"
    assert "слов" not in repr(hit)
    assert repr(made) == "Index(...)"


@given(st.lists(st.text(max_size=80), max_size=6), st.text(max_size=20))
@settings(max_examples=150, deadline=None)
def test_every_word_of_a_text_finds_it_and_nothing_breaks(texts: list[str], query: str):
    made = Index()
    for i, text in enumerate(texts):
        made.add(str(i), [Text("t", text)])
    made.search(query)
    for i, text in enumerate(texts):
        for word in words(text):
            assert text[word.start : word.end]
            assert str(i) in {hit.reference for hit in made.search(text[word.start : word.end], most=10)}


@given(st.text("абвгдеёжзийклмнопрстуфхцчшщъыьэюяәғқңөұүһіabcxyz0189", max_size=50))
def test_letters_of_three_languages_are_folded_once_and_without_case(text: str):
    assert fold(text.upper()) == fold(text) == fold(fold(text))
    assert not set(fold(text)) & set("ёәғқңөұүһі")


def test_a_thousand_cases_are_searched_at_once():
    made = Index()
    for i in range(1000):
        made.add(
            f"case-{i}", [Text("t", f"слово{i} общее " + " ".join(f"w{i * 7 % 500}x{j}" for j in range(200)))]
        )
    start = time.perf_counter()
    hits = made.search("общее слово77")
    assert time.perf_counter() - start < 3
    assert hits[0].reference in {"case-77", *(f"case-77{j}" for j in range(10))}
    assert len(made) == 1000
