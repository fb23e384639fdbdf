"""Words as both embedders see them: folded, split, freed of stop words, stemmed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import Lock
from typing import Any

# Function words of English, and the words people wrap a question in. A food knowledge base answers "what can I eat
# with …": what the question is about are the other words.
_FUNCTION_WORDS = """
a about above after again against all also although always am an and another any are around as at away be became
because been before being below between both but by came can cannot come comes could did do does doing done down during
each either else enough even ever every few for from further get gets getting give gives go goes going gone got had has
have having he hence her here hers herself him himself his how however i if in indeed instead into is it its itself just
keep least less let lets like likes made make makes making many may maybe me might mine more most much must my myself
near need needs neither never no none nor not nothing now of off often on once one ones only onto or other others our
ours out over own per perhaps please put quite rather really same say see seem seems several shall she should since so
some somehow someone something sometimes somewhere still such take takes than thank thanks that the their theirs them
then there these they thing things this those though through thus to together too toward towards under until up upon us
use used uses using usual usually very via want wants was way we well were what whatever when whenever where whether
which while who whoever whom whose why will with within without would yet you your yours yourself
d ll m re s t ve don doesn didn isn aren wasn weren won wouldn shouldn couldn hasn haven hadn ain im id ive youre thats
whats theres
"""
_ASKING_WORDS = """
answer anybody anyone anything ask asked asking best consider describe everything example examples explain find fancy
feel feeling good great help hello hey hi ideas idea information info kind kinds know list look looking love mention
mean name names nice option options people person popular possible recommend recommended recommendation
recommendations recomend show someone somebody sort sorts suggest suggested suggestion suggestions tell think
traditional traditionally try trying type types typical typically variety various wanna
"""
_FILLER_WORDS = """
actually amazing around authentic based basically bit bunch called certain coming common commonly country countries
culture cultures day days decent different favorite favourite favorites favourites famous going guys honest known
kinda local lot lots main mainly maybe national native new people place places pretty proper random real sort stuff
super thing things time try version way ways weird whole world year years
"""
_FOOD_WORDS = """
bite consume consumed cuisine cuisines dish dishes eat eaten eating eats edible food foods foodstuff have meal meals
recipe recipes serve served serves serving speciality specialities specialty specialties tasty delicious yummy
"""

FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that carry no topic in any text."""

STOP_WORDS = FUNCTION_WORDS | frozenset((_ASKING_WORDS + _FILLER_WORDS + _FOOD_WORDS).split())
"""Words that carry no topic in a question put to a food knowledge base."""

_WORD = re.compile(r"[^\W_]+")
# The same for ASCII, which `str.translate` and `str.split` take apart three times as fast.
_ASCII_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}
_POSSESSIVE = re.compile(r"'s\b")
# A stemmer works in memory of its own (snowballstem.org: not thread-safe).
_STEMMING = Lock()
# Unicode 15.0: Combining Diacritical Marks with their extensions and supplement, and the points of Hebrew and Arabic.
# The marks of other scripts are vowels and voicings, which nobody leaves out, and stay.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]+"
)
# Apostrophes, and letters that people type without their stroke but Unicode does not decompose. The okina of Hawaiian
# is mostly left out in English.
_TYPED_AS = str.maketrans(
    {
        "’": "'", "‘": "'", "ʼ": "'", "`": "'", "ʻ": "",
        "ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i",
    }
)  # fmt: skip


def fold(text: str) -> str:
    """Returns the text in lower case without accents, so that "Crème brûlée" and "creme brulee" are one."""
    if text.isascii():
        return text.lower()
    # Decomposing comes first, since what it makes can be upper case: the trade mark sign becomes "TM".
    lowered = unicodedata.normalize("NFKD", text).lower()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", lowered).translate(_TYPED_AS))


def split_words(text: str) -> list[str]:
    """Returns the folded words of a text in order; a possessive ``'s`` is dropped."""
    if not text.isascii():
        # Few pieces of an English text need folding, and they come again: to fold it all would cost ten times this.
        text = " ".join(piece if piece.isascii() else _plain(piece) for piece in text.split())
    text = _without_possessives(text.lower())
    return text.translate(_ASCII_GAPS).split() if text.isascii() else _WORD.findall(text)


@lru_cache(maxsize=16_384)
def _plain(piece: str) -> str:
    """The folded words of a piece of text, with spaces between them."""
    return " ".join(_WORD.findall(_without_possessives(fold(piece))))


def _without_possessives(folded: str) -> str:
    return _POSSESSIVE.sub("", folded) if "'" in folded else folded


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english", 0)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Returns the stem of a folded word by the Snowball English stemmer (Porter2). Thread-safe."""
    with _STEMMING:
        return str(_stemmer().stemWord(word))
