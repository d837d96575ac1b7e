"""Taipy Core: its standalone mode with two workers, and its pickle data nodes."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from time import perf_counter

import configs
import taipy.core as tp
from samples import Sample, application, took
from taipy.common.config import Config


def files(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit` with `wait`, which starts the processes; the scenario is made before."""
    logging.disable()
    os.chdir(folder)
    Config.configure_core(
        storage_folder=str(folder / "loop" / "data"),
        taipy_storage_folder=str(folder / "loop" / "taipy"),
    )
    Config.configure_job_executions(mode="standalone", max_nb_of_workers=2)
    nodes = {
        name: Config.configure_data_node(name, default_data=value)
        for name, value in graph.seeds.items()
    }
    nodes.update((job.output, Config.configure_data_node(job.output)) for job in graph.jobs)
    tasks = [
        Config.configure_task(
            f"make_{job.output}",
            application(folder, job.function),
            [nodes[name] for name in job.inputs],
            nodes[job.output],
        )
        for job in graph.jobs
    ]
    made = Config.configure_scenario("all", tasks)
    orchestrator = tp.Orchestrator()
    orchestrator.run(force_restart=True)
    scenario = tp.create_scenario(made)
    begun = perf_counter()
    submission = tp.submit(scenario, wait=True)
    seconds = perf_counter() - begun
    assert submission.submission_status.name == "COMPLETED", submission.submission_status
    values = scenario.data_nodes
    answer = sum(values[name].read() for name in graph.last)
    orchestrator.stop()
    return took(seconds, answer)
