"""Write one data node from many processes while many read it, and see that each value is whole.

    python tests/concurrency/concurrency.py [--seconds 60] [--writers 10] [--readers 10] [STORAGE …]

does so with each storage that keeps a value in a file. Values say of themselves what they are, and
are of a few bytes up to a few megabytes; one write of eight is discarded. It prints how much was
written and read, and what went wrong. tests/test_concurrency.py does a little of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from runner.config.options import STORAGE_TYPES
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage
from runner.errors import JobError

CASES: Final[Mapping[str, Mapping[str, Any]]] = {
    "pickle": {},
    "json": {},
    "csv": {"exposed_type": "records"},
    "excel": {"exposed_type": "records", "sheet_name": "rows"},
    "parquet": {"exposed_type": "records"},
    "sql_table": {
        "db_engine": "sqlite",
        "db_name": "x",
        "table_name": "rows",
        "exposed_type": "records",
    },
}
"""By storage type of one file, the options with which rows are read as they were written."""
MOST_ROWS: Final = 4000
LONGEST_CELL: Final = 60
"""Numbers of eight digits in a cell."""
DISCARDED: Final = 8
"""One of so many writes is."""
PROBLEMS: Final = ("torn", "missing", "failed writes", "left files")


@attrs.frozen(kw_only=True)
class Load:
    """What each process does.

    Attributes:
        storage_type: of the data node.
        folder: where its file is.
        over: is there when no value is written any more.
        seconds: how long a writer writes; None: as often as `writes` says.
        writes: how often.
    """

    storage_type: str
    folder: Path
    over: Path
    seconds: float | None = None
    writes: int = 0

    def opened(self) -> Storage:
        opening = Opening(
            node="x",
            options=STORAGE_TYPES[self.storage_type](**CASES[self.storage_type]),
            key="global/x",
            path=self.folder / "x",
            memory={},
            load=str,  # no option names anything
        )
        return open_storage(self.storage_type, opening)

    def turns(self) -> Iterator[int]:
        """The numbers of a writer's writes."""
        begun, turn = time.monotonic(), 0
        while (
            turn < self.writes if self.seconds is None else time.monotonic() < begun + self.seconds
        ):
            yield turn
            turn += 1


# --- Values


def made(seed: int) -> list[dict[str, Any]]:
    """Rows that a seed gives; each says how many there are, of which seed, and a sum of them."""
    random = Random(seed)
    rows = int(MOST_ROWS ** random.random())
    repeated = random.randint(1, LONGEST_CELL)
    texts = [f"x{seed:08d}" * repeated for _ in range(rows)]
    total = zlib.crc32("".join(texts).encode())
    return [
        {"seed": seed, "rows": rows, "row": row, "sum": total, "text": text}
        for row, text in enumerate(texts)
    ]


def is_whole(value: Any) -> bool:
    """Whether a value is what its first row says that it is."""
    try:
        return bool(value == made(int(value[0]["seed"])))
    except (TypeError, LookupError, ValueError):
        return False


# --- Processes


def write(load: Load, number: int) -> Counter[str]:
    """Write what no other process writes."""
    storage, counts = load.opened(), Counter[str]()
    for turn in load.turns():
        try:
            staged = storage.stage(made(number * 1_000_000 + turn))
            if turn % DISCARDED == DISCARDED - 1:
                staged.discard()
                counts["writes discarded"] += 1
            else:
                staged.commit()
                counts["writes"] += 1
        except JobError as error:
            counts["failed writes"] += 1
            print(f"{load.storage_type}: {error}", flush=True)
    return counts


def read(load: Load) -> Counter[str]:
    """Read until nobody writes, and once more."""
    storage, counts, seen = load.opened(), Counter[str](), set()
    is_over = False
    while not is_over:
        is_over = load.over.exists()
        try:
            counts["missing"] += not storage.exists()
            value = storage.read()
        except JobError as error:
            counts["missing" if "has no value yet" in str(error) else "torn"] += 1
            print(f"{load.storage_type}: {error}", flush=True)
            continue
        counts["reads"] += 1
        if is_whole(value):
            seen.add(value[0]["seed"])
        else:
            counts["torn"] += 1
            print(f"{load.storage_type}: {str(value)[:200]}", flush=True)
    counts["different values read"] += len(seen)
    return counts


def contend(load: Load, writers: int, readers: int) -> Counter[str]:
    """Let processes write and read one data node; how much they did and what went wrong."""
    load.opened().stage(made(0)).commit()
    context = get_context("spawn")
    with ProcessPoolExecutor(writers + readers, mp_context=context) as pool:
        writing = [pool.submit(write, load, number) for number in range(1, writers + 1)]
        reading = [pool.submit(read, load) for _ in range(readers)]
        counts = sum((each.result() for each in writing), Counter[str]())
        load.over.touch()
        counts += sum((each.result() for each in reading), Counter[str]())
    counts["torn"] += not is_whole(load.opened().read())
    counts["left files"] = sum(1 for each in load.folder.iterdir() if each.name != "x")
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("storages", nargs="*", metavar="STORAGE", help="some; all")
    parser.add_argument("--seconds", type=float, default=60, help="for each storage; 60")
    parser.add_argument("--writes", type=int, default=0, help="of each writer, instead of seconds")
    parser.add_argument("--writers", type=int, default=10, help="10")
    parser.add_argument("--readers", type=int, default=10, help="10")
    options = parser.parse_args(arguments)
    wrong = 0
    for storage_type in options.storages or CASES:
        with tempfile.TemporaryDirectory() as folder:
            load = Load(
                storage_type=storage_type,
                folder=Path(folder) / "data",
                over=Path(folder) / "over",
                seconds=None if options.writes else options.seconds,
                writes=options.writes,
            )
            counts = contend(load, options.writers, options.readers)
        print(storage_type)
        for name in ("writes", "writes discarded", "reads", "different values read", *PROBLEMS):
            print(f"{counts[name]:9,}  {name}", flush=True)
        wrong += sum(counts[name] for name in PROBLEMS)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
