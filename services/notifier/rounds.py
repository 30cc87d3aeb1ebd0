"""One round: fetch what waits, open it, and send each notice at its own random moment.

A notice that was sent is written down before the next one, and the feed is told only when all of a page are done: a
crash repeats at most the one that was being sent, and loses none.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from services.contracts.feed import FeedEvent
from services.crypto.age import HybridIdentity
from services.crypto.errors import CryptoError
from services.crypto.notices import NoticeAddress, open_notice_address
from services.kit import feed_reader, logs
from services.kit.feed_reader import Source
from services.kit.threads import in_thread
from services.notifier.mail import AddressRefused, Mail
from services.notifier.state import State

KIND = "something-new"
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Notifier:
    """Everything a round needs; `longest` is the longest delay in seconds."""

    source: Source
    identity: HybridIdentity = field(repr=False)
    mail: Mail
    state_file: Path
    longest: float
    sleep: Sleep

    async def round(self) -> int:
        """Fetch one page and send its notices; how many were sent. Errors: FeedUnreachable, FeedBroken, MailDown."""
        state = State.read(self.state_file)
        async with self.source.client() as client:
            page = await feed_reader.fetch(client, state.position)
        sent = await self._send([event for event in page.events if event.id not in state.done], state)
        if page.events:
            State(page.events[-1].position).write(self.state_file)
        return sent

    async def _send(self, events: list[FeedEvent], state: State) -> int:
        """Send in the order of drawn delays, so that the order of the feed does not show either."""
        sent, slept, told = 0, 0.0, set[bytes]()
        for delay, event in sorted(((self._delay(), event) for event in events), key=lambda pair: pair[0]):
            address = self._opened(event)
            if address is not None and address.token not in told:
                await self.sleep(delay - slept)
                slept = delay
                sent += await self._deliver(address)
                told.add(address.token)
            state = state.after(event.id)
            state.write(self.state_file)
        return sent

    def _delay(self) -> float:
        return self.longest * secrets.randbelow(1 << 32) / (1 << 32)

    def _opened(self, event: FeedEvent) -> NoticeAddress | None:
        """The address, or None for what cannot be opened: it must not stop those behind it."""
        try:
            return open_notice_address(event.sealed or b"", self.identity) if event.kind == KIND else None
        except CryptoError as exc:
            logs.error("event-unreadable", error=type(exc).__name__)
            return None

    async def _deliver(self, address: NoticeAddress) -> bool:
        try:
            await in_thread(self.mail.send, address)
        except AddressRefused as exc:
            logs.error("notice-refused", error=type(exc).__name__)
            return False
        return True
