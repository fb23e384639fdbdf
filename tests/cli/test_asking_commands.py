from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.cli.command import ragfood, recorded_turns, write_foods
from tests.cli.conftest import Call
from tests.emulators.ollama import OllamaEmulator
from tests.emulators.ollama_script import Reply

SOUPS = "Which soups come with noodles?"
OFF_TOPIC = "How do I mend the gearbox of my car?"


def test_a_stranger_gets_an_answer_with_its_sources_from_the_first_command(home: Path) -> None:
    done = ragfood("ask", SOUPS, "--json", home=home)
    assert done.code == 0
    answer = done.document
    assert answer["answer"]
    assert answer["answerer"] == "extractive"
    assert "Ollama is not running" in answer["degraded"]
    assert "Ollama is not running" in done.err
    assert len(answer["sources"]) == 3
    for source in answer["sources"]:
        assert source.keys() == {"id", "score", "relevance", "text", "metadata"}
        assert 0 < source["relevance"] <= 1
        assert source["metadata"]["original_text"] == source["text"]
    assert answer["timings"].keys() >= {"retrieve", "total"}


def test_without_a_model_on_purpose_nothing_is_degraded(filled: Path, call: Call) -> None:
    answer = call("ask", SOUPS, "--no-llm", "--json")
    assert answer.err == ""
    assert answer.document["answerer"] == "extractive"
    assert answer.document["degraded"] is None


def test_a_person_reads_the_answer_then_the_sources_then_the_facts(filled: Path, call: Call) -> None:
    done = call("ask", SOUPS, "--no-llm")
    answer, sources, facts = done.out.split("\n\n")
    assert "[1]" in answer
    lines = sources.split("\n")
    assert lines[0] == "Sources"
    assert [line[:3] for line in lines[1::2]] == ["[1]", "[2]", "[3]"]
    assert " · " in lines[1]
    assert all(line.startswith(" " * 10) and len(line) <= 100 for line in lines[2::2])
    assert facts.startswith("extractive: sentences of the sources, no model · 3 sources · ")


def test_top_k_and_filter_choose_the_sources(filled: Path, call: Call) -> None:
    sources = call("ask", SOUPS, "--no-llm", "--json", "--top-k", "2", "--filter", "region = 'Korea'").document[
        "sources"
    ]
    assert len(sources) == 2
    assert {source["metadata"]["region"] for source in sources} == {"Korea"}


def test_a_question_off_the_topic_is_refused_and_shown_what_came_closest(filled: Path, call: Call) -> None:
    refused = call("ask", OFF_TOPIC, "--no-llm", "--json")
    assert refused.code == 0
    assert refused.document["refused"]
    assert refused.document["sources"] == []
    shown = call("ask", OFF_TOPIC, "--no-llm")
    assert "all below the lowest relevance" in shown.out
    assert "[1]" not in shown.out
    assert "--min-relevance 0" in shown.err


def test_min_relevance_moves_the_gate(filled: Path, call: Call) -> None:
    opened = call("ask", OFF_TOPIC, "--no-llm", "--json", "--min-relevance", "0").document
    assert len(opened["sources"]) == 3
    assert call("ask", SOUPS, "--no-llm", "--json", "--min-relevance", "1").document["refused"]


def test_a_filter_that_nothing_matches_is_named_as_a_reason(filled: Path, call: Call) -> None:
    done = call("ask", SOUPS, "--no-llm", "--filter", "region = 'Atlantis'")
    assert "no record matches the filter" in done.err


def test_a_question_is_saved_with_its_answer(filled: Path, call: Call, home: Path) -> None:
    call("ask", SOUPS, "--no-llm")
    turn = recorded_turns(home)[-1]
    assert (turn["question"], turn["state"]) == (SOUPS, "answered")


@pytest.mark.parametrize("question", ["", "  \n ", "\x1b[2J\u202e"])
def test_an_empty_question_is_a_usage_error(call: Call, question: str) -> None:
    for command in ("ask", "search"):
        assert "question is empty" in call(command, question).sentence()


def test_a_question_of_100_000_characters_is_answered(filled: Path, call: Call) -> None:
    done = call("ask", "noodle soup " * 8_334, "--no-llm", "--json")
    assert done.code == 0
    assert done.document["sources"]


def test_a_question_may_hold_anything(filled: Path, call: Call) -> None:
    done = call("search", "--json", "[/foo] \x1b]52;c;eA==\x07 '; DROP TABLE records; -- \ud800 noodles")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert len(done.document["hits"]) == 3


def test_the_model_streams_and_is_named(filled: Path, ollama: OllamaEmulator) -> None:
    env = {"OLLAMA_HOST": ollama.host}
    as_json = ragfood("ask", SOUPS, "--json", home=filled, env=env)
    assert as_json.code == 0
    assert as_json.err == ""
    assert as_json.document["answerer"] == "llama3.2"
    assert as_json.document["degraded"] is None
    assert any(citation["known"] for citation in as_json.document["citations"])
    plain = ragfood("ask", SOUPS, home=filled, env=env)
    assert "\n\nSources\n[1] " in plain.out
    assert "llama3.2 · 3 sources · " in plain.out
    assert "tok/s" in plain.out


def test_the_sources_are_in_the_prompt(filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    sources = call("ask", SOUPS, "--json").document["sources"]
    sent = json.loads(ollama.bodies("/api/chat")[-1])["messages"]
    assert all(source["text"] in sent[-1]["content"] for source in sources)


def test_a_key_for_ollama_goes_to_its_address_and_nowhere_else(
    filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    monkeypatch.setenv("OLLAMA_API_KEY", "s3cr3t-key")
    done = call("--debug", "ask", SOUPS, "--json")
    assert done.document["answerer"] == "llama3.2"
    asked = [request for request in ollama.requests if request.path == "/api/chat"]
    assert asked[-1].headers["authorization"] == "Bearer s3cr3t-key"
    told = done.out + done.err + (filled / "state" / "ragfood.log").read_text()
    assert "s3cr3t" not in told


def test_the_log_is_closed_when_a_command_ends(filled: Path, call: Call) -> None:
    for _ in range(2):
        call("--debug", "search", "soup")
        assert logging.getLogger("tui").handlers == []


def test_a_citation_of_nothing_is_flagged(filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    ollama.say(Reply(pieces=["Pho [1] ", "and [9], [9]."]))
    done = call("ask", SOUPS)
    assert done.err.count("cites [9]") == 1


def test_a_stream_that_breaks_off_keeps_its_text_and_fails(
    filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    ollama.say(
        Reply(pieces=["Pho is ", "a soup"], after=2, drop=True), Reply(pieces=["Pho is ", "one"], after=2, drop=True)
    )
    as_json = call("ask", SOUPS, "--json")
    assert as_json.code == 1
    assert as_json.document["answer"].startswith("Pho")
    assert as_json.document["error"]
    plain = call("ask", SOUPS)
    assert plain.code == 1
    assert plain.out.startswith("Pho is")
    assert plain.err


def test_hostile_words_of_a_model_do_not_reach_the_terminal(
    filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    ollama.say(Reply(pieces=["Pho \x1b[31m", "red\x07 [bold]", "\u202e \x9b2J"]))
    done = call("ask", SOUPS)
    assert "[bold]" in done.out
    assert not set("\x1b\x07\u202e\x9b") & set(done.out + done.err)


def test_a_missing_model_degrades_with_its_fix(filled: Path, call: Call, ollama: OllamaEmulator, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    monkeypatch.setenv("RAGFOOD_MODEL", "nobody-has-this")
    done = call("ask", SOUPS, "--json")
    assert done.code == 0
    assert done.document["answerer"] == "extractive"
    assert "ollama pull nobody-has-this" in done.document["degraded"]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
def test_search_takes_every_mode(filled: Path, call: Call, mode: str) -> None:
    found = call("search", "noodle soup", "--mode", mode, "--top-k", "5", "--json").document
    assert found.keys() == {"query", "mode", "hits", "seconds"}
    assert found["mode"] == mode
    assert len(found["hits"]) == 5
    assert [hit["score"] for hit in found["hits"]] == sorted((hit["score"] for hit in found["hits"]), reverse=True)


def test_search_holds_nothing_back_and_shows_whole_texts(filled: Path, call: Call) -> None:
    done = call("search", OFF_TOPIC)
    assert done.code == 0
    assert len([line for line in done.out.split("\n") if line[:2] in ("1.", "2.", "3.")]) == 3
    assert "…" not in done.out
    assert "3 of 150 records" in done.err


def test_a_wrong_filter_is_underlined_at_its_place(filled: Path, call: Call) -> None:
    said = call("search", "soup", "--filter", "region = = 'Japan'").sentence()
    lines = said.split("\n")
    place = next(number for number, line in enumerate(lines) if line == "    region = = 'Japan'")
    assert lines[place + 1] == "    " + " " * 9 + "^"
    assert "A filter reads like" in said


@pytest.mark.parametrize("command", [("ask", "soup", "--no-llm"), ("search", "soup"), ("index", "list")])
def test_a_wrong_filter_is_a_usage_error_everywhere(filled: Path, call: Call, command: tuple[str, ...]) -> None:
    assert "^" in call(*command, "--filter", "region ~ 'x'", "--json").sentence()


def test_eval_measures_a_question_file(filled: Path, call: Call, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"question": "Japanese ramen noodle soup", "relevant": ["ramen"]}\n'
        '{"question": "How do I mend the gearbox of my car?", "relevant": []}\n'
        '{"question": "ramen", "relevant": ["no-such-food"]}\n'
    )
    measured = call("eval", str(questions), "--json").document
    assert measured["questions"] == 3
    assert measured["recall_at_3"] == 0.5
    assert measured["mrr"] == 0.5
    assert measured["ndcg_at_10"] == 0.5
    assert measured["refused_off_topic"] == 1
    assert measured["refused_on_topic"] == 0
    assert [miss["question"] for miss in measured["misses"]] == ["ramen"]
    shown = call("eval", str(questions)).out
    assert "recall@3            0.500" in shown
    assert "missed: ramen\n  wants no-such-food\n  found ramen" in shown


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no questions"),
        ("nonsense", "line 1: not JSON"),
        ('{"question": "x"}', "field relevant"),
        ('{"question": "", "relevant": []}', "field question"),
    ],
)
def test_eval_names_the_line_at_fault(call: Call, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "q.jsonl").write_text(content)
    assert said in call("eval", "q.jsonl").sentence()


def test_eval_without_its_file(call: Call) -> None:
    assert "cannot be read" in call("eval", "missing.jsonl").sentence()


def test_the_first_fill_takes_the_good_rows_and_names_the_others(
    call: Call, foods: Path, tmp_path, monkeypatch
) -> None:
    rows = [*json.loads(foods.read_text()), {"id": "empty", "text": ""}]
    monkeypatch.setenv("RAGFOOD_FOODS", str(write_foods(tmp_path / "own.json", rows)))
    done = call("search", "soup", "--json")
    assert {hit["id"] for hit in done.document["hits"]} == {"pho", "ramen", "baklava"}
    assert "row 4 (empty): the text is empty" in done.err
    assert "row" not in call("search", "soup", "--json").err
