"""What a channel is: something that delivers one event, or says that it could not."""

from typing import Protocol

from services.contracts.feed import FeedEvent


class DeliveryFailed(RuntimeError):
    """Not delivered; may be tried again. The text is a class or a status, never an address or an answer."""


class Gone(RuntimeError):
    """The receiver does not want this event, now or later."""


class Channel(Protocol):
    """One receiver, or one way to many."""

    @property
    def name(self) -> str: ...

    async def deliver(self, event: FeedEvent, now: int) -> None:
        """Deliver at `now`, in POSIX seconds. Errors: DeliveryFailed, Gone."""

    def covers(self, event: FeedEvent, other: FeedEvent) -> bool:
        """Whether, once `event` was delivered, `other` need not be."""
