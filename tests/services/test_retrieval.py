from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.asking_kitchen import FOODS, OFF_TOPIC, SOUPS, Kitchen
from tui.core.errors import FilterSyntaxError, FoodsFileError, InvalidQuery
from tui.core.records import Hit, QueryMode, Record
from tui.embed.calibration import GATE
from tui.services.retrieval import split_by_gate

RELEVANCES = st.lists(st.none() | st.floats(0, 1))


def hits_of(relevances: Sequence[float | None]) -> list[Hit]:
    return [Hit(Record(str(n), "text"), score=0.5, relevance=value) for n, value in enumerate(relevances)]


class TestTheGate:
    def test_drops_what_is_below_it_and_keeps_what_is_on_it(self) -> None:
        kept, dropped = split_by_gate(hits_of([0.9, 0.5, 0.49, 0.0]), 0.5)
        assert [hit.relevance for hit in kept] == [0.9, 0.5]
        assert [hit.relevance for hit in dropped] == [0.49, 0.0]

    def test_is_open_for_hits_of_unknown_relevance(self) -> None:
        kept, dropped = split_by_gate(hits_of([None, None]), 1.0)
        assert (len(kept), dropped) == (2, ())

    @given(RELEVANCES)
    def test_at_zero_keeps_everything(self, relevances: list[float | None]) -> None:
        hits = hits_of(relevances)
        assert split_by_gate(hits, 0.0) == (tuple(hits), ())

    @given(RELEVANCES, st.floats(0, 1))
    def test_loses_nothing_and_keeps_the_order(self, relevances: list[float | None], gate: float) -> None:
        kept, dropped = split_by_gate(hits_of(relevances), gate)
        for part in (kept, dropped):
            assert [int(hit.id) for hit in part] == sorted(int(hit.id) for hit in part)
        assert sorted(int(hit.id) for hit in (*kept, *dropped)) == list(range(len(relevances)))


class TestRetrieving:
    async def test_finds_the_best_first_and_counts_the_records(self, kitchen: Kitchen) -> None:
        found = await kitchen.services().retrieval.retrieve(SOUPS)
        assert [hit.id for hit in found.hits] == ["pho", "ramen"]
        assert found.total == len(FOODS)
        assert (found.query, found.seconds) == (SOUPS, 0.0)
        relevances = [hit.relevance or 0.0 for hit in found.hits]
        assert relevances == sorted(relevances, reverse=True)
        assert min(relevances) >= GATE

    async def test_fills_an_index_that_was_never_written(self, kitchen: Kitchen) -> None:
        assert not kitchen.paths.index_file.exists()
        assert (await kitchen.services().retrieval.retrieve(SOUPS)).total == len(FOODS)

    async def test_of_a_reset_index_finds_nothing(self, kitchen: Kitchen) -> None:
        services = kitchen.services()
        await services.index.reset()
        found = await services.retrieval.retrieve(SOUPS)
        assert (found.hits, found.dropped, found.total) == ((), (), 0)

    async def test_holds_back_what_is_off_topic(self, kitchen: Kitchen) -> None:
        found = await kitchen.services().retrieval.retrieve(OFF_TOPIC)
        assert found.hits == ()
        assert found.dropped

    @pytest.mark.parametrize("mode", QueryMode)
    async def test_every_mode_finds_a_rare_word(self, kitchen: Kitchen, mode: QueryMode) -> None:
        found = await kitchen.services().retrieval.retrieve("honey syrup", mode=mode, min_relevance=0.0)
        assert found.hits[0].id == "baklava"

    async def test_filter_and_top_k_are_respected(self, kitchen: Kitchen) -> None:
        retrieval = kitchen.services().retrieval
        found = await retrieval.retrieve(SOUPS, top_k=4, filter="type = 'Soup'", min_relevance=0.0)
        assert {hit.id for hit in found.hits} == {"pho", "ramen"}
        assert len((await retrieval.retrieve(SOUPS, top_k=1, min_relevance=0.0)).hits) == 1

    @pytest.mark.parametrize("top_k", [0, -1])
    async def test_refuses_to_find_less_than_one(self, kitchen: Kitchen, top_k: int) -> None:
        with pytest.raises(InvalidQuery):
            await kitchen.services().retrieval.retrieve(SOUPS, top_k=top_k)

    async def test_a_filter_that_does_not_parse_is_refused_with_its_place(self, kitchen: Kitchen) -> None:
        with pytest.raises(FilterSyntaxError) as caught:
            await kitchen.services().retrieval.retrieve(SOUPS, filter="region == 'Japan'")
        assert caught.value.position > 0
        assert caught.value.hint

    async def test_what_stands_in_the_way_of_the_fill_is_told(self, kitchen: Kitchen) -> None:
        kitchen.foods.write_text("no json")
        with pytest.raises(FoodsFileError):
            await kitchen.services().retrieval.retrieve(SOUPS)

    async def test_texts_are_safe_and_ids_stay_keys(self, kitchen: Kitchen) -> None:
        services = kitchen.services()
        await services.index.upsert(
            [Record("a\u200bb", "Noodle\x1b[2J soup", {"na\x07me": "Ud\x07on", "n": [1, "\x85"]})]
        )
        [hit] = (await services.retrieval.retrieve("noodle soup", min_relevance=0.0)).hits
        assert hit.record.text == "Noodle soup"
        assert hit.record.metadata == {"name": "Udon", "n": [1, "\n"]}
        assert [record is not None for record in await services.index.fetch([hit.id])] == [True]

    @pytest.mark.timeout(10)
    async def test_a_megabyte_of_question_is_bounded(self, kitchen: Kitchen) -> None:
        services = kitchen.services()
        await services.retrieval.retrieve(SOUPS)
        for question in ("x" * 1_000_000, "noodle soup " * 80_000, "é" * 500_000):
            found = await services.retrieval.retrieve(question, min_relevance=0.0)
            assert len(found.hits) <= 3
