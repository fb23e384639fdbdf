"""The one place where text from outside (models, metadata, files, error bodies) is made safe to show and to store.

A terminal obeys what it is sent, so everything that could steer it, reorder what people read or hide text from them is
removed here, once, at the boundary. Markup is not touched: who draws text must not interpret it.
"""

from __future__ import annotations

import json
import re
from typing import Any

# ECMA-48 (5th edition, 1991), sections 5.3, 5.4 and 5.6, with the ways xterm ends a control string: BEL, ST, or the
# start of another sequence. No body may hold what starts a sequence, so that each is scanned once and matching is
# linear. A control string that does not end on its line loses only its introducer: hiding the rest of an answer would
# be worse than a few odd characters.
_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\n\r\x07\x18\x1a\x1b\x80-\x9f]*"
    r"(?:[\x07\x18\x1a\x9c]|\x1b\\|(?=[\x1b\x90\x98\x9b\x9d-\x9f])))?"
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")

_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Unicode 15.0, Default_Ignorable_Code_Point: what shows nothing and so hides text from readers and from search. ZWJ and
# ZWNJ stay (emoji, Persian, Indic scripts), and so do the Hangul fillers and single variation selectors.
_INVISIBLE = (
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_DROPPED = re.compile(f"[{_CONTROLS}{_BIDI}{_INVISIBLE}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
# One selector after a character is typography; a row of them is bytes smuggled past the reader.
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SMUGGLED = re.compile(f"(?<=[{_SELECTOR}])[{_SELECTOR}]+")
_UNSAFE_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDI}{_INVISIBLE}]")
_SUSPECT = re.compile(f"[\x0b\x0c\r\u2028\u2029\ud800-\udfff{_CONTROLS}{_BIDI}{_INVISIBLE}{_SELECTOR}]")


def clean(text: str) -> str:
    """Returns `text` with everything removed that could steer a terminal or deceive a reader; newlines and tabs stay.

    Terminal sequences (CSI, OSC, DCS and the rest, 7-bit and 8-bit) go with their parameters; C0, DEL, C1, bidi
    controls, tag characters and invisible format characters go, except ZWJ and ZWNJ. Every line end, also U+0085,
    U+2028 and U+2029, becomes a newline; lone surrogates become U+FFFD, so that the result always encodes as UTF-8.

    Idempotent, linear in the length of `text`, and safe to apply to the chunks of a stream one by one: a sequence cut
    by a chunk's end may leave a few printable characters, never a control.
    """
    # The first test is four times as fast as the second, and true for most lines of English.
    if (text.isascii() and text.isprintable()) or _SUSPECT.search(text) is None:
        return text
    text = _TERMINAL_SEQUENCE.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _DROPPED.sub("", text)
    text = _SURROGATE.sub("\ufffd", text)
    return _SMUGGLED.sub("", text)


def clean_line(text: str) -> str:
    """Returns `text` cleaned as by `clean` and on one line: runs of white space become one space, none at the ends."""
    return " ".join(clean(text).split())


def clean_json(value: Any) -> Any:
    """Returns a JSON value with every string in it cleaned, and the keys of its objects as by `clean_line`.

    Of keys that become equal the last one stays, as in JSON itself.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_line(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(item) for item in value]
    return value


def escape_in_json(text: str) -> str:
    """Returns the text of a JSON document with every character that `clean` removes written as an escape.

    The document keeps its meaning, and a terminal that shows it is not steered. C0 controls are escaped in JSON anyway.
    """
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text)


def shorten(text: str, limit: int = 80) -> str:
    """Returns `text` cleaned, on one line and at most `limit` characters long, for quoting it in a message."""
    # Cut before cleaning too, so that quoting a megabyte costs nothing.
    line = clean_line(text[: limit * 20])
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
