"""The filter language: what parses to what, where errors are found, and which records a filter lets through."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.engine.filter_strategies import filters, metadata, render
from tui.core.errors import FilterSyntaxError, InvalidQuery
from tui.engine.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_EXPRESSION_LENGTH,
    MAX_MEMBERS,
    MAX_NUMBER_LENGTH,
    MAX_PATTERN_LENGTH,
    parse,
    quote,
)
from tui.engine.globs import compile_glob
from tui.engine.matching import matches
from tui.engine.syntax import (
    And,
    Comparison,
    Contains,
    Filter,
    Glob,
    HasField,
    Literal,
    LiteralKind,
    Membership,
    Operator,
    Or,
    Path,
)

REGION = Path(("region",))


def text(value: str) -> Literal:
    return Literal(LiteralKind.TEXT, value)


def number(value: float) -> Literal:
    return Literal(LiteralKind.NUMBER, value)


def boolean(value: bool) -> Literal:
    return Literal(LiteralKind.BOOLEAN, value)


def error_of(expression: str) -> FilterSyntaxError:
    with pytest.raises(FilterSyntaxError) as caught:
        parse(expression)
    assert caught.value.expression == expression
    assert 0 <= caught.value.position <= len(expression)
    return caught.value


def parsed_or_refused(expression: str) -> Filter | FilterSyntaxError:
    try:
        return parse(expression)
    except FilterSyntaxError as error:
        return error


class TestParsing:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("region = 'Japan'", Comparison(REGION, Operator.EQUAL, text("Japan"))),
            ("region != 'Japan'", Comparison(REGION, Operator.NOT_EQUAL, text("Japan"))),
            ("region < 5", Comparison(REGION, Operator.LESS, number(5))),
            ("region <= 5", Comparison(REGION, Operator.LESS_OR_EQUAL, number(5))),
            ("region > 5", Comparison(REGION, Operator.GREATER, number(5))),
            ("region >= 5", Comparison(REGION, Operator.GREATER_OR_EQUAL, number(5))),
            ("region='Japan'", Comparison(REGION, Operator.EQUAL, text("Japan"))),
            ("  region\t=\r\n'Japan' ", Comparison(REGION, Operator.EQUAL, text("Japan"))),
            ("region GLOB 'J*'", Glob(REGION, "J*")),
            ("region NOT GLOB 'J*'", Glob(REGION, "J*", negated=True)),
            ("region IN ('a', 2, true)", Membership(REGION, (text("a"), number(2), boolean(True)))),
            ("region NOT IN ('a')", Membership(REGION, (text("a"),), negated=True)),
            ("region IN('a')", Membership(REGION, (text("a"),))),
            ("region CONTAINS 'a'", Contains(REGION, text("a"))),
            ("region NOT CONTAINS 5", Contains(REGION, number(5), negated=True)),
            ("HAS FIELD region", HasField(REGION)),
            ("HAS NOT FIELD region", HasField(REGION, negated=True)),
            ("has not field region", HasField(REGION, negated=True)),
            ("region nOt iN ('a')", Membership(REGION, (text("a"),), negated=True)),
            ("(region = 'a')", Comparison(REGION, Operator.EQUAL, text("a"))),
        ],
    )
    def test_constructs(self, expression: str, expected: Filter) -> None:
        assert parse(expression) == expected

    @pytest.mark.parametrize(
        ("written", "steps"),
        [
            ("a", ("a",)),
            ("_a1", ("_a1",)),
            ("a.b.c", ("a", "b", "c")),
            ("a[0]", ("a", 0)),
            ("a[#-1]", ("a", -1)),
            ("a[12][#-3]", ("a", 12, -3)),
            ("a.b[0].c[#-2].d", ("a", "b", 0, "c", -2, "d")),
            ("a.1", ("a", "1")),
            ("a-b#c", ("a-b#c",)),
            ("a.in.NOT", ("a", "in", "NOT")),
            ("android", ("android",)),
            ("true.x", ("true", "x")),
            ("industries#-1]", ("industries#-1]",)),
        ],
    )
    def test_paths(self, written: str, steps: tuple[str | int, ...]) -> None:
        assert parse(f"HAS FIELD {written}") == HasField(Path(steps))

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("'x'", text("x")),
            ('"x"', text("x")),
            ("''", text("")),
            ('"it\'s"', text("it's")),
            ("'say \"x\"'", text('say "x"')),
            ("'it''s'", text("it's")),
            ('"say ""x"""', text('say "x"')),
            (r"'it\'s'", text("it's")),
            (r'"say \"x\""', text('say "x"')),
            (r"'a\\'", text("a\\")),
            (r"'C:\dir'", text(r"C:\dir")),
            ("'a\nb'", text("a\nb")),
            ("'AND (x = 1)'", text("AND (x = 1)")),
            ("'名 🍜'", text("名 🍜")),
            ("5", number(5)),
            ("-5", number(-5)),
            ("2.50", number(2.5)),
            ("-0.25", number(-0.25)),
            ("0.0000000001", number(1e-10)),
            ("9007199254740993", number(9007199254740993)),
            ("true", boolean(True)),
            ("FALSE", boolean(False)),
        ],
    )
    def test_literals(self, written: str, expected: Literal) -> None:
        parsed = parse(f"region = {written}")
        assert parsed == Comparison(REGION, Operator.EQUAL, expected)
        assert isinstance(parsed, Comparison)
        assert type(parsed.literal.value) is type(expected.value)

    def test_and_binds_tighter_than_or(self) -> None:
        a, b, c, d = (HasField(Path((key,))) for key in "abcd")
        has = "HAS FIELD "
        assert parse(f"{has}a OR {has}b AND {has}c OR {has}d") == Or((a, And((b, c)), d))
        assert parse(f"({has}a OR {has}b) AND ({has}c or {has}d)") == And((Or((a, b)), Or((c, d))))
        assert parse(f"{has}a and {has}b and {has}c") == And((a, b, c))

    def test_the_kind_of_a_literal_is_part_of_a_filter(self) -> None:
        assert parse("a = 1") != parse("a = true")
        assert parse("a = 1") != parse("a = '1'")

    @given(filters)
    def test_every_filter_can_be_written_and_read(self, filter: Filter) -> None:
        assert parse(render(filter)) == filter


class TestSyntaxErrors:
    @pytest.mark.parametrize(
        ("expression", "position", "detail"),
        [
            ("", 0, "line 1:0 mismatched input '<EOF>' expecting {'(', HAS, path}"),
            ("  ", 2, "line 1:2 mismatched input '<EOF>' expecting {'(', HAS, path}"),
            ("region = 'Japan' and x = [", 25, "line 1:25 token recognition error at: '['"),
            ("region IN ['Japan']", 10, "line 1:10 token recognition error at: '['"),
            ("[0] = 1", 0, "line 1:0 token recognition error at: '['"),
            ("tags[] = 1", 4, "line 1:4 token recognition error at: '['"),
            ("tags[0 = 1", 4, "line 1:4 token recognition error at: '['"),
            ("tags[#] = 1", 4, "line 1:4 token recognition error at: '['"),
            ("tags[#-0] = 1", 4, "line 1:4 token recognition error at: '['"),
            ("tags[-1] = 1", 4, "line 1:4 token recognition error at: '['"),
            ("tags['a'] = 1", 4, "line 1:4 token recognition error at: '['"),
            (".a = 1", 0, "line 1:0 token recognition error at: '.'"),
            ("a..b = 1", 1, "line 1:1 token recognition error at: '.'"),
            ("a. = 1", 1, "line 1:1 token recognition error at: '.'"),
            ("größe = 1", 2, "line 1:2 token recognition error at: 'ö'"),
            ("a & b", 2, "line 1:2 token recognition error at: '&'"),
            ("a\u00a0= 1", 1, "line 1:1 token recognition error at: '\\xa0'"),
            ("a = 'x", 4, "line 1:4 token recognition error at: ''x'"),
            ("a = 'x\" OR 1", 4, "line 1:4 token recognition error at: ''x\" OR 1'"),
            ("a = 'x\\'", 4, "line 1:4 token recognition error at: ''x\\''"),
            ("a = .5", 4, "line 1:4 token recognition error at: '.'"),
            ("a = 5.", 5, "line 1:5 token recognition error at: '.'"),
            ("a = +5", 4, "line 1:4 token recognition error at: '+'"),
            ("a = 1e-10", 5, "line 1:5 mismatched input 'e-10' expecting {<EOF>, AND, OR}"),
            ("a =", 3, "line 1:3 mismatched input '<EOF>' expecting {string, number, TRUE, FALSE}"),
            ("a = b", 4, "line 1:4 mismatched input 'b' expecting {string, number, TRUE, FALSE}"),
            ("a == 1", 3, "line 1:3 mismatched input '=' expecting {string, number, TRUE, FALSE}"),
            ("a <> 1", 3, "line 1:3 mismatched input '>' expecting {string, number, TRUE, FALSE}"),
            ("a = 1 b = 2", 6, "line 1:6 mismatched input 'b' expecting {<EOF>, AND, OR}"),
            ("a = 1)", 5, "line 1:5 mismatched input ')' expecting {<EOF>, AND, OR}"),
            ("(a = 1", 6, "line 1:6 mismatched input '<EOF>' expecting {')', AND, OR}"),
            ("a = 1 AND", 9, "line 1:9 mismatched input '<EOF>' expecting {'(', HAS, path}"),
            ("AND a = 1", 0, "line 1:0 mismatched input 'AND' expecting {'(', HAS, path}"),
            ("NOT a = 1", 0, "line 1:0 mismatched input 'NOT' expecting {'(', HAS, path}"),
            ("'a' = 1", 0, "line 1:0 mismatched input ''a'' expecting {'(', HAS, path}"),
            ("()", 1, "line 1:1 mismatched input ')' expecting {'(', HAS, path}"),
            ("a IN ()", 6, "line 1:6 mismatched input ')' expecting {string, number, TRUE, FALSE}"),
            ("a IN (1,)", 8, "line 1:8 mismatched input ')' expecting {string, number, TRUE, FALSE}"),
            ("a IN (1 2)", 8, "line 1:8 mismatched input '2' expecting {',', ')'}"),
            ("a IN 1", 5, "line 1:5 mismatched input '1' expecting '('"),
            ("a GLOB 5", 7, "line 1:7 mismatched input '5' expecting string"),
            ("a NOT = 5", 6, "line 1:6 mismatched input '=' expecting {GLOB, IN, CONTAINS}"),
            ("HAS a", 4, "line 1:4 mismatched input 'a' expecting {FIELD, NOT}"),
            ("HAS NOT a", 8, "line 1:8 mismatched input 'a' expecting FIELD"),
            ("HAS FIELD", 9, "line 1:9 mismatched input '<EOF>' expecting path"),
            ("HAS FIELD in", 10, "line 1:10 mismatched input 'in' expecting path"),
            ("a = null", 4, "line 1:4 mismatched input 'null' expecting {string, number, TRUE, FALSE}"),
            ("a = 1\n  AND b ! 2", 14, "line 2:8 token recognition error at: '!'"),
            ("a[0]b = 1", 4, None),
            ("a", 1, None),
        ],
    )
    def test_the_first_character_that_does_not_fit(self, expression: str, position: int, detail: str | None) -> None:
        error = error_of(expression)
        assert error.position == position
        assert detail is None or error.detail == detail

    def test_the_error_that_comes_first_in_the_text_is_reported(self) -> None:
        assert error_of("a 5 = [").position == 2
        assert error_of("a = [ 5 5").position == 4

    def test_is_an_invalid_query_with_a_hint(self) -> None:
        error = error_of("region = [")
        assert isinstance(error, InvalidQuery)
        assert "character 10" in str(error)
        assert error.hint

    def test_messages_stay_short_and_printable(self) -> None:
        error = error_of("a = '" + "\x1b[31m\u202e\x00" * 1_000)
        assert len(error.detail) < 300
        assert error.detail.isprintable()


class TestHostileInput:
    def test_depth_is_bounded(self) -> None:
        for expression in ("(" * 100_000, "(" * 60_000, "(" * 30_000 + "a = 1" + ")" * 30_000):
            error_of(expression)
        assert error_of("(" * 60_000).position == MAX_DEPTH
        assert parse("(" * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH) == parse("a = 1")

    def test_the_deepest_filter_can_be_evaluated_and_compared(self) -> None:
        expression = "(b = 2 OR " * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH
        assert matches(parse(expression), {"a": 1})
        assert {parse(expression)} == {parse(expression)}

    def test_length_is_bounded(self) -> None:
        error = error_of("a = '" + "x" * MAX_EXPRESSION_LENGTH + "'")
        assert error.position == MAX_EXPRESSION_LENGTH

    def test_lists_are_bounded(self) -> None:
        parse(f"a IN ({','.join(['1'] * MAX_MEMBERS)})")
        error_of(f"a IN ({','.join(['1'] * 1_000)})")

    def test_conditions_are_bounded(self) -> None:
        parse(" AND ".join(["a = 1"] * MAX_CONDITIONS))
        error_of(" AND ".join(["a = 1"] * (MAX_CONDITIONS + 1)))

    def test_numbers_are_bounded(self) -> None:
        parse("a = " + "9" * MAX_NUMBER_LENGTH)
        parse("a = " + "9" * (MAX_NUMBER_LENGTH - 2) + ".5")
        assert error_of("a = " + "9" * 10_000).position == 4

    def test_array_positions_are_bounded(self) -> None:
        assert error_of(f"a[{'9' * 5_000}] = 1").position == 1

    def test_patterns_are_bounded(self) -> None:
        parse(f"a GLOB '{'x' * MAX_PATTERN_LENGTH}'")
        error_of(f"a GLOB '{'x' * (MAX_PATTERN_LENGTH + 1)}'")

    @pytest.mark.parametrize(
        "piece", ["'", '"', "''", "\\'", "\\", "a.", "a[", "[0]", "(a=1 OR ", "1", "-", " ", "a IN (", "not "]
    )
    def test_repetition_is_refused_or_read_quickly(self, piece: str) -> None:
        expression = (piece * MAX_EXPRESSION_LENGTH)[:MAX_EXPRESSION_LENGTH]
        started = time.process_time()
        for candidate in (
            expression,
            f"a = {expression}"[:MAX_EXPRESSION_LENGTH],
            f"a{expression}"[:MAX_EXPRESSION_LENGTH],
        ):
            parsed_or_refused(candidate)
        assert time.process_time() - started < 1

    @pytest.mark.parametrize(
        "pattern",
        [
            "*a" * 400 + "b",
            "*" * 1_000,
            "a*" * 500,
            "?" * 999 + "*",
            "*[ab]" * 200 + "c",
            "[" * 1_000,
            "*" + "?" * 500 + "b",
        ],
    )
    def test_no_pattern_explodes(self, pattern: str) -> None:
        started = time.process_time()
        compile_glob(pattern).matches("a" * 48_000)
        compile_glob(pattern).matches("ab" * 24_000)
        assert time.process_time() - started < 1

    @given(st.text(max_size=40))
    @example("a = '\ud800'")
    def test_any_text_parses_or_is_refused(self, expression: str) -> None:
        outcome = parsed_or_refused(expression)
        if isinstance(outcome, FilterSyntaxError):
            assert 0 <= outcome.position <= len(expression)
            assert outcome.detail.isprintable()

    @given(
        st.lists(
            st.sampled_from(
                [
                    "a",
                    "b.c",
                    "x[0]",
                    "x[#-1]",
                    "AND",
                    "or",
                    "NOT",
                    "HAS",
                    "FIELD",
                    "GLOB",
                    "IN",
                    "CONTAINS",
                    "true",
                    "=",
                    "!=",
                    "<",
                    ">=",
                    "(",
                    ")",
                    ",",
                    "'s'",
                    '"t"',
                    "'*'",
                    "1",
                    "-2.5",
                    " ",
                    "\n",
                    "[",
                    "]",
                    ".",
                    "'",
                    "\\",
                ]
            ),
            max_size=15,
        ),
        st.sampled_from(["", " "]),
    )
    def test_any_sequence_of_pieces_parses_or_is_refused(self, pieces: list[str], between: str) -> None:
        expression = between.join(pieces)
        outcome = parsed_or_refused(expression)
        if isinstance(outcome, FilterSyntaxError):
            assert 0 <= outcome.position <= len(expression)
        else:
            assert parse(render(outcome)) == outcome


class TestQuote:
    @pytest.mark.parametrize(
        ("value", "literal"),
        [
            ("Japan", "'Japan'"),
            ("", "''"),
            ("it's", '"it\'s"'),
            ('say "x"', "'say \"x\"'"),
            ('it\'s "x"', r"""'it\'s "x"'"""),
            (r"C:\dir", r"'C:\dir'"),
            ("ends in \\", r"'ends in \\'"),
        ],
    )
    def test_uses_the_other_quote_and_escapes_only_what_it_must(self, value: str, literal: str) -> None:
        assert quote(value) == literal

    @given(st.text() | st.text(alphabet="'\"\\ab"))
    def test_reads_back_as_the_same_text(self, value: str) -> None:
        assert parse(f"region = {quote(value)}") == Comparison(REGION, Operator.EQUAL, text(value))

    @given(st.text(alphabet="'\"\\a") | st.just("x' OR HAS FIELD region OR region = 'x"))
    def test_nothing_breaks_out(self, value: str) -> None:
        parsed = parse(f"a IN ({quote(value)}, {quote(value)}) AND b = 1")
        assert isinstance(parsed, And)
        assert parsed.parts[0] == Membership(Path(("a",)), (text(value), text(value)))


FOOD: dict[str, Any] = {
    "name": "Pho",
    "region": "Vietnam",
    "rating": 4.5,
    "year": 1900,
    "negative": -3,
    "big": 9007199254740993,
    "hot": True,
    "sweet": False,
    "one": 1,
    "nothing": None,
    "tags": ["soup", "noodles", 5, True, None, ["inner"]],
    "empty": [],
    "origin": {"city": {"name": "Hanoi"}, "years": [1900, 1910, 1920]},
    "quoted": "it's",
}


class TestMatching:
    @pytest.mark.parametrize(
        "expression",
        [
            "region = 'Vietnam'",
            "region != 'Japan'",
            "rating = 4.5",
            "year = 1900.0",
            "rating < 5",
            "rating <= 4.5",
            "rating > 4.4",
            "rating >= 4.5",
            "negative = -3",
            "negative < -2.5",
            "big = 9007199254740993",
            "big > 9007199254740992",
            "big < 9007199254740994",
            "hot = true",
            "hot = 1",
            "hot != false",
            "hot != 0",
            "sweet = FALSE",
            "sweet = 0",
            "hot IN (1)",
            "hot NOT IN (0, 'x')",
            "one = 1",
            "region IN ('Japan', 'Vietnam')",
            "region NOT IN ('Japan', 'Peru')",
            "region NOT IN ('Japan', 5)",
            "year IN (1900, 'x')",
            "region GLOB 'Viet*'",
            "region GLOB 'V?etnam'",
            "region NOT GLOB 'viet*'",
            "tags CONTAINS 'soup'",
            "tags CONTAINS 5",
            "tags CONTAINS true",
            "tags CONTAINS 1",
            "tags NOT CONTAINS 'stew'",
            "empty NOT CONTAINS 'stew'",
            "HAS FIELD region",
            "HAS FIELD nothing",
            "HAS FIELD origin",
            "HAS FIELD origin.city.name",
            "HAS FIELD tags[0]",
            "HAS NOT FIELD absent",
            "HAS NOT FIELD origin.absent",
            "HAS NOT FIELD tags[6]",
            "HAS NOT FIELD region.name",
            "origin.city.name = 'Hanoi'",
            "origin.years[0] = 1900",
            "origin.years[#-1] = 1920",
            "origin.years[#-3] = 1900",
            "tags[5][0] = 'inner'",
            'quoted = "it\'s"',
            "quoted = 'it''s'",
            "region = 'Japan' OR rating > 4 AND hot = true",
            "(region = 'Japan' OR rating > 4) AND hot = true",
        ],
    )
    def test_holds(self, expression: str) -> None:
        assert matches(parse(expression), FOOD)

    @pytest.mark.parametrize(
        "expression",
        [
            "region = 'vietnam'",
            "region = 'Vietnam '",
            "region != 'Vietnam'",
            "rating < 4.5",
            "rating > 4.5",
            "big = 9007199254740992",
            "big > 9007199254740993",
            "region IN ('Japan')",
            "region NOT IN ('Vietnam')",
            "region GLOB 'Viet'",
            "region NOT GLOB '*'",
            "tags CONTAINS 'sou'",
            "tags CONTAINS 'inner'",
            "tags NOT CONTAINS 'soup'",
            "HAS NOT FIELD nothing",
            "HAS FIELD absent",
            "HAS FIELD tags[#-7]",
            "region = 'Japan' AND rating > 4",
            "industries#-1] = 1",
        ],
    )
    def test_does_not_hold(self, expression: str) -> None:
        assert not matches(parse(expression), FOOD)

    @pytest.mark.parametrize(
        "path", ["absent", "origin.absent", "region.name", "tags[6]", "origin.years[#-4]", "origin[0]", "tags.0"]
    )
    @pytest.mark.parametrize(
        "comparison",
        [
            "= 1",
            "!= 1",
            "!= 'x'",
            "!= true",
            "< 1",
            "<= 1",
            "> 1",
            ">= 1",
            "GLOB '*'",
            "NOT GLOB 'x'",
            "IN (1)",
            "NOT IN (1, 'x', true)",
            "CONTAINS 1",
            "NOT CONTAINS 1",
        ],
    )
    def test_nothing_holds_for_a_missing_path(self, path: str, comparison: str) -> None:
        assert not matches(parse(f"{path} {comparison}"), FOOD)
        assert not matches(parse(f"{path} {comparison}"), None)

    @pytest.mark.parametrize(
        "expression",
        [
            "region = 5",
            "region != 5",
            "region != true",
            "region < 5",
            "region < 'Z'",
            "year = '1900'",
            "year != '1900'",
            "year NOT IN ('1900')",
            "year GLOB '*'",
            "year NOT GLOB 'x'",
            "year CONTAINS 1900",
            "year NOT CONTAINS 5",
            "region CONTAINS 'V'",
            "region NOT CONTAINS 'x'",
            "hot < 2",
            "hot >= 1",
            "sweet <= 0",
            "year > true",
            "one = true",
            "one != false",
            "hot = 5",
            "hot != 5",
            "hot = 'true'",
            "nothing = 0",
            "nothing != 0",
            "nothing NOT IN (0)",
            "nothing != 'null'",
            "nothing NOT CONTAINS 1",
            "tags = 'soup'",
            "tags != 'soup'",
            "tags NOT GLOB 'x'",
            "tags NOT IN ('x')",
            "origin = 'x'",
            "origin != 'x'",
            "origin CONTAINS 'city'",
            "origin NOT CONTAINS 'city'",
        ],
    )
    def test_nothing_holds_between_types(self, expression: str) -> None:
        assert not matches(parse(expression), FOOD)

    def test_not_equal_leaves_out_records_without_the_field(self) -> None:
        rows = [{"continent": "Asia"}, {"continent": "Europe"}, {"continent": "North America"}, {"city": "Lima"}]
        filter = parse("continent != 'Asia' AND continent != 'Europe'")
        assert [row for row in rows if matches(filter, row)] == [{"continent": "North America"}]

    def test_null_is_a_field_that_is_there(self) -> None:
        assert not matches(parse("HAS NOT FIELD lastCensus"), {"lastCensus": None})
        assert matches(parse("HAS NOT FIELD lastCensus"), {})
        assert matches(parse("HAS NOT FIELD lastCensus"), None)

    def test_texts_compare_by_code_point(self) -> None:
        assert not matches(parse("a = 'é'"), {"a": "e\u0301"})
        assert matches(parse("a GLOB '??'"), {"a": "e\u0301"})
        assert matches(parse("a GLOB '?'"), {"a": "🍜"})

    @given(filters, metadata)
    def test_any_filter_can_be_asked_of_any_metadata(self, filter: Filter, row: dict[str, Any] | None) -> None:
        assert matches(filter, row) in (True, False)

    @given(filters, metadata)
    def test_a_condition_and_its_negation_never_both_hold(self, filter: Filter, row: dict[str, Any] | None) -> None:
        if isinstance(filter, Membership | Glob | Contains | HasField):
            opposite = type(filter)(**{**_fields(filter), "negated": not filter.negated})
            assert not (matches(filter, row) and matches(opposite, row))


def _fields(condition: Any) -> dict[str, Any]:
    return {name: getattr(condition, name) for name in condition.__dataclass_fields__}


class TestGlob:
    @pytest.mark.parametrize(
        ("pattern", "value", "expected"),
        [
            ("", "", True),
            ("", "a", False),
            ("*", "", True),
            ("*", "a\nb", True),
            ("**", "ab", True),
            ("?", "", False),
            ("?", "\n", True),
            ("a*", "ba", False),
            ("*a", "ab", False),
            ("*a*", "bab", True),
            ("a*b*c", "a-b-c", True),
            ("a*b*c", "acb", False),
            ("ab*ba", "aba", False),
            ("ab*ba", "abba", True),
            ("*ab*ab*", "xabyab", True),
            ("*ab*ab*", "xabyb", False),
            ("*a", "aaaa", True),
            ("a?*", "a", False),
            ("[abc]", "b", True),
            ("[abc]", "d", False),
            ("[a-c]x", "bx", True),
            ("[a-c]", "-", False),
            ("[^abc]", "d", True),
            ("[^a-c]", "b", False),
            ("[^abc]", "", False),
            ("[!a]", "!", True),
            ("[a^]", "^", True),
            ("[a-]", "-", True),
            ("[-a]", "-", True),
            ("[z-a]", "m", False),
            ("[^z-a]", "m", True),
            ("[*]", "*", True),
            ("[*]", "x", False),
            ("[?]", "?", True),
            ("[[]", "[", True),
            ("[]]", "]", True),
            ("[^]]", "x", True),
            ("[^]]", "]", False),
            ("[", "[", True),
            ("a[b", "a[b", True),
            ("[]", "[]", True),
            ("[^]", "[^]", True),
            ("*[0-9]", "a1", True),
            ("*[0-9]*", "a1b", True),
            ("*[0-9][a-z]?", "x1ab", True),
            ("a.c", "abc", False),
            ("a+", "aa", False),
            ("(a|b)", "a", False),
            ("\\d", "5", False),
            ("[\\d]", "5", False),
            ("[\\]", "\\", True),
            ("[&&~~||--]", "|", True),
        ],
    )
    def test_patterns(self, pattern: str, value: str, expected: bool) -> None:
        assert compile_glob(pattern).matches(value) is expected

    @given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="abc", max_size=10))
    def test_agrees_with_the_definition(self, pattern: str, value: str) -> None:
        assert compile_glob(pattern).matches(value) is _by_definition(pattern, value)

    @given(st.text(max_size=8), st.text(max_size=8))
    def test_every_pattern_has_a_meaning(self, pattern: str, value: str) -> None:
        assert compile_glob(pattern).matches(value) in (True, False)


def _by_definition(pattern: str, value: str) -> bool:
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(_by_definition(pattern[1:], value[start:]) for start in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and _by_definition(pattern[1:], value[1:])
