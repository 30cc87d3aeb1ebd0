"""`python -m services.sender`: send until a signal. Settings: `deploy/env/sender.env.example`."""

import asyncio
import signal
from collections.abc import Iterator

import httpx2

from services.kit import logs, program
from services.kit.feed_reader import Source
from services.kit.settings import read_token
from services.sender.mail import Mail, read_address_book
from services.sender.queues import Queues
from services.sender.sending import Feed, Sender
from services.sender.settings import Settings
from services.sender.webhooks import Webhook, make_client, read_webhook_secret


def feeds(settings: Settings, client: httpx2.AsyncClient) -> Iterator[Feed]:
    """What the settings ask for. Errors: SettingsError, OSError or ValueError for an unusable address book."""
    if settings.webhooks_token_file is not None:
        source = Source(settings.feed_url, read_token(settings.webhooks_token_file, "webhooks_token_file"))
        yield Feed(
            "webhooks",
            source,
            [
                Webhook(
                    f"webhooks/{one.name}", one.url, read_webhook_secret(one.secret_file, one.name), client
                )
                for one in settings.endpoints
            ],
        )
    if settings.mail_token_file is not None and settings.address_book_file is not None:
        source = Source(settings.feed_url, read_token(settings.mail_token_file, "mail_token_file"))
        read_address_book(settings.address_book_file)
        yield Feed(
            "mail", source, [Mail(settings.mail_server(), settings.mail_from, settings.address_book_file)]
        )


async def run(settings: Settings) -> None:
    """Send until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with make_client() as client:
        made = list(feeds(settings, client))
        sender = Sender(Queues.load(settings.state_file), made)
        sender.queues.keep_only({channel.name for feed in made for channel in feed.channels})
        logs.info("sender-started", count=len(sender.feeds))
        await sender.run(settings.poll_seconds, stop)


if __name__ == "__main__":
    program.run("sender", Settings, run)
