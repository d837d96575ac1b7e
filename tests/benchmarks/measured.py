"""Measures one side of a case once: `python measured.py SIDE FOLDER SHAPE COUNT`.

SIDE names a function, as in `peers.dask.graph`. It is called with the folder of a pipeline and with
the graph of its jobs, and what it returns is printed as JSON. Imports, and whatever else stands
before a clock is read there, are not measured. The garbage collector is as Python has it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import configs


def main() -> None:
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what others print there is no sample
    side, folder, shape, count = sys.argv[1:]
    module, _, name = side.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    sample = function(Path(folder), configs.SHAPES[shape](int(count)))
    with told:
        json.dump(sample._asdict(), told)


if __name__ == "__main__":
    main()
