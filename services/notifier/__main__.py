"""`python -m services.notifier`: rounds until it is told to stop; with `--once` one round without a delay.

Settings: `deploy/env/notifier.env.example`.
"""

import argparse
import asyncio
import signal

from services.kit import logs, program
from services.kit.feed_reader import FeedBroken, FeedUnreachable, Source
from services.kit.settings import read_identity, read_token
from services.notifier.mail import Mail, MailDown
from services.notifier.rounds import Notifier
from services.notifier.settings import Settings


def notifier_of(settings: Settings, longest: float) -> Notifier:
    """The notifier of the settings. Errors: SettingsError."""
    return Notifier(
        source=Source(settings.feed_url, read_token(settings.feed_token_file, "feed_token_file")),
        identity=read_identity(settings.identity_file, "identity_file"),
        mail=Mail(settings.mail_server(), settings.mail_from),
        state_file=settings.state_file,
        longest=longest,
        sleep=asyncio.sleep,
    )


async def rounds(notifier: Notifier, every: float) -> None:
    """Rounds, one after the other; what fails is tried again in the next."""
    while True:
        try:
            await notifier.round()
        except (FeedUnreachable, FeedBroken, MailDown) as exc:
            logs.error("notices-wait", error=type(exc).__name__)
        await asyncio.sleep(every)


async def run(settings: Settings, once: bool = False) -> None:
    """Run until SIGTERM or SIGINT. Errors: SettingsError; with `once` those of a round."""
    notifier = notifier_of(settings, 0 if once else settings.longest_delay_minutes * 60)
    if once:
        await notifier.round()
        return
    task = asyncio.ensure_future(rounds(notifier, settings.every_seconds))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()  # nobody told it to stop: say why it did


def main() -> None:
    parser = argparse.ArgumentParser(description="Tells reporters by e-mail that there is something new.")
    parser.add_argument("--once", action="store_true", help="one round, without a delay")
    once = parser.parse_args().once
    program.run("notifier", Settings, lambda settings: run(settings, once))


if __name__ == "__main__":
    main()
