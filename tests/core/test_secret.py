from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback
from collections.abc import Callable

import msgspec
import orjson
import pytest

from tui.core.secret import Secret

TOKEN = "ABcdEF123456=="


def test_reveal_gives_the_value_back() -> None:
    assert Secret(TOKEN).reveal() == TOKEN


@pytest.mark.parametrize("show", [repr, str, format, "{0!r:>40}".format, "%s".__mod__, ascii, lambda s: f"{[s]} {s=}"])
def test_no_way_of_showing_reveals_it(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(TOKEN))
    assert TOKEN not in shown
    assert "<redacted>" in shown


def test_a_dataclass_around_it_does_not_reveal_it() -> None:
    @dataclasses.dataclass(frozen=True)
    class Holder:
        token: Secret

    assert TOKEN not in repr(Holder(Secret(TOKEN)))
    assert TOKEN not in str(dataclasses.asdict(Holder(Secret(TOKEN))))


def test_a_traceback_that_prints_locals_does_not_reveal_it() -> None:
    secret = Secret(TOKEN)
    try:
        raise RuntimeError(f"bad {secret}")
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = <redacted>" in shown
    # The line that assigns it is source code, not the value.
    assert TOKEN not in shown


def test_equality_is_by_value() -> None:
    assert Secret(TOKEN) == Secret(TOKEN)
    assert hash(Secret(TOKEN)) == hash(Secret(TOKEN))
    assert Secret(TOKEN) != Secret(TOKEN + "x")
    assert Secret(TOKEN) != TOKEN
    assert Secret("\ud800é") == Secret("\ud800é")


def test_it_is_false_when_empty() -> None:
    assert not Secret("")
    assert Secret(TOKEN)


@pytest.mark.parametrize("encode", [pickle.dumps, json.dumps, msgspec.json.encode, msgspec.to_builtins, orjson.dumps])
def test_it_cannot_be_written(encode: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError):
        encode(Secret(TOKEN))


def test_it_cannot_be_changed_and_copies_to_itself() -> None:
    secret = Secret(TOKEN)
    with pytest.raises(AttributeError):
        secret._value = "other"
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
