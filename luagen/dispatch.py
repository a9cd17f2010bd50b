"""Which rules of a program could match a request, told from its path, host and method alone.

Pure. From the condition of a rule a necessary one is derived: that a field of the request is one of some
texts, or begins or ends with one of some. An `Index` finds the rules whose necessary condition holds by a few
lookups, however many there are; the rules themselves still decide. Rules without such a condition are always
tried.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from luagen import ir
from luagen.ir import Constant, RequestField, Value


class Where(StrEnum):
    """How a field must fit a text; the values are the runtime's names for it."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"


@dataclass(frozen=True, slots=True)
class Key:
    """A field of the request fits a text."""

    field: RequestField
    where: Where
    text: bytes


# Fields that nothing changes while rules run, best first: on a tie the first one is looked up.
FIELDS = (RequestField.PATH, RequestField.HOST, RequestField.METHOD)

# A rule that depends on more texts looks them up itself, in one table.
MAX_KEYS = 256

# Fewer rules than this are tried one by one faster than they are looked up (docs/benchmarks.md).
MIN_RULES = 10

# Looking up prefixes (or suffixes) costs a table access a length: they are cut to one of so many lengths.
MAX_LENGTHS = 8

Necessary = Mapping[RequestField, frozenset[Key]]

_NOTHING: Necessary = {}


def necessary(condition: Value) -> Necessary:
    """For each field that the condition depends on: keys one of which fits whenever the condition holds."""
    match condition:
        case ir.Equal(ir.Read(field), Constant(bytes() as text), False):
            return _keys(field, Where.EXACT, (text,))
        case ir.InStrings(ir.Read(field), members):
            return _keys(field, Where.EXACT, members)
        case ir.HasPrefix(ir.Read(field), Constant(bytes() as prefix)):
            return _keys(field, Where.PREFIX, (prefix,))
        case ir.HasSuffix(ir.Read(field), Constant(bytes() as suffix)):
            return _keys(field, Where.SUFFIX, (suffix,))
        case ir.HasAnyPrefix(ir.Read(field), prefixes):
            return _keys(field, Where.PREFIX, prefixes)
        case ir.HasAnySuffix(ir.Read(field), suffixes):
            return _keys(field, Where.SUFFIX, suffixes)
        case ir.Matches(pattern, ir.Read(field)) if pattern.leading:
            return _keys(field, Where.PREFIX, (pattern.leading,))
        case ir.All(operands):
            return _narrowest(map(necessary, operands))
        case ir.Any(operands):
            return _either([necessary(operand) for operand in operands])
        case _:
            return _NOTHING


def _keys(field: RequestField, where: Where, texts: Sequence[bytes]) -> Necessary:
    if field not in FIELDS or len(texts) > MAX_KEYS or not all(map(_is_telling, texts)):
        return _NOTHING
    return {field: frozenset(Key(field, where, text) for text in texts)}


def _is_telling(text: bytes) -> bool:
    """Whether a text tells requests apart (all paths begin with `/`) and fits into a line of an index."""
    return text not in (b"", b"/") and b"\n" not in text


def _narrowest(found: Iterable[Necessary]) -> Necessary:
    """All of several conditions are necessary: for each field the one that fewer requests meet."""
    best: dict[RequestField, frozenset[Key]] = {}
    for one in found:
        for field, keys in one.items():
            if field not in best or _width(keys) < _width(best[field]):
                best[field] = keys
    return best


def _width(keys: frozenset[Key]) -> tuple[int, int, int]:
    """Grows with the requests that fit: affixes before exact texts, then many texts, then short ones."""
    affixes = sum(key.where is not Where.EXACT for key in keys)
    return affixes, len(keys), -min(len(key.text) for key in keys)


def _either(found: list[Necessary]) -> Necessary:
    """One of several conditions is necessary: what says something about a field in every one of them."""
    together = {
        field: frozenset[Key]().union(*(one[field] for one in found))
        for field in found[0]
        if all(field in one for one in found)
    }
    return {field: keys for field, keys in together.items() if len(keys) <= MAX_KEYS}


def condition_of(rule: ir.Rule) -> Value:
    """What must hold for a rule to do anything: its leading condition, else true."""
    values: dict[ir.Slot, Value] = {}
    for instruction in rule.code:
        match instruction:
            case ir.Let(slot, value):
                values[slot] = value
            case ir.CheckStop():
                continue
            case ir.LeaveUnless(ir.Slot() as slot):
                return values[slot]
            case ir.LeaveUnless(condition):
                return condition
            case _:
                break
    return Constant(True)


@dataclass(frozen=True, slots=True)
class Index:
    """The rules of a block by what a request must have for them to match; numbers ascend everywhere."""

    always: tuple[int, ...]
    found: Mapping[tuple[RequestField, Where], Mapping[bytes, tuple[int, ...]]]


def index(rules: Sequence[ir.Rule]) -> Index | None:
    """The index of some rules, or None when trying one after the other costs no more."""
    if len(rules) < MIN_RULES:
        return None
    options = {rule.number: necessary(condition_of(rule)) for rule in rules}
    chosen = _choice(options)
    if not chosen:
        return None
    found: dict[tuple[RequestField, Where], dict[bytes, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, keys in chosen.items():
        for key in keys:
            found[key.field, key.where][key.text].add(number)
    return Index(
        always=tuple(number for number in options if number not in chosen),
        found={
            place: {text: tuple(sorted(numbers)) for text, numbers in sorted(_cut(place[1], texts).items())}
            for place, texts in sorted(found.items(), key=lambda item: (FIELDS.index(item[0][0]), item[0][1]))
        },
    )


def _choice(options: Mapping[int, Necessary]) -> dict[int, frozenset[Key]]:
    """The keys that each rule is found by: of the field whose keys fewest rules share.

    A field that finds few rules is not worth its lookups: they are found by another, or always tried.
    """
    shared = Counter(key for fields in options.values() for keys in fields.values() for key in keys)
    fields = list(FIELDS)
    while True:
        chosen: dict[int, frozenset[Key]] = {}
        finds: Counter[RequestField] = Counter()
        for number, necessary_ in options.items():
            usable = [field for field in fields if field in necessary_]
            if usable:
                best = min(usable, key=lambda field: max(shared[key] for key in necessary_[field]))
                chosen[number] = necessary_[best]
                finds[best] += 1
        rare = [field for field in fields if 0 < finds[field] < MIN_RULES]
        if not rare:
            return chosen
        fields.remove(min(rare, key=lambda field: finds[field]))


def _cut(where: Where, texts: Mapping[bytes, set[int]]) -> Mapping[bytes, set[int]]:
    """The texts of an index; of prefixes and suffixes no more than MAX_LENGTHS lengths are left."""
    if where is Where.EXACT:
        return texts
    every = sorted(len(text) for text in texts)
    lengths = sorted(set(every))
    if len(lengths) > MAX_LENGTHS:
        # The shortest one, so that each text has a length to be cut to, and others as the texts are spread.
        steps = range(1, MAX_LENGTHS)
        lengths = sorted({every[0], *(every[len(every) * step // MAX_LENGTHS] for step in steps)})
    cut: dict[bytes, set[int]] = defaultdict(set)
    for text, numbers in texts.items():
        length = max(length for length in lengths if length <= len(text))
        cut[text[:length] if where is Where.PREFIX else text[-length:]] |= numbers
    return cut
