"""Foods files: read row by row, and each food made into the record that an index holds.

Rows of a list in JSON. What is wrong with a file as a whole is a `FoodsFileError`; what is wrong with a row is a
`Rejection` that names the row and the reason, and the other rows go on. Texts are cleaned of control characters on the
way in; an id is a key and never altered, so one with control characters is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.core.errors import FoodsFileError
from tui.core.events import Rejection
from tui.core.limits import MAX_DATA_BYTES, MAX_METADATA_BYTES
from tui.core.records import Food, Record
from tui.core.text import clean, clean_json, clean_line, shorten

MAX_ID_CHARACTERS = 512
"""Ours: Upstash documents no limit, and an id is a key that people type and read."""

ENRICHMENT = 1
"""Version of what is embedded and stored for a food. Raising it makes every record count as changed."""

RESERVED = frozenset({"original_text", "enriched_text", "content_hash"})
"""Metadata keys that we write ourselves; a food that brings one of its own is refused."""

_FIELDS = frozenset({"id", "text", "name", "region", "type"})
_MAX_DEPTH = 32
_MAX_INTEGER = 2**63 - 1
_LARGEST_CHARACTER = 6
_UNKNOWN = "unknown"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# An escape stands for a control or another character beyond ASCII; keys lose blanks at their ends and double ones.
_NOT_PLAIN = re.compile(r'\\|" | "|  |[0-9]{19}')
# What stands before, between and after the members of a list, with the blanks that JSON allows around it.
_MARK = re.compile(r"[ \t\n\r]*([\[,\]])[ \t\n\r]*")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class FoodsFile:
    """A foods file as read: the good rows with their numbers, counted from 1, and the refused ones."""

    path: Path
    foods: tuple[tuple[int, Food], ...]
    rejected: tuple[Rejection, ...]


def read_foods(path: Path) -> FoodsFile:
    """Reads the foods file at `path`.

    Of rows with equal ids the first one counts. Raises `FoodsFileError` when the file cannot be read, is not UTF-8, not
    JSON, not a list, or an empty one.
    """
    foods: list[tuple[int, Food]] = []
    rejected: list[Rejection] = []
    first_rows: dict[str, int] = {}
    for number, row in enumerate(_rows(_content(path), path), start=1):
        try:
            food = _food(row)
            first = first_rows.setdefault(food.id, number)
            if first != number:
                raise _Refused(f"the id is a duplicate: row {first} has it already")
        except _Refused as refusal:
            rejected.append(Rejection(number, _shown_id(row), str(refusal)))
        else:
            foods.append((number, food))
    return FoodsFile(path, tuple(foods), tuple(rejected))


def bundled_foods_path() -> Path:
    """Returns the sample data set: inside the installed package, or at the root of an editable checkout.

    Raises `FoodsFileError` when neither has it.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "foods.json", package.parent / "foods.json"):
        if candidate.is_file():
            return candidate
    raise FoodsFileError(
        "The sample foods.json is missing from the installation.",
        hint="Install ragfood again, or name a file of your own with RAGFOOD_FOODS.",
    )


def enriched_text(food: Food) -> str:
    """Returns the text that is embedded: the legacy script's, so that its vectors stay comparable with ours."""
    text = food.text
    if food.region:
        text += f" This food is popular in {food.region}."
    if food.type:
        text += f" It is a type of {food.type}."
    return text


def metadata_for(food: Food) -> dict[str, Any]:
    """Returns the metadata of a food's record: the legacy keys, `name`, further fields as they are, `content_hash`.

    Absent fields are omitted.
    """
    metadata = _described(food)
    metadata["content_hash"] = _hash(metadata)
    return metadata


def content_hash(food: Food) -> str:
    """Returns 32 hexadecimal digits that change with anything that is embedded or stored for the food.

    BLAKE2b of 128 bits over the canonical JSON of `ENRICHMENT` and the metadata, which holds both texts.
    """
    return _hash(_described(food))


def to_record(food: Food) -> Record:
    """Returns the record of a food, without vectors."""
    metadata = metadata_for(food)
    return Record(food.id, metadata["enriched_text"], metadata)


def _described(food: Food) -> dict[str, Any]:
    named = {"original_text": food.text, "name": food.name, "region": food.region, "type": food.type}
    described: dict[str, Any] = {key: value for key, value in named.items() if value}
    described["enriched_text"] = enriched_text(food)
    for key, value in food.extra.items():
        described.setdefault(key, value)
    return described


def _hash(metadata: Mapping[str, Any]) -> str:
    canonical = _CANONICAL.encode([ENRICHMENT, metadata])
    return hashlib.blake2b(canonical.encode("ascii"), digest_size=16).hexdigest()


def _content(path: Path) -> str:
    """Returns the file's text, without a byte-order mark."""
    name = _name(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FoodsFileError(
            f"There is no file {name}.",
            hint="Check the path. Without a file and without RAGFOOD_FOODS the bundled foods are used.",
        ) from error
    except IsADirectoryError as error:
        raise FoodsFileError(f"{name} is a folder.", hint="Name a JSON file, such as foods.json inside it.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FoodsFileError(f"{name} cannot be read: {reason}.", hint="Check its permissions.") from error
    if content.startswith(_UTF16_MARKS):
        raise FoodsFileError(f"{name} is UTF-16, not UTF-8.", hint=_conversion(path, "UTF-16"))
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FoodsFileError(
            f"{name} is not UTF-8: byte {error.start + 1} (line {line}) does not fit; it may be Latin-1.",
            hint=_conversion(path, "ISO-8859-1"),
        ) from error


def _rows(content: str, path: Path) -> Iterator[Any]:
    """Yields the rows of a file's text. Raises `FoodsFileError`, for what is wrong further down after earlier rows."""
    name = _name(path)
    if not content.strip():
        raise FoodsFileError(f"{name} is empty.", hint="A foods file is a JSON list of objects with id and text.")
    found = False
    try:
        for row in _items(content):
            found = True
            yield row
    except json.JSONDecodeError as error:
        raise FoodsFileError(
            f"{name} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
            hint="Correct that place, or write the file again with a JSON tool.",
        ) from error
    except _NotJson as error:
        raise FoodsFileError(
            f"{name} is not JSON: {_place_of_constant(content)}: {error} is not a number in JSON.",
            hint="Leave the field out, or write null.",
        ) from error
    except _NotList as error:
        raise FoodsFileError(
            f"{name} holds {error}, not a list of foods.",
            hint='A foods file reads like: [{"id": "pho", "text": "Pho is a noodle soup."}]',
        ) from None
    except RecursionError as error:
        raise FoodsFileError(f"{name} nests lists or objects too deeply.", hint="Flatten the nested fields.") from error
    except ValueError as error:
        raise FoodsFileError(f"{name} holds a number that is too long.", hint="Write it as text.") from error
    if not found:
        raise FoodsFileError(f"{name} holds an empty list.", hint="Add foods to it, each with id and text.")


def _items(content: str) -> Iterator[Any]:
    """Yields the members of a JSON list one by one: decoding a large file at once would hold up every other thread."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    mark, position = "[", 0
    with suppress(json.JSONDecodeError):
        while (found := _MARK.match(content, position)) is not None and found[1] == mark:
            item, position = decoder.raw_decode(content, found.end())
            mark = ","
            yield item
        if found is not None and found[1] == "]" and mark == "," and found.end() == len(content):
            return
    # Anything but a plain list: the decoder knows best what it is, or what is wrong with it.
    whole = decoder.decode(content)
    if not isinstance(whole, list):
        raise _NotList(_kind(whole))


class _Refused(Exception):
    """A row cannot become a food; the message is the reason."""


class _NotJson(ValueError):
    """A constant that Python's parser takes, and JSON does not know."""


class _NotList(ValueError):
    """The document is something else; the message says what."""


def _food(row: Any) -> Food:
    if not isinstance(row, dict):
        raise _Refused(f"the row is {_kind(row)}, not an object")
    food = Food(
        id=_id(row),
        text=_text(row),
        name=_label(row, "name"),
        region=_label(row, "region"),
        type=_label(row, "type"),
        extra=_extra(row),
    )
    _refuse_oversize(food)
    return food


def _id(row: dict[str, Any]) -> str:
    value = row.get("id")
    if value is None:
        raise _Refused("the id is missing")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Refused(f"the id is {_kind(value)}; it must be text or a whole number")
    if not value.strip():
        raise _Refused("the id is empty")
    if len(value) > MAX_ID_CHARACTERS:
        raise _Refused(f"the id has {len(value):,} characters; {MAX_ID_CHARACTERS} are allowed")
    if "\n" in value or "\t" in value or clean(value) != value:
        raise _Refused("the id contains control or invisible characters")
    return value


def _text(row: dict[str, Any]) -> str:
    value = row.get("text")
    if value is None:
        raise _Refused("the text is missing")
    if not isinstance(value, str):
        raise _Refused(f"the text is {_kind(value)}; it must be text")
    text = clean(value)
    if not text.strip():
        raise _Refused("the text is empty")
    return text


def _label(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Refused(f"the {key} is {_kind(value)}; it must be text")
    label = clean_line(value)
    # The legacy script wrote this word where a field was missing.
    return "" if key != "name" and label.lower() == _UNKNOWN else label


def _extra(row: dict[str, Any]) -> dict[str, Any]:
    if row.keys() <= _FIELDS:
        return {}
    extra = {key: value for key, value in row.items() if key not in _FIELDS}
    for key in extra:
        if clean_line(key) in RESERVED | _FIELDS:
            raise _Refused(f"the field {shorten(key)} has a reserved name")
    if _is_plain(extra):
        return extra
    for key, value in extra.items():
        _refuse_values(shorten(key), value)
    cleaned: dict[str, Any] = clean_json(extra)
    return cleaned


def _is_plain(extra: dict[str, Any]) -> bool:
    """Tells at the speed of C that nothing in `extra` has to be cleaned or refused; walking it costs ten times more."""
    try:
        encoded = _CANONICAL.encode(extra)
    except (ValueError, RecursionError):
        return False
    return _NOT_PLAIN.search(encoded) is None and encoded.count("{") + encoded.count("[") <= _MAX_DEPTH


def _refuse_values(field: str, value: Any) -> None:
    """Refuses what JSON can write and an index cannot take: deep nesting, infinite numbers, integers over 64 bits."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise _Refused(f"the field {field} nests more than {_MAX_DEPTH} levels deep")
        if isinstance(item, dict):
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)
        elif (isinstance(item, float) and not math.isfinite(item)) or (
            isinstance(item, int) and abs(item) > _MAX_INTEGER
        ):
            raise _Refused(f"the field {field} holds a number that is too large")


def _refuse_oversize(food: Food) -> None:
    # Counting at the worst costs little and lets nearly every row pass: six bytes for a character, 1,000 for the rest.
    characters = 2 * len(food.text) + len(food.name) + 2 * (len(food.region) + len(food.type))
    extra = len(_CANONICAL.encode(food.extra)) if food.extra else 0
    if _LARGEST_CHARACTER * characters + extra + 1000 <= MAX_METADATA_BYTES:
        return
    size = len(enriched_text(food).encode())
    if size > MAX_DATA_BYTES:
        raise _Refused(f"the text takes {size:,} bytes; {MAX_DATA_BYTES:,} are allowed")
    size = len(json.dumps(metadata_for(food), ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_METADATA_BYTES:
        raise _Refused(
            f"the metadata takes {size:,} bytes, in which the text counts twice; {MAX_METADATA_BYTES:,} are allowed"
        )


def _shown_id(row: Any) -> str:
    """Returns the row's id whole when it is a good one, as plans compare it with those in the index; else quoted."""
    if not isinstance(row, dict):
        return ""
    with suppress(_Refused):
        return _id(row)
    value = row.get("id")
    return shorten(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _refuse_constant(name: str) -> Any:
    raise _NotJson(name)


def _place_of_constant(text: str) -> str:
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity', text, re.DOTALL):
        if not match[0].startswith('"'):
            line_start = text.rfind("\n", 0, match.start()) + 1
            return f"line {text.count(chr(10), 0, match.start()) + 1}, column {match.start() - line_start + 1}"
    return "somewhere"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _name(path: Path) -> str:
    return shorten(str(path), 200)


def _conversion(path: Path, encoding: str) -> str:
    return f"Convert it with: iconv -f {encoding} -t UTF-8 {shlex.quote(_name(path))} > foods-utf8.json"
