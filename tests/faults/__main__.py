"""`make faults`: many rounds, resumable; counts are printed and kept beside the data.

python -m tests.faults --rounds 300 --home FOLDER
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.rounds import Bench, Counts
from tests.system.conftest import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir()) / "adal-faults")
    arguments = parser.parse_args()
    arguments.home.mkdir(exist_ok=True)
    saved = arguments.home / "counts.json"
    counts = Counts(**json.loads(saved.read_text())) if saved.exists() else Counts()
    server = Server(arguments.home, settings={"ADAL_INTAKE_CHALLENGE_COST": "0"})
    server.start()
    bench = Bench(server, random.Random(), counts)
    try:
        while counts.rounds < arguments.rounds and not counts.broken:
            bench.one()
            saved.write_text(json.dumps(counts.to_json()))
            print(json.dumps(counts.to_json()), flush=True)
    finally:
        server.stop()
    sys.exit(1 if counts.broken else 0)


if __name__ == "__main__":
    main()
