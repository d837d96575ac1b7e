"""The same from Python: both scenarios are submitted, then both are waited for."""

from __future__ import annotations

from pathlib import Path

import runner

config = runner.Config.load(Path(__file__).with_name("pipeline.toml"))

with runner.Core(config) as core:
    first = core.create_scenario("first")
    second = core.create_scenario("second")
    second.data_nodes["input"].write(4)

    submissions = [first.submit(), second.submit()]  # returns at once; the jobs run elsewhere
    for submission in submissions:
        print(f"{submission.plan.name}: {submission.wait()}")

    print(first.data_nodes["output"].read(), second.data_nodes["output"].read())
