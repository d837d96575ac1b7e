from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.builder import ConfigBuilder
from runner.config.model import (
    Config,
    CoreConfig,
    DataNodeConfig,
    Frequency,
    JobConfig,
    Mode,
    ScenarioConfig,
    Scope,
    SectionRef,
    TaskConfig,
)
from runner.config.options import CsvOptions, GenericOptions, JsonOptions
from runner.config.references import FunctionRef
from runner.errors import ConfigError

HERE = __name__


def double(number: int) -> int:
    return 2 * number


class Row:
    @staticmethod
    def of(text: str) -> str:
        return text


def built(builder: ConfigBuilder, **more: Any) -> Config:
    return builder.build(environ=more.pop("environ", {}), **more)


def test_a_pipeline() -> None:
    builder = ConfigBuilder()
    builder.configure_job_executions(mode="standalone", max_nb_of_workers=3)
    builder.configure_core(storage_folder="state")
    builder.configure_global_app(title="Sales")
    raw = builder.configure_data_node("raw", default_data=21)
    out = builder.configure_data_node(
        "out", "json", scope=Scope.GLOBAL, validity_period=timedelta(days=1), default_path="o.json"
    )
    task = builder.configure_task("double", double, raw, out, skippable=True, tags=["fast"])
    builder.configure_scenario(
        "sales",
        [task],
        [raw],
        frequency=Frequency.DAILY,
        sequences={"all": [task]},
        comparators={"out": [double]},
        owner="me",
    )
    assert built(builder) == Config(
        runner={"title": "Sales"},
        job=JobConfig(mode=Mode.STANDALONE, max_nb_of_workers=3),
        core=CoreConfig(storage_folder="state"),
        data_nodes={
            "raw": DataNodeConfig(id="raw", default_data=21),
            "out": DataNodeConfig(
                id="out",
                storage_type="json",
                scope=Scope.GLOBAL,
                validity_period=timedelta(days=1),
                options=JsonOptions(default_path="o.json"),
            ),
        },
        tasks={
            "double": TaskConfig(
                id="double",
                function=FunctionRef(f"{HERE}.double"),
                inputs=("raw",),
                outputs=("out",),
                skippable=True,
                tags=("fast",),
            )
        },
        scenarios={
            "sales": ScenarioConfig(
                id="sales",
                tasks=("double",),
                additional_data_nodes=("raw",),
                frequency=Frequency.DAILY,
                sequences={"all": ("double",)},
                comparators={"out": (FunctionRef(f"{HERE}.double"),)},
                properties={"owner": "me"},
            )
        },
    )


def test_things_are_named_by_reference_or_by_id() -> None:
    by_id, by_reference = ConfigBuilder(), ConfigBuilder()
    by_id.configure_data_node("a")
    by_id.configure_task("t", double, "a", ["a"])
    node = by_reference.configure_data_node("a")
    by_reference.configure_task("t", double, [node], node)
    assert node == SectionRef("a")
    assert built(by_id) == built(by_reference)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        pytest.param(double, f"{HERE}.double", id="function"),
        pytest.param(Row.of, f"{HERE}.Row.of", id="method"),
        pytest.param(len, "builtins.len", id="builtin"),
        pytest.param("m.f", "m.f", id="name"),
    ],
)
def test_a_function_is_known_by_its_name(function: Any, name: str) -> None:
    builder = ConfigBuilder()
    builder.configure_task("t", function)
    assert built(builder).tasks["t"].function == FunctionRef(name)


def test_a_function_without_a_name_is_known_itself() -> None:
    builder = ConfigBuilder()
    identity = lambda value: value  # noqa: E731 - a function that no name leads to
    builder.configure_task("t", identity)
    function = built(builder).tasks["t"].function
    assert function is not None
    assert function.target is identity


@given(st.text() | st.sampled_from(["8:int", "a:SECTION", "x:str", "8:itn"]))
def test_a_text_stays_that_text(text: str) -> None:
    builder = ConfigBuilder()
    builder.configure_global_app(x=[{"y": text}])
    builder.configure_data_node("a", default_data=text, description=text)
    config = built(builder, environ={"X": "x"})
    assert config.runner == {"x": [{"y": text}]}
    assert config.data_nodes["a"].default_data == text
    assert config.data_nodes["a"].description == text


def test_the_environment_is_read() -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", default_data="ENV[X]:int")
    config = built(builder, environ={"X": "3"})
    assert config.data_nodes["a"].default_data == 3
    assert ("DATA_NODE", "a", "default_data") in config.env


@pytest.mark.parametrize("value", [None, object(), double, (1, 2), {"a": None}, b"x", {1}])
def test_default_data_is_any_object(value: object) -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", default_data=value)
    assert built(builder).data_nodes["a"].default_data == value


def test_a_key_that_is_none_is_not_given() -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", "csv", path=None, exposed_type=Row, scope=None)
    assert built(builder).data_nodes["a"] == DataNodeConfig(
        id="a",
        storage_type="csv",
        options=CsvOptions(exposed_type=FunctionRef(f"{HERE}.Row")),
    )


def test_arguments_of_a_generic_data_node_may_be_objects() -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", "generic", read_fct=double, read_fct_args=[1, "8:int"])
    assert built(builder).data_nodes["a"].options == GenericOptions(
        read_fct=FunctionRef(f"{HERE}.double"), read_fct_args=(1, "8:int")
    )


def test_files_and_overrides_lie_over_the_code(tmp_path: Path) -> None:
    builder = ConfigBuilder()
    builder.configure_job_executions(queue="code", max_nb_of_workers=5, mode="cluster")
    path = tmp_path / "c.toml"
    path.write_text('[JOB]\nqueue = "file"\nmode = "standalone"')
    config = builder.build(path, overrides=["JOB.mode=development"], environ={})
    assert config.job == JobConfig(queue="file", max_nb_of_workers=5)


def test_sections_add_up() -> None:
    builder = ConfigBuilder()
    builder.configure_job_executions(queue="a").configure_job_executions(max_nb_of_workers=3)
    builder.configure_core(storage_folder="x").configure_global_app(a=1).configure_global_app(b=2)
    config = built(builder)
    assert config.job == JobConfig(queue="a", max_nb_of_workers=3)
    assert config.core.storage_folder == "x"
    assert config.runner == {"a": 1, "b": 2}


def test_an_id_configured_again_is_replaced() -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", "csv", description="first")
    builder.configure_data_node("a")
    assert built(builder).data_nodes == {"a": DataNodeConfig(id="a")}


def test_building_changes_nothing() -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", default_data=[1])
    assert built(builder) == built(builder)


def test_what_is_wrong_is_refused() -> None:
    builder = ConfigBuilder()
    builder.configure_job_executions(mode="fast")
    builder.configure_task("t", double, retries=-1)
    with pytest.raises(ConfigError, match=r"RUN116") as caught:
        built(builder)
    assert str(caught.value) == (
        "JOB.mode: error[RUN116]: "
        'expected one of development, standalone, cluster, got "fast"\n'
        "TASK.t.retries: error[RUN116]: expected at least 0, got -1"
    )
