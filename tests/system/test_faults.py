"""Ten rounds of `make faults`."""

import random
from pathlib import Path

from tests.faults.rounds import SETTINGS, Bench, small_disk
from tests.system.conftest import Server


def test_ten_rounds_of_faults_lose_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path, settings=SETTINGS)
    with small_disk(server.var / "blobs") as own_disk:
        bench = Bench(server, random.Random(), can_fill=own_disk)
        server.start()
        try:
            for _ in range(10):
                bench.one()
        finally:
            server.stop()
    assert bench.counts.broken == []
    assert bench.counts.rounds == 10
    assert bench.counts.acknowledged > 0
    done = [name for name, tally in bench.counts.operations.items() if tally.acknowledged]
    assert len(done) > 5, done
    assert bench.counts.absent + bench.counts.repeated > 0
