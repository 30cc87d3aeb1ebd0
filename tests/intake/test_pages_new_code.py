"""A new receipt code without script: it counts once it was typed back, and the old one dies with it."""

import pytest

from services.crypto.receipts import derive, format_receipt
from tests.intake.builders import World
from tests.intake.pages import Page, Visitor, reply

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


async def filed(world: World, language: str = "en", **changes: str) -> tuple[Visitor, Page]:
    visitor = Visitor(world, language)
    return visitor, await visitor.file(**changes)


async def new_code(visitor: Visitor, code: str) -> Page:
    form = (await visitor.inbox(code)).form("/inbox/code")
    page = await visitor.send("/inbox/code", form)
    assert page.status == 201
    return page


async def test_a_new_code_counts_once_it_was_typed_back(world: World) -> None:
    visitor, page = await filed(world)
    offered = await new_code(visitor, page.code)
    assert offered.code != page.code
    before = await visitor.inbox(page.code)
    assert "not typed back yet" in before.words
    done = await visitor.send(
        "/inbox/code/confirm", {**offered.form("/confirm"), "typed": format_receipt(offered.code)}
    )
    assert done.status == 200
    assert "The new code is in force." in done.words
    assert "Code replaced on" in done.words
    assert (await visitor.enter(page.code)).status == 404
    assert (await visitor.inbox(offered.code)).reference == page.reference


async def test_a_visit_dies_with_its_code(world: World) -> None:
    visitor, page = await filed(world)
    visit = (await visitor.inbox(page.code)).form("/inbox")["visit"]
    offered = await new_code(visitor, page.code)
    await visitor.send("/inbox/code/confirm", {**offered.form("/confirm"), "typed": offered.code})
    for step in ("", "/message", "/code"):
        late = await visitor.send(f"/inbox{step}", {"visit": visit, "token": "x", "text": "words"})
        assert late.status == 401


async def test_a_new_code_typed_wrong_is_shown_again_and_not_in_force(world: World) -> None:
    visitor, page = await filed(world)
    offered = await new_code(visitor, page.code)
    code = offered.code
    wrong = code[:8] + str((int(code[8]) + 1) % 10) + code[9:]
    again = await visitor.send("/inbox/code/confirm", {**offered.form("/confirm"), "typed": wrong})
    assert again.status == 422
    assert again.error_of("typed").endswith("from the left: 3.")
    assert again.code == code
    assert (await visitor.enter(page.code)).status == 200
    done = await visitor.send("/inbox/code/confirm", {**again.form("/confirm"), "typed": code})
    assert done.status == 200


async def test_the_same_request_for_a_code_gives_the_same_code(world: World) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/inbox/code")
    first, second = [await visitor.send("/inbox/code", form) for _ in range(2)]
    assert first.code == second.code


async def test_the_new_code_typed_at_the_entry_is_typed_back(world: World) -> None:
    visitor, page = await filed(world)
    offered = await new_code(visitor, page.code)
    pending = await visitor.enter(offered.code)
    assert pending.status == 409
    assert "not in force yet" in pending.words
    done = await visitor.send("/inbox/code/confirm", pending.form("/confirm"))
    assert "The new code is in force." in done.words
    assert (await visitor.enter(page.code)).status == 404


async def test_a_confirmation_sent_twice_shows_the_inbox(world: World) -> None:
    visitor, page = await filed(world)
    offered = await new_code(visitor, page.code)
    form = {**offered.form("/confirm"), "typed": offered.code}
    assert (await visitor.send("/inbox/code/confirm", form)).status == 200
    again = await visitor.send("/inbox/code/confirm", form)
    assert again.reference == page.reference


async def test_a_code_whose_place_was_taken_is_not_put_in_force(world: World) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    offered = await new_code(visitor, page.code)
    await visitor.send("/inbox/message", {**inbox.form("/message"), "text": "in between"}, [])
    answer = await visitor.send("/inbox/code/confirm", {**offered.form("/confirm"), "typed": offered.code})
    assert answer.status == 409
    assert (await visitor.enter(page.code)).status == 200


async def test_replies_to_the_old_code_are_gone_with_it_and_the_page_says_so(world: World) -> None:
    visitor, page = await filed(world)
    await reply(world, page.reference, derive(page.code).identity.recipient, "To the old code")
    offered = await new_code(visitor, page.code)
    done = await visitor.send("/inbox/code/confirm", {**offered.form("/confirm"), "typed": offered.code})
    assert "To the old code" not in done.words
    assert "Replies to an earlier code cannot be shown" in done.words
    assert "Some messages are not shown" not in done.words
