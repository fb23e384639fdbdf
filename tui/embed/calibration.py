"""What the built-in model's evidence is worth: how its parts weigh, and from where on a record is a source.

How strongly one word stands for another is in `lexicon`, and by its meaning in `evidence`.

Chosen 2026-11 on three data sets that are not part of this repository: 275 foods, 240 questions with labelled answers
and 130 that no food answers. They were written by different hands in different styles, from one-line texts to magazine
prose. No constant was chosen on the question file under `tests/data`; it is what the choice is judged by.
"""

from __future__ import annotations

from typing import Final

SIMILARITY_SHARE: Final = 0.4
"""Share of the cosine of question and record in the evidence; the rest is the share of the question that is covered.
Anything from 0.3 to 0.5 ranks about equally well."""

CURVE: Final = 1.5
"""Relevance is ``1 - (1 - evidence) ** CURVE``: never 1 too early, and what is seen fills the whole bar."""

GATE: Final = 0.39
"""Relevance below which a record is no source: evidence of 0.28. On the data sets above it refuses 92 to 97 % of the
unanswerable questions and 0 to 7 % of the others, most of those deliberately oblique."""

WEIGHT_OF_PLAIN: Final = 0.4
"""Weight of a word that the lexicon does not have: mostly colour, such as "laid back" or "loud"."""

WEIGHT_OF_ABSENT: Final = 2.0
"""Weight of a named food, place or occasion that no record of the index mentions: without it the answer is another."""

WEIGHT_OF_BEYOND: Final = 2.0
"""Weight of what no description of food tells, such as a price."""

BEYOND_FACTOR: Final = 0.7
"""What is left of the evidence when a question asks for such a thing."""

ABSENT_BELOW: Final = 0.5
"""A related term counts as a mention from this strength up."""
