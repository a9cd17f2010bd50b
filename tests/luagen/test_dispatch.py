from __future__ import annotations

import pytest

from luagen import dispatch, ir, regex
from luagen.dispatch import Key, Where, index, necessary
from luagen.ir import Constant, RequestField

PATH, HOST, METHOD = RequestField.PATH, RequestField.HOST, RequestField.METHOD
EXACT, PREFIX, SUFFIX = Where.EXACT, Where.PREFIX, Where.SUFFIX


def is_(field: RequestField, text: bytes) -> ir.Value:
    return ir.Equal(ir.Read(field), Constant(text))


def starts(field: RequestField, text: bytes) -> ir.Value:
    return ir.HasPrefix(ir.Read(field), Constant(text))


def ends(field: RequestField, text: bytes) -> ir.Value:
    return ir.HasSuffix(ir.Read(field), Constant(text))


def keys(*found: tuple[RequestField, Where, bytes]) -> dict[RequestField, frozenset[Key]]:
    fields = {field for field, _, _ in found}
    return {field: frozenset(Key(*key) for key in found if key[0] is field) for field in fields}


def matches(pattern: str) -> ir.Matches:
    return ir.Matches(regex.split(regex.parse(pattern)), ir.Read(PATH))


HEADER = ir.HasEntry(ir.Source.HEADER, b"x")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Constant(True), {}),
        (HEADER, {}),
        (is_(PATH, b"/a"), keys((PATH, EXACT, b"/a"))),
        (is_(METHOD, b"PUT"), keys((METHOD, EXACT, b"PUT"))),
        (starts(PATH, b"/a/"), keys((PATH, PREFIX, b"/a/"))),
        (ends(HOST, b".example.org"), keys((HOST, SUFFIX, b".example.org"))),
        (
            ir.InStrings(ir.Read(PATH), (b"/a", b"/b")),
            keys((PATH, EXACT, b"/a"), (PATH, EXACT, b"/b")),
        ),
        (
            ir.HasAnyPrefix(ir.Read(PATH), (b"/a/", b"/b/")),
            keys((PATH, PREFIX, b"/a/"), (PATH, PREFIX, b"/b/")),
        ),
        (
            ir.HasAnySuffix(ir.Read(PATH), (b".js", b".css")),
            keys((PATH, SUFFIX, b".js"), (PATH, SUFFIX, b".css")),
        ),
        (matches("^/shop/[a-z]+$"), keys((PATH, PREFIX, b"/shop/"))),
        (matches(regex.glob_pattern("/users/*/x")), keys((PATH, PREFIX, b"/users/"))),
        # what says little or nothing
        (matches("/shop/[a-z]+$"), {}),
        (matches("^/[a-z]+$"), {}),
        (ir.Equal(ir.Read(PATH), Constant(b"/a"), negated=True), {}),
        (ir.Not(is_(PATH, b"/a")), {}),
        (starts(PATH, b"/"), {}),
        (is_(PATH, b"/a\nb"), {}),
        (is_(RequestField.QUERY, b"a"), {}),
        (ir.Equal(ir.Read(PATH), ir.Read(HOST)), {}),
        (ir.InStrings(ir.Read(PATH), tuple(b"/%d" % n for n in range(dispatch.MAX_KEYS + 1))), {}),
        # and: each part is necessary, the narrowest is taken
        (
            ir.All((starts(PATH, b"/a/"), HEADER, is_(HOST, b"h"))),
            keys((PATH, PREFIX, b"/a/"), (HOST, EXACT, b"h")),
        ),
        (ir.All((starts(PATH, b"/a/"), is_(PATH, b"/a/b"))), keys((PATH, EXACT, b"/a/b"))),
        (ir.All((starts(PATH, b"/a/"), starts(PATH, b"/a/b/"))), keys((PATH, PREFIX, b"/a/b/"))),
        # or: what all parts say something about
        (
            ir.Any((is_(PATH, b"/a"), starts(PATH, b"/a/"))),
            keys((PATH, EXACT, b"/a"), (PATH, PREFIX, b"/a/")),
        ),
        (ir.Any((is_(PATH, b"/a"), HEADER)), {}),
        (ir.Any((is_(PATH, b"/a"), is_(HOST, b"h"))), {}),
        (
            ir.Any((ir.All((is_(PATH, b"/a"), HEADER)), ir.All((is_(PATH, b"/b"), is_(HOST, b"h"))))),
            keys((PATH, EXACT, b"/a"), (PATH, EXACT, b"/b")),
        ),
        # `or` inside `and` that says nothing does not hide what the other part says
        (ir.All((ir.Any((HEADER, is_(PATH, b"/a"))), is_(HOST, b"h"))), keys((HOST, EXACT, b"h"))),
    ],
)
def test_necessary(condition: ir.Value, found: object) -> None:
    assert necessary(condition) == found


def rules(*conditions: ir.Value) -> list[ir.Rule]:
    return [
        ir.Rule(number=number, name=str(number), place="p:1", code=(ir.LeaveUnless(condition),))
        for number, condition in enumerate(conditions, 1)
    ]


def test_the_condition_of_a_rule_stands_before_its_effects() -> None:
    slot = ir.Slot(0)
    suspending = (ir.Let(slot, is_(PATH, b"/a")), ir.CheckStop(), ir.LeaveUnless(slot))
    later = (ir.Let(slot, HEADER), ir.Invoke("permit", (), ir.Outcome.GOES_ON), ir.LeaveUnless(slot))
    for code, condition in (
        ((ir.LeaveUnless(HEADER),), HEADER),
        (suspending, is_(PATH, b"/a")),
        (later, Constant(True)),
        ((), Constant(True)),
    ):
        rule = ir.Rule(number=1, name="r", place="p:1", code=code)
        assert dispatch.condition_of(rule) == condition


def test_an_index_of_each_kind() -> None:
    found = index(
        rules(
            HEADER,
            *(is_(PATH, b"/%d" % number) for number in range(7)),
            is_(PATH, b"/0"),
            starts(PATH, b"/a/"),
            ends(PATH, b".php"),
            Constant(True),
        )
    )
    assert found is not None
    assert found.always == (1, 12)
    assert found.found == {
        (PATH, EXACT): {b"/0": (2, 9), **{b"/%d" % number: (number + 2,) for number in range(1, 7)}},
        (PATH, PREFIX): {b"/a/": (10,)},
        (PATH, SUFFIX): {b".php": (11,)},
    }


def test_few_rules_have_no_index() -> None:
    few = [is_(PATH, b"/%d" % number) for number in range(dispatch.MIN_RULES - 1)]
    assert index(rules(*few)) is None
    assert index(rules(*few, HEADER, HEADER)) is None
    assert index(rules(*few, is_(PATH, b"/x"))) is not None
    assert index([]) is None


def test_a_rule_is_found_by_what_it_shares_with_fewest() -> None:
    """Many tenants with rules for one path: the host tells them apart."""
    found = index(
        rules(*(ir.All((starts(PATH, b"/api/"), is_(HOST, b"shop-%d" % number))) for number in range(20)))
    )
    assert found is not None
    assert list(found.found) == [(HOST, EXACT)]


def test_a_field_that_finds_few_rules_is_not_looked_up() -> None:
    many = [is_(PATH, b"/%d" % number) for number in range(20)]
    both = ir.All((starts(PATH, b"/api/"), is_(HOST, b"shop")))
    found = index(rules(*many, is_(HOST, b"shop"), both))
    assert found is not None
    assert found.always == (21,)
    assert found.found[PATH, PREFIX] == {b"/api/": (22,)}


@pytest.mark.parametrize(("test", "where"), [(starts, PREFIX), (ends, SUFFIX)])
def test_affixes_of_many_lengths_are_cut(test: object, where: Where) -> None:
    assert callable(test)
    texts = [(b"/%d" % number).ljust(number + 4, b"-") for number in range(100)]
    found = index(rules(*(test(PATH, text) for text in texts)))
    assert found is not None
    by_text = found.found[PATH, where]
    assert len({len(text) for text in by_text}) <= dispatch.MAX_LENGTHS
    assert sorted(number for numbers in by_text.values() for number in numbers) == list(range(1, 101))
    for text, numbers in by_text.items():
        for number in numbers:
            whole = texts[number - 1]
            assert whole.startswith(text) if where is PREFIX else whole.endswith(text)
