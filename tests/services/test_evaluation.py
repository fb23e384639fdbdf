from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.services.asking_kitchen import OFF_TOPIC, SOUPS, Kitchen
from tui.core.errors import QuestionsFileError
from tui.core.setting_values import RateLimit
from tui.core.settings import Settings
from tui.embed.calibration import GATE
from tui.services.bundle import Services
from tui.services.evaluation import (
    Evaluation,
    LabelledQuestion,
    evaluate,
    ndcg_at,
    read_questions,
    recall_at,
    reciprocal_rank,
)

QUESTIONS = Path(__file__).parent.parent / "data" / "questions.jsonl"
RANKING = ["a", "b", "c", "d", "e"]


async def measured(services: Services, *questions: LabelledQuestion, gate: float = GATE) -> Evaluation:
    return await evaluate(services.index, services.filling, questions, min_relevance=gate)


def asking(question: str, *relevant: str) -> LabelledQuestion:
    return LabelledQuestion(question, frozenset(relevant))


class TestFormulas:
    @pytest.mark.parametrize(
        ("relevant", "expected"),
        [
            ("a", 1.0),
            ("d", 0.0),
            ("ad", 0.5),
            ("abc", 1.0),
            ("abcde", 1.0),
            ("abdez", 2 / 3),
            ("zyx", 0.0),
            ("cz", 0.5),
        ],
    )
    def test_recall_at_3(self, relevant: str, expected: float) -> None:
        assert recall_at(RANKING, frozenset(relevant), 3) == pytest.approx(expected)

    def test_recall_of_a_short_ranking(self) -> None:
        assert recall_at(["a"], frozenset("ab"), 3) == 0.5
        assert recall_at([], frozenset("ab"), 3) == 0.0

    @pytest.mark.parametrize(("relevant", "expected"), [("a", 1.0), ("ce", 1 / 3), ("e", 0.2), ("z", 0.0)])
    def test_reciprocal_rank(self, relevant: str, expected: float) -> None:
        assert reciprocal_rank(RANKING, frozenset(relevant)) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("relevant", "expected"),
        [
            ("a", 1.0),
            ("b", 1 / math.log2(3)),
            ("ab", 1.0),
            ("ac", (1 + 0.5) / (1 + 1 / math.log2(3))),
            ("az", 1 / (1 + 1 / math.log2(3))),
            ("z", 0.0),
        ],
    )
    def test_ndcg(self, relevant: str, expected: float) -> None:
        assert ndcg_at(RANKING, frozenset(relevant), 10) == pytest.approx(expected)

    def test_ndcg_looks_no_deeper_than_k(self) -> None:
        assert ndcg_at(RANKING, frozenset("c"), 2) == 0.0
        assert ndcg_at(RANKING, frozenset("abcde"), 2) == 1.0


class TestEvaluating:
    async def test_averages_over_the_questions_on_topic(self, kitchen: Kitchen) -> None:
        found = await measured(
            kitchen.services(use_model=False),
            asking(SOUPS, "pho", "ramen"),
            asking(SOUPS, "nowhere"),
            asking(OFF_TOPIC),
        )
        assert found.questions == 3
        assert (found.recall_at_3, found.mrr, found.ndcg_at_10) == (0.5, 0.5, 0.5)
        assert (found.refused_off_topic, found.refused_on_topic) == (1.0, 0.0)

    async def test_lists_what_the_first_three_lack(self, kitchen: Kitchen) -> None:
        found = await measured(kitchen.services(use_model=False), asking(SOUPS, "pho", "nowhere"))
        [miss] = found.misses
        assert (miss.question, miss.relevant) == (SOUPS, ("nowhere", "pho"))
        assert miss.found[0] == "pho"
        assert len(miss.found) == 3
        assert (found.recall_at_3, found.mrr) == (0.5, 1.0)

    async def test_ranks_without_the_gate(self, kitchen: Kitchen) -> None:
        found = await measured(kitchen.services(use_model=False), asking(SOUPS, "pho"), gate=1.1)
        assert (found.mrr, found.refused_on_topic) == (1.0, 1.0)

    async def test_has_no_means_of_nothing(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False)
        off = await measured(services, asking(OFF_TOPIC))
        assert (off.recall_at_3, off.mrr, off.ndcg_at_10, off.refused_on_topic) == (None, None, None, None)
        assert (await measured(services, asking(SOUPS, "pho"))).refused_off_topic is None

    async def test_takes_no_turn_of_the_rate_limit(self, kitchen: Kitchen) -> None:
        services = kitchen.services(use_model=False, rate_limit=RateLimit(1, 3600))
        await measured(services, *[asking(SOUPS, "pho")] * 5)
        assert services.retrieval._limit.wait_needed() == 0

    async def test_fills_an_index_that_was_never_written(self, kitchen: Kitchen) -> None:
        assert (await measured(kitchen.services(use_model=False), asking(SOUPS, "pho", "ramen"))).recall_at_3 == 1.0


class TestAQuestionFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "questions.jsonl"

    def test_is_json_lines(self, path: Path) -> None:
        path.write_text('{"question": "Soup?", "relevant": ["pho", "ramen"]}\n{"question": "Rain?", "relevant": []}\n')
        assert read_questions(path) == (asking("Soup?", "pho", "ramen"), asking("Rain?"))

    def test_may_have_a_byte_order_mark_blank_lines_and_further_fields(self, path: Path) -> None:
        path.write_bytes(b'\xef\xbb\xbf\r\n  \r\n{"question":"Soup?","relevant":["pho"],"note":1}\r\n\n')
        assert read_questions(path) == (asking("Soup?", "pho"),)

    def test_may_have_line_separators_inside_a_question(self, path: Path) -> None:
        question = "Which\u2028soup\u0085is\u2029this?"
        path.write_text(json.dumps({"question": question, "relevant": ["pho"]}, ensure_ascii=False), encoding="utf-8")
        assert read_questions(path) == (asking("Which soup is this?", "pho"),)

    def test_is_read_safely(self, path: Path) -> None:
        path.write_text(json.dumps({"question": "Soup\x1b[2J \u202e?", "relevant": ["pho"]}))
        assert read_questions(path)[0].question == "Soup ?"

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("text", "not JSON (Expecting value at character 1)"),
            ('{"question": "Soup?"', "not JSON (Expecting ',' delimiter at character 21)"),
            ("[" * 100_000, "nested too deeply"),
            ("9" * 5000, "a number too long"),
            ("[]", "not an object"),
            ("null", "not an object"),
            ("{}", "field question"),
            ('{"question": 1, "relevant": []}', "field question"),
            ('{"question": "  ", "relevant": []}', "field question"),
            ('{"question": "Soup?"}', "field relevant"),
            ('{"question": "Soup?", "relevant": "pho"}', "field relevant"),
            ('{"question": "Soup?", "relevant": {"pho": 1}}', "field relevant"),
            ('{"question": "Soup?", "relevant": ["pho", 1]}', "field relevant"),
        ],
    )
    def test_names_the_line_and_what_is_wrong_with_it(self, path: Path, line: str, reason: str) -> None:
        path.write_text('{"question": "Soup?", "relevant": []}\n\n' + line + "\n")
        with pytest.raises(QuestionsFileError) as caught:
            read_questions(path)
        assert "line 3: " in caught.value.message
        assert reason in caught.value.message
        assert "A line reads like" in caught.value.hint
        assert caught.value.exit_code == 2

    def test_names_the_line_that_is_not_utf8(self, path: Path) -> None:
        path.write_bytes(b'{"question": "Soup?", "relevant": []}\n{"question": "Cr\xe8me?", "relevant": []}\n')
        with pytest.raises(QuestionsFileError, match="line 2: not UTF-8"):
            read_questions(path)

    @pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
    def test_without_questions_is_refused(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(QuestionsFileError, match="has no questions"):
            read_questions(path)

    def test_that_is_missing_or_a_folder_is_refused(self, path: Path) -> None:
        for place in (path, path.parent):
            with pytest.raises(QuestionsFileError, match="cannot be read"):
                read_questions(place)


async def test_the_bundled_foods_are_found_by_what_people_ask(kitchen: Kitchen) -> None:
    """The required quality, measured as `ragfood eval` does. Nothing was tuned on this file."""
    services = kitchen.services(use_model=False, foods=Settings().foods)
    questions = read_questions(QUESTIONS)
    assert len(questions) >= 110
    found = await evaluate(services.index, services.filling, questions, min_relevance=services.retrieval.min_relevance)
    assert found.recall_at_3 is not None
    assert found.recall_at_3 >= 0.88
    assert found.mrr is not None
    assert found.mrr >= 0.85
    assert found.refused_off_topic is not None
    assert found.refused_off_topic >= 0.80
    assert found.refused_on_topic is not None
    assert found.refused_on_topic <= 0.04
