"""Text that attacks: what models, metadata, files and error bodies may contain. For every boundary and every widget."""

from __future__ import annotations

HOSTILE: dict[str, str] = {
    "closing markup": "[/foo]",
    "opening markup": "[bold red]x",
    "markup action": "[@click=app.quit]x[/]",
    "markup link": "[link=https://evil.example]x[/link]",
    "brackets of nothing": "[] [ ] [/] [[x]] \\[x]",
    "colour sequence": "\x1b[31mred\x1b[0m",
    "clear screen": "\x1b[2J\x1b[Hgone",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07pasted",
    "hyperlink": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "window title": "\x1b]0;owned\x07title",
    "unfinished string": "\x1b]0;never ends",
    "device control": "\x1bPq#0;2;0;0;0\x1b\\sixel",
    "terminal reset": "\x1bcreset",
    "bare escape": "a\x1b",
    "8-bit sequence": "\x9b31mred\x9b0m",
    "8-bit string": "\x9d52;c;cm0=\x9cx",
    "nul and bell": "a\x00b\x07c\x08d\x7fe",
    "next line": "one\x85two",
    "separators": "one\u2028two\u2029three",
    "carriage returns": "real\rfake\r\nnext",
    "vertical tab and form feed": "a\x0bb\x0cc",
    "bidi override": "user\u202egnp.exe",
    "bidi isolate": "a\u2066b\u2067c\u2068d\u2069e",
    "bidi marks": "a\u200eb\u200fc\u061cd",
    "zero width": "pass\u200bword\u2060s\ufeff",
    "soft hyphen": "ig\u00adnore",
    "tag characters": "hello\U000e0068\U000e0069\U000e007f",
    "smuggled selectors": "x\ufe00\U000e0101\U000e0102\ufe0f",
    "lone surrogate": "a\ud800b\udfffc",
    "thinking": "<think>secret plan</think>answer",
    "html": "<script>alert(1)</script><img src=x onerror=y>",
    "markdown link": "[click](javascript:alert(1)) ![x](file:///etc/passwd)",
    "citations": "[1][0][99][-1][1e9]",
    "format string": "{0} {x!r} %s %(x)s ${HOME} $(id) `id`",
    "sql": "'; DROP TABLE records; --",
    "very long word": "x" * 2000,
    "combining tower": "z" + "\u0301" * 500,
    "emoji family": "👩\u200d👩\u200d👧 ✈\ufe0f",
}
"""Attacks by name."""

FORBIDDEN = frozenset(
    {chr(code) for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))}
    | {chr(code) for code in (0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF)}
    | {chr(code) for code in (*range(0x2028, 0x202F), *range(0x2060, 0x2070), *range(0xE0000, 0xE0100))}
)
"""Characters that must never come out of the text boundary."""


def forbidden_in(text: str) -> frozenset[str]:
    """Returns the forbidden characters in `text`; a test asserts that there are none."""
    return FORBIDDEN.intersection(text)
