"""`python -m services.sender`: send until a signal. Settings: `deploy/env/sender.env.example`."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
from pydantic import ValidationError

from services.kit import logs
from services.kit.feed_reader import Source
from services.kit.locks import take_lock
from services.kit.settings import SettingsError, read_token
from services.sender.mail import Mail, Server, read_address_book
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
        yield Feed("mail", source, [Mail(_server(settings), settings.mail_from, settings.address_book_file)])


def _server(settings: Settings) -> Server:
    password = settings.smtp_password_file
    return Server(
        settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_login,
        read_token(password, "smtp_password_file") if password else "",
    )  # fmt: skip


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


def locked(path: Path) -> bool:
    """Whether this process is now the only one on the file of what waits."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return take_lock(path.with_name(f"{path.name}.lock")) is not None


def main() -> None:
    logs.configure()
    try:
        settings = Settings()
        if not locked(settings.state_file):
            sys.exit("A sender runs on this file already.")
        asyncio.run(run(settings))
    except (SettingsError, ValidationError) as exc:
        sys.exit(str(exc))  # they name settings, never their values
    except (OSError, ValueError) as exc:
        logs.failure("sender-not-started", exc)
        sys.exit(1)


if __name__ == "__main__":
    main()
