"""The keys, as they are right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.binding import Binding, BindingType

from tui.screens.dialog import Dialog

KeySection = tuple[str, Sequence[BindingType]]
"""A heading and the bindings below it."""


class Help(Dialog[None]):
    """Every key with what it does."""

    def __init__(self, sections: Iterable[KeySection], *, keys_of: Callable[[Binding], str]) -> None:
        """Lists `sections`; `keys_of` returns the key of a binding as people read it, remapped or not."""
        super().__init__("Keys", help_text(sections, keys_of))


def help_text(sections: Iterable[KeySection], keys_of: Callable[[Binding], str]) -> str:
    """Returns one line per action: its keys, then what it does."""
    lines: list[str] = []
    for heading, bindings in sections:
        described: dict[str, list[str]] = {}
        for binding in Binding.make_bindings(bindings):
            if binding.description:
                keys = described.setdefault(binding.description, [])
                key = keys_of(binding)
                if key not in keys:
                    keys.append(key)
        if described:
            lines += ["", heading] if lines else [heading]
            lines += [f"  {', '.join(keys):<22}\t{description}" for description, keys in described.items()]
    return "\n".join(lines)
