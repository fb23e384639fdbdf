"""What each setting may be: from the text that was given to a value, or a sentence about what is allowed.

Every parser takes the text, blanks at its ends removed, and the folder that relative paths start from. It raises
`ValueError` whose message ends the sentence "it must be ...". No message repeats the text: that is for the caller, who
knows whether it may be shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from tui.core.records import IndexKind
from tui.core.secret import Secret
from tui.core.text import clean_line

MAX_TOP_K = 1000
"""The most that Upstash returns for one query (public/faq/vector.json of upstash.com, 2026-08-21)."""

_MAX_NAMESPACE = 256
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{0,6})\s*([smh])")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_Choice = TypeVar("_Choice", bound=StrEnum)


class UpstashPlan(StrEnum):
    """The plan of an Upstash account, for its limits and prices."""

    FREE = "free"
    PAYG = "payg"
    FIXED = "fixed"
    PRO = "pro"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` questions and searches in any `seconds` (a sliding window)."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.count}/{self.seconds}s"


DEFAULT_RATE_LIMIT = RateLimit(100, 60)


def parse_url(text: str, folder: Path) -> str:
    """Returns the address of an Upstash index or of `ragfood serve`, without a slash at its end.

    https always; http only to this machine, where nobody listens in. A path is allowed, for `serve` has one per index.
    """
    from urllib.parse import urlsplit

    if not _TOKEN.fullmatch(text):
        raise ValueError("an address like https://example.upstash.io, without spaces or unusual characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("an address like https://example.upstash.io, and its host or port makes no sense") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("an address that begins with https://")
    if "@" in parts.netloc:
        raise ValueError("an address without a user name or password; the token has a setting of its own")
    if "?" in text or "#" in text:
        raise ValueError("an address without a query (?) or fragment (#)")
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    host = host.removesuffix(":").lower()
    if not _HOST.fullmatch(host):
        raise ValueError("an address with a host, like https://example.upstash.io")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ValueError("an https:// address; http would send the token unencrypted and is for this machine only")
    suffix = "" if port is None else f":{port}"
    return f"{parts.scheme}://{host}{suffix}{parts.path.rstrip('/')}"


def parse_token(text: str, folder: Path) -> Secret:
    """Returns the token, ready for a header."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("one word of plain ASCII characters, as copied from the Upstash console")
    return Secret(text)


def parse_plan(text: str, folder: Path) -> UpstashPlan:
    """Returns the plan."""
    return _one_of(UpstashPlan, text)


def parse_index(text: str, folder: Path) -> IndexKind:
    """Returns the kind of index."""
    return _one_of(IndexKind, text)


def parse_namespace(text: str, folder: Path) -> str:
    """Returns the namespace; it is a part of Upstash's request paths, which decides what it may hold."""
    if any(mark in text for mark in "/?#%") or not _is_one_line(text):
        raise ValueError("a name without the characters / ? # % and without control characters")
    if text in (".", ".."):
        raise ValueError("a name other than . and .., which mean something else in an address")
    if len(text) > _MAX_NAMESPACE:
        raise ValueError(f"a name of at most {_MAX_NAMESPACE} characters")
    return text


def parse_path(text: str, folder: Path) -> Path:
    """Returns the path, made absolute from `folder`; ``~`` is the home directory. Nothing is looked up on the disk."""
    if "\0" in text or not text:
        raise ValueError("the path of a file or folder")
    try:
        return folder.absolute() / Path(text).expanduser()
    except RuntimeError:
        raise ValueError("a path whose ~ stands for a home directory that exists") from None


def parse_name(text: str, folder: Path) -> str:
    """Returns a name or an address, as it is: whoever uses it knows its grammar."""
    if not text or not _is_one_line(text):
        raise ValueError("one line of text without control characters")
    return text


def parse_top_k(text: str, folder: Path) -> int:
    """Returns how many sources an answer gets at most."""
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_TOP_K:
        raise ValueError(f"a whole number from 1 to {MAX_TOP_K}")
    return int(text)


def parse_min_relevance(text: str, folder: Path) -> float | None:
    """Returns the lowest relevance of a source, None for the one calibrated with the embedder."""
    if text.lower() == "calibrated":
        return None
    allowed = "a number from 0 to 1, or the word calibrated"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(allowed) from None
    # Not a number compares false, so it is refused as well.
    if not 0.0 <= number <= 1.0:
        raise ValueError(allowed)
    return number


def parse_rate_limit(text: str, folder: Path) -> RateLimit:
    """Returns the limit. The grammar: a count, a slash, a period such as ``60s``, ``1m`` or ``h``."""
    match = _RATE.fullmatch(text.lower())
    count, number, unit = match.groups() if match else ("0", "", "s")
    seconds = int(number or 1) * _SECONDS[unit]
    if int(count) < 1 or seconds < 1:
        raise ValueError("a count and a period of at least one and at most 999,999, like 100/60s, 100/1m or 5000/h")
    return RateLimit(int(count), seconds)


def parse_switch(text: str, folder: Path) -> bool:
    """Returns whether something is on."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("on or off (1, true, yes; 0, false, no)")
    return word in _TRUE


def _one_of(choices: type[_Choice], text: str) -> _Choice:
    try:
        return choices(text.lower())
    except ValueError:
        raise ValueError("one of " + ", ".join(choices)) from None


def _is_one_line(text: str) -> bool:
    return clean_line(text) == " ".join(text.split()) and not any(mark in text for mark in "\t\n\r\v\f")
