"""How Go writes JSON, times and durations: what makes a reply of Ollama differ from Python's to the byte."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np

NANOSECONDS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
MAX_INT64 = 2**63 - 1

_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_INVALID = re.compile("[\ud800-\udfff]")


def go_json(value: Any) -> str:
    """Encodes as Go's encoding/json: compact, UTF-8 raw, but ``<>&``, U+2028, U+2029 and invalid characters escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _INVALID.sub(r"\\ufffd", text.translate(_ESCAPED))


def without_empty(**fields: Any) -> dict[str, Any]:
    """Drops zero values, as `omitempty` does."""
    return {name: value for name, value in fields.items() if value not in (None, 0, "", [], {})}


def go_time(moment: datetime, nanoseconds: int = 0) -> str:
    """Formats as RFC 3339 with up to nine fractional digits, trailing zeros trimmed; UTC as ``Z``."""
    fraction = f"{moment.microsecond * 1000 + nanoseconds % 1000:09d}".rstrip("0")
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "")
    if moment.tzinfo is None or moment.utcoffset() == UTC.utcoffset(None):
        return text + "Z"
    offset = moment.strftime("%z")
    return f"{text}{offset[:3]}:{offset[3:5]}"


def parse_keep_alive(value: object) -> int:
    """Reads a keep_alive into nanoseconds, negative ones as for ever. Raises ValueError with Go's words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MAX_INT64 if value < 0 else min(int(value * 10**9), MAX_INT64)
    if not isinstance(value, str):
        raise ValueError(f"Unsupported type: '{type(value).__name__}'")
    if re.fullmatch(r"[+-]?0", value):
        return 0
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))*", value):
        plain = re.fullmatch(r"[+-]?\d+\.?\d*", value)
        raise ValueError(f"time: {'missing unit in' if plain else 'invalid'} duration {go_json(value)}")
    total = sum(
        float(amount) * NANOSECONDS[unit] for amount, unit in re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", value)
    )
    return MAX_INT64 if value.startswith("-") else min(int(total), MAX_INT64)


def go_float32(value: np.float32) -> str:
    """Formats a float32 with the fewest digits that give it back, as Go does: exponents below 1e-6, from 1e21."""
    magnitude = abs(float(value))
    if magnitude and (magnitude < 1e-6 or magnitude >= 1e21):
        return np.format_float_scientific(value, unique=True, trim="-", exp_digits=1)
    return np.format_float_positional(value, unique=True, trim="-")


def go_decoder_error(body: bytes) -> str | None:
    """Returns what Go's JSON decoder says about a body, None when it decodes."""
    text = body.decode("utf-8", "replace")
    try:
        json.JSONDecoder().raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        rest = text.lstrip()[error.pos :]
        if not rest.strip() or error.msg.startswith("Unterminated"):
            return "unexpected EOF"
        return f"invalid character {_go_quote(rest.lstrip()[0])} looking for beginning of {_expected(error.msg)}"
    return None


def _go_quote(character: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(character, f"'{character}'")


def _expected(message: str) -> str:
    return "object key string" if "property name" in message else "value"
