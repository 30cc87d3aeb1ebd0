"""`make faults`: many rounds, resumable; counts are printed and kept beside the data.

python -m tests.faults --rounds 1000 --home FOLDER
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.rounds import SETTINGS, Bench, Counts, small_disk
from tests.system.conftest import Server

BATCH = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir()) / "adal-faults")
    arguments = parser.parse_args()
    arguments.home.mkdir(exist_ok=True)
    saved = arguments.home / "counts.json"
    counts = Counts.from_json(json.loads(saved.read_text())) if saved.exists() else Counts()
    while counts.rounds < arguments.rounds and not counts.broken:
        # A fresh installation now and then: the disk of its blobs is small, so that it can be filled.
        with tempfile.TemporaryDirectory(dir=arguments.home, prefix="run-") as folder:
            Path(folder).chmod(0o755)
            server = Server(Path(folder), settings=SETTINGS)
            with small_disk(server.var / "blobs") as own_disk:
                bench = Bench(server, random.Random(), counts, own_disk)
                _rounds(bench, min(arguments.rounds, counts.rounds + BATCH), saved)
    sys.exit(1 if counts.broken else 0)


def _rounds(bench: Bench, until: int, saved: Path) -> None:
    bench.server.start()
    try:
        while bench.counts.rounds < until and not bench.counts.broken:
            bench.one()
            saved.write_text(json.dumps(bench.counts.to_json()))
            print(json.dumps(bench.counts.to_json()), flush=True)
    finally:
        bench.server.stop()


if __name__ == "__main__":
    main()
