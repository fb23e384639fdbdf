"""The places that settings come from, read into one shape: layers of texts by setting, each with its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tui.core.errors import SettingsError
from tui.core.text import shorten

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"

_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A setting as somebody gave it: its `text`, what it is `called` there and the `place`, with the line if known.

    The text is kept out of `repr`, for it may be a token.
    """

    text: str = field(repr=False)
    called: str
    place: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: its name, the folder its relative paths start from, and what it gives, by setting."""

    source: str
    folder: Path
    given: Mapping[str, Given] = field(default_factory=dict)


def command_line_layer(overrides: Mapping[str, object], cwd: Path) -> Layer:
    """Returns the layer of the command line's options, by setting name; None means not given.

    Unlike everywhere else an empty text counts: somebody typed it.
    """
    given = {
        name: Given(str(value), "--" + name.replace("_", "-"), COMMAND_LINE)
        for name, value in overrides.items()
        if value is not None
    }
    return Layer(COMMAND_LINE, cwd, given)


def environment_layer(environ: Mapping[str, str], variables: Mapping[str, str], cwd: Path) -> Layer:
    """Returns the layer of the environment; `variables` maps settings to variables. Blank variables count as unset."""
    return Layer(ENVIRONMENT, cwd, _given_variables(environ, variables, ENVIRONMENT))


def env_file_layer(path: Path, variables: Mapping[str, str], *, required: bool) -> Layer:
    """Returns the layer of a `.env` file; one that is not there is empty, or an error when it is `required`.

    Nothing is interpolated, so a token with a dollar sign stays what it is, and the process's environment is not
    changed. Raises `SettingsError`.
    """
    if not required and not _holds(path.is_file):
        # A folder called .env is most likely a virtual environment.
        return Layer(str(path), path.parent)
    text = _read(path, "--env-file")
    import io

    from dotenv import dotenv_values

    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return Layer(str(path), path.parent, _given_variables(values, variables, str(path)))


def config_layer(
    path: Path, kinds: Mapping[str, tuple[type, ...]], *, required: bool
) -> tuple[Layer, Mapping[str, str]]:
    """Returns the layer of a `config.toml` and its table of keys; a file that is not there is empty unless `required`.

    `kinds` maps the known settings to the TOML types they accept. Raises `SettingsError` for a file that cannot be
    read or parsed, an unknown key and a value of a wrong type.
    """
    if not required and not _holds(path.exists):
        return Layer(str(path), path.parent), {}
    import tomllib

    text = _read(path, "--config")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{shorten(str(path), 200)} is not valid TOML: {shorten(str(error), 200)}.",
            hint='Correct that line; texts need quotes, as in index = "auto".',
        ) from error
    bindings = table.pop("keys", {})
    given = {}
    for key, value in table.items():
        place = _place(path, text, key)
        if key not in kinds:
            raise _unknown_key(key, place, [*kinds, "keys"])
        if type(value) not in kinds[key]:
            wanted = " or ".join(_KINDS[kind] for kind in kinds[key])
            raise SettingsError(f"{key} ({place}) is {_kind(value)}; it must be {wanted}.")
        if value != "":
            given[key] = Given(str(value), key, place)
    keys = dict(_flatten(bindings, "", _place(path, text, "keys")))
    return Layer(str(path), path.parent, given), keys


def _given_variables(values: Mapping[str, str | None], variables: Mapping[str, str], source: str) -> dict[str, Given]:
    given = {}
    for name, variable in variables.items():
        text = (values.get(variable) or "").strip()
        if text:
            given[name] = Given(text, variable, source)
    return given


def _holds(look: Callable[[], bool]) -> bool:
    """What a look at a path tells; in a folder that may not be searched there is nothing for us."""
    try:
        return look()
    except OSError:
        return False


def _read(path: Path, option: str) -> str:
    name = shorten(str(path), 200)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{name} is not UTF-8: byte {error.start + 1} does not fit.",
            hint=f"Save it as UTF-8, or name another file with {option}.",
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SettingsError(
            f"{name} cannot be read: {reason}.", hint=f"Check its name and permissions, or name another with {option}."
        ) from error


def _unknown_key(key: str, place: str, known: Collection[str]) -> SettingsError:
    import difflib

    close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "The keys are: " + ", ".join(known) + "."
    return SettingsError(f"{shorten(key)} ({place}) is not a setting.", hint=hint)


def _flatten(value: object, prefix: str, place: str) -> Iterator[tuple[str, str]]:
    """Yields (action, keys); ``chat.stop = "f9"`` is a nested table in TOML, and a binding id with a dot for us."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(item, f"{prefix}.{key}" if prefix else key, place)
    elif prefix and isinstance(value, str):
        yield prefix, value
    else:
        called = shorten(f"keys.{prefix}" if prefix else "keys")
        wanted = 'the name of a key in quotes, like "ctrl+e"' if prefix else "a table of actions and keys"
        raise SettingsError(f"{called} ({place}) is {_kind(value)}; it must be {wanted}.")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")


def _place(path: Path, text: str, key: str) -> str:
    """Returns the file, and the line where `key` is first given if it can be found; tomllib does not tell."""
    name = re.escape(key)
    found = re.search(rf"^[ \t]*(?:\[+[ \t]*)?[\"']?{name}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    line = f", line {text.count(chr(10), 0, found.start()) + 1}" if found else ""
    return f"{shorten(str(path), 200)}{line}"
