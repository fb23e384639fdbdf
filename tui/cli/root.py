"""The command `ragfood` itself: the options that hold for every command, and the app when there is none."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.cli.answers import ask, evaluate, search
from tui.cli.doctor import doctor
from tui.cli.index import index
from tui.cli.output import say
from tui.cli.running import FILE_PATH
from tui.core.errors import ConfigurationError
from tui.core.paths import Paths, ensure_directory
from tui.core.records import IndexKind
from tui.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from tui.core.log import Log


class Run:
    """What the options before a command decide. Settings are read when first asked for, so that help always works."""

    def __init__(
        self,
        *,
        env_file: Path | None,
        config_file: Path | None,
        overrides: Mapping[str, object],
        debug: bool,
        closing: ExitStack,
    ) -> None:
        self._env_file = env_file
        self._config_file = config_file
        self._overrides = overrides
        self._debug = debug
        self._closing = closing

    @cached_property
    def paths(self) -> Paths:
        return Paths.from_environment(os.environ)

    @cached_property
    def settings(self) -> Settings:
        """Raises `SettingsError`."""
        return load_settings(
            environ=os.environ,
            cwd=_working_directory(),
            paths=self.paths,
            overrides=self._overrides,
            env_file=self._env_file,
            config_file=self._config_file,
        )

    @cached_property
    def log(self) -> Log:
        """The log of this run, open from now on; why there is none is in its `reason`. Raises `SettingsError`."""
        from tui.core.log import setup_log

        secrets = [self.settings.upstash_token, self.settings.ollama_api_key]
        log = setup_log(self.paths, debug=self._debug, secrets=secrets)
        self._closing.callback(log.close)
        return log


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigurationError(
            f"The working directory cannot be found: {error.strerror}.", hint="It may be gone: change to another one."
        ) from error


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("ragfood")
    except metadata.PackageNotFoundError:
        # Run as `python -m tui` beside its source, which pip does not know.
        version = "(not installed)"
    say(f"ragfood {version}")
    context.exit()


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--env-file",
    type=FILE_PATH,
    metavar="FILE",
    help="Read variables from this file instead of ./.env.",
)
@click.option("--config", type=FILE_PATH, metavar="FILE", help="Read this config.toml instead of the user's own.")
@click.option(
    "--index",
    "kind",
    type=click.Choice([kind.value for kind in IndexKind]),
    help="Where records live. Default: auto.",
)
@click.option("--namespace", metavar="NAME", help="A part of the index to work in. Default: the default namespace.")
@click.option("--debug", is_flag=True, help="Write more into the log file.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.pass_context
def ragfood(
    context: click.Context,
    env_file: Path | None,
    config: Path | None,
    kind: str | None,
    namespace: str | None,
    debug: bool,
) -> int | None:
    """Chat with a food knowledge base and see the sources behind every answer.

    Without a command this opens the app. The commands do the same from scripts.
    """
    overrides = {"index": kind, "namespace": namespace}
    context.obj = Run(env_file=env_file, config_file=config, overrides=overrides, debug=debug, closing=context.obj)
    return open_app(context.obj) if context.invoked_subcommand is None else None


def open_app(run: Run) -> int:
    """Runs the app in this terminal. Raises `ConfigurationError` when there is none, or nowhere to keep an index."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigurationError(
            "The app needs a terminal, and this is a pipe or a file.",
            hint='In scripts use the commands, for example: ragfood ask "Which soups come with noodles?" --json',
        )
    if os.environ.get("TERM", "") in ("", "dumb") and os.name != "nt":
        raise ConfigurationError(
            f'The app cannot draw on a terminal of type "{os.environ.get("TERM", "")}".',
            hint="Set TERM (for example TERM=xterm-256color), or use the commands: ragfood ask --help",
        )
    # Hardly anything that is imported now is ever garbage. The app collects again after its first paint.
    gc.disable()
    from tui.app import RagfoodApp
    from tui.services.bundle import Services

    async def open_services() -> Services:
        from tui.wiring import build_services

        return build_services(run.settings, run.paths)

    from tui.wiring import check_settings

    check_settings(run.settings)
    ensure_directory(run.paths.data)
    _ = run.log
    app = RagfoodApp(run.settings, open_services, log_file=str(run.paths.log_file))
    app.run()
    return app.return_code or 0


for command in (ask, search, index, evaluate, doctor):
    ragfood.add_command(command)
