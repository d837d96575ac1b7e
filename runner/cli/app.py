"""The commands and how the process ends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from runner import __version__
from runner.cli.options import global_options
from runner.config.pauses import collector_seldom
from runner.errors import ExitCode, RunnerError, UsageError
from runner.suggestions import did_you_mean

COMMANDS: Final[Mapping[str, str]] = {
    "check": "Prove a config right, before anything runs.",
    "plan": "Show what would run; touches no data.",
    "execute": "Check, plan and run a scenario.",
    "resume": "Finish what failed, was stopped or died.",
    "runs": "Show what has run, and remove old runs.",
    "logs": "Show what the jobs of a run printed.",
    "cancel": "Stop a run or a job from another terminal.",
    "data": "Show, read and write the data nodes of a scenario.",
    "compare": "Run comparators over instances of a scenario.",
    "config": "Show or export the resolved config.",
    "schema": "Write the JSON Schema that editors complete and judge by.",
    "run-worker": "Work for runs in cluster mode.",
    "init": "Make a small project that runs.",
    "explain": "Tell what a code means, with a bad and a good example.",
}
"""Each is `command` of the module of its name, `_` for `-`, which only its use imports."""


class Commands(click.Group):
    """The commands by name; to list them, none is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"runner.cli.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS) or f"there are {', '.join(COMMANDS)}"
            raise UsageError(f"no command `{args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="runner COMMAND --help tells more of each.",
)
@click.version_option(__version__, prog_name="runner", message="%(prog)s %(version)s")
@global_options
def commands(**_options: Any) -> int:
    """Run pipelines that are written in TOML."""
    return ExitCode.DONE


def main() -> None:
    """Run the command line of this process, and end it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with collector_seldom():  # what a command makes lives about as long as the command
        sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; its exit code."""
    try:
        code = commands.main(arguments, prog_name="runner", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        from runner.cli.rendering import show_error

        show_error(_in_our_words(error))
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except RunnerError as error:
        from runner.cli.rendering import show_error

        show_error(error)
        return error.exit_code
    except (BrokenPipeError, SystemExit):  # click turns the one into the other
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 - a bug of ours ends as a short message, not a traceback
        from runner.cli.rendering import show_bug

        show_bug(error, arguments)
        return ExitCode.INTERNAL
    return _exit_code(code)


def _in_our_words(error: click.ClickException) -> UsageError:
    message = error.format_message().removesuffix(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return UsageError(message[:1].lower() + message[1:])
    hint: str | None = f"{context.command_path} --help tells what there is"
    if isinstance(error, click.NoSuchOption):
        message = f"no option `{error.option_name}`"
        options = [name for each in context.command.get_params(context) for name in each.opts]
        if context.parent is None:
            hint = f"options follow the command: runner check {error.option_name}"
        if error.option_name.startswith("--"):  # a letter is near to every other
            hint = did_you_mean(error.option_name, options) or hint
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _exit_code(returned: Any) -> int:
    return returned if isinstance(returned, int) else ExitCode.DONE


def _reader_gone() -> int:
    """Whoever read our output has closed it, like `head`; Python must not try to write on."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE
