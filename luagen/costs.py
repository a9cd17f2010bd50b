"""How large texts and sequences can get for one request, and how long an expression can take for it.

One thread of lighttpd serves all clients, so nothing that one of them sends may keep it busy or make its
memory grow. What an expression makes of a request is bounded when it is checked; what could be too much is
refused. Sizes are linear in the lengths of the variables of generators around them: the parts of a split text
are together no longer than the text, so that going through the parts of its parts costs what the text costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from luagen.builtins import TO_THE_END
from luagen.model import (
    And,
    Call,
    Claim,
    Comprehension,
    Concatenation,
    Conditional,
    Contains,
    Expression,
    Field,
    Items,
    Join,
    Literal,
    Matches,
    Or,
    ParsedInteger,
    Quantifier,
    StringSet,
    Type,
    Variable,
)
from luagen.walk import operands

# What lighttpd takes of a request's head by default (server.max-request-field-size): no part of it is longer.
MAX_REQUEST_BYTES = 8192
MAX_TEXT_BYTES = 2**18  # of a computed text, and of the elements of a sequence together
MAX_STEPS = 2**18  # for one request: about a tenth of a second where Lua is not compiled

_MAX_ROLES, _MAX_ROLE_BYTES = 256, 256  # as in the sidecar's claims.py, like those of claims
_MAX_IDENTITY_BYTES = 32_768
_MAX_CLAIM_ELEMENTS, _MAX_CLAIM_BYTES = 256, 1024
_MAX_CLAIMS_BYTES = 16_384
_MAX_WORD_BYTES = 32
_INTEGER_BYTES = 17
_FORMATTED_BYTES = 54  # of an integer: binary digits and a sign

# Work is counted in parts of a step: of calling the body of a generator for one element.
_STEP = 256
_PATTERN_BYTE = 48
_SCANNED_BYTE = 16
_COPIED_BYTE = 1
_COMPARED_ELEMENT = 24
_COMPARED_BYTE = 1 / 32  # of a needle, at each place of the text

_SCANS = frozenset(
    {
        "lower",
        "upper",
        "strip",
        "lstrip",
        "rstrip",
        "replace",
        "split",
        "split_blanks",
        "find",
        "rfind",
        "count",
    }
    | {"isdigit", "isalpha", "isalnum", "isascii", "islower", "isupper", "isspace", "percent"}
)
_WIDTH = re.compile(r"(?s:.?[<>^])?([0-9]*)")
_NOT_LONGER = frozenset({"lower", "upper", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix"})


@dataclass(frozen=True, slots=True)
class Size:
    """At most `constant`, and so many more for each byte of variables, by their numbers."""

    constant: int
    each: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Size) -> Size:
        return Size(self.constant + other.constant, _merged(self, other, int.__add__))

    def times(self, factor: int) -> Size:
        return Size(self.constant * factor, {number: by * factor for number, by in self.each.items()})

    def or_(self, other: Size) -> Size:
        return Size(max(self.constant, other.constant), _merged(self, other, max))


_NOTHING = Size(0)


def _merged(one: Size, other: Size, by: Callable[[int, int], int]) -> dict[int, int]:
    return {
        number: by(one.each.get(number, 0), other.each.get(number, 0))
        for number in {**one.each, **other.each}
    }


@dataclass(frozen=True, slots=True)
class Elements:
    """Of a sequence: how many there are, their bytes together, and the bytes of one."""

    count: Size
    together: Size
    longest: Size

    def or_(self, other: Elements) -> Elements:
        return Elements(
            self.count.or_(other.count), self.together.or_(other.together), self.longest.or_(other.longest)
        )


class Costs:
    """Of one expression with all its parts."""

    def __init__(self, expression: Expression) -> None:
        self._lengths: dict[int, int] = {}  # of the variables, at most
        self._texts: dict[int, Size] = {}  # by identity of a node, like the sequences
        self._sequences: dict[int, Elements] = {}
        self.largest = 0  # of its texts and sequences, in bytes
        self.steps = self._most(self._work(expression)) // _STEP

    def _most(self, size: Size) -> int:
        return size.constant + sum(by * self._lengths[number] for number, by in size.each.items())

    def _product(self, one: Size, other: Size) -> Size:
        if one.each:
            return one.times(self._most(other))
        return other.times(one.constant)

    # --- sizes -------------------------------------------------------------------------------------

    def _length(self, text: Expression) -> Size:
        """Bytes of a STRING, or of an INTEGER as text."""
        if text.type is Type.INTEGER:
            return Size(_INTEGER_BYTES)
        size = self._texts.get(id(text))
        if size is None:
            size = self._texts[id(text)] = self._new_length(text)
            self.largest = max(self.largest, self._most(size) - _own_bytes(text))
        return size

    def _new_length(self, text: Expression) -> Size:
        match text:
            case Literal(value=str(value)):
                return Size(len(value.encode()))
            case Claim():
                return Size(_MAX_CLAIM_BYTES)
            case Field(name="request.method" | "request.scheme" | "request.http_version"):
                return Size(_MAX_WORD_BYTES)  # lighttpd refuses those that it does not know
            case Variable(number=number):
                return Size(0, {number: 1})
            case And(operands=parts) | Or(operands=parts):
                return _largest(map(self._length, parts))
            case Conditional(then=then, otherwise=otherwise):
                return self._length(then).or_(self._length(otherwise))
            case Concatenation(parts=parts):
                return _sum(map(self._length, parts))
            case Join(separator=separator, roles=roles):
                return self._joined(Size(len(separator.encode())), self._elements(roles))
            case Call(function=function, arguments=arguments):
                return self._length_of_call(function, arguments)
            case _:
                return Size(MAX_REQUEST_BYTES)

    def _length_of_call(self, function: str, arguments: tuple[Expression, ...]) -> Size:
        match function, arguments:
            case "replace", arguments:
                return self._replaced(*arguments)
            case "slice_text", (text, start, stop):
                return self._at_most(self._length(text), _places(start, stop))
            case "item_of_text", _:
                return Size(1)
            case "item_of_texts", (texts, _):
                return self._elements(texts).longest
            case "format_text", (text, Literal(value=str(spec))):
                return self._length(text).or_(Size(_width(spec)))
            case "format_integer", (_, Literal(value=str(spec))):
                return Size(max(_INTEGER_BYTES if not spec else _FORMATTED_BYTES, _width(spec)))
            case "join", (separator, texts):
                return self._joined(self._length(separator), self._elements(texts))
            case _, (text, *_) if function in _NOT_LONGER:
                return self._length(text)
        raise AssertionError(f"bug in luagen: nothing is known about how long `{function}` makes a text")

    def _replaced(self, text: Expression, old: Expression, new: Expression, limit: Expression) -> Size:
        source, steps = _escapes(text, old, new, limit)
        if steps:
            return self._length(source).times(_longest_escape(steps))
        length, added = self._length(text), self._length(new)
        sought = len(str(old.value).encode()) if isinstance(old, Literal) else 1
        if isinstance(new, Literal) and added.constant <= sought:
            return length
        grown = self._product(added, length)
        grown = Size(grown.constant // sought, grown.each)
        if isinstance(limit, Literal):
            grown = self._at_most(grown, int(limit.value) * self._most(added))
        return length + grown

    def _at_most(self, size: Size, bound: int) -> Size:
        return Size(bound) if bound < self._most(size) else size

    def _joined(self, separator: Size, elements: Elements) -> Size:
        return elements.together + self._product(elements.count, separator)

    def _elements(self, sequence: Expression) -> Elements:
        found = self._sequences.get(id(sequence))
        if found is None:
            found = self._sequences[id(sequence)] = self._new_elements(sequence)
            self.largest = max(self.largest, self._most(found.together))
        return found

    def _new_elements(self, sequence: Expression) -> Elements:
        match sequence:
            case StringSet(values=values):
                # Constants are the policy's, whatever their size.
                most = max((len(value.encode()) for value in values), default=0)
                return Elements(Size(len(values)), _NOTHING, Size(most))
            case Field(type=Type.ROLES):
                return Elements(Size(_MAX_ROLES), Size(_MAX_IDENTITY_BYTES), Size(_MAX_ROLE_BYTES))
            case Claim():
                return Elements(Size(_MAX_CLAIM_ELEMENTS), Size(_MAX_CLAIMS_BYTES), Size(_MAX_CLAIM_BYTES))
            case Items(key=key):
                request = Size(MAX_REQUEST_BYTES)
                return Elements(Size(MAX_REQUEST_BYTES // (len(key.encode()) + 1) + 1), request, request)
            case And(operands=parts) | Or(operands=parts):
                first, *others = map(self._elements, parts)
                for other in others:
                    first = first.or_(other)
                return first
            case Conditional(then=then, otherwise=otherwise):
                return self._elements(then).or_(self._elements(otherwise))
            case Comprehension(variable=variable, sequence=inner, element=element):
                elements = self._elements(inner)
                self._lengths[variable.number] = self._most(elements.longest)
                made = self._length(element)
                longest = Size(self._most(made))
                return Elements(elements.count, self._for_each(elements, variable, made), longest)
            case Call(function="slice_texts", arguments=(inner, start, stop)):
                elements, most = self._elements(inner), _places(start, stop)
                together = self._at_most(elements.together, most * self._most(elements.longest))
                return Elements(self._at_most(elements.count, most), together, elements.longest)
            case Call(function="split", arguments=(text, _, limit)):
                length = self._length(text)
                count = length + Size(1)
                if isinstance(limit, Literal):
                    count = self._at_most(count, int(limit.value) + 1)
                return Elements(count, length, length)
            case Call(function="split_blanks", arguments=(text,)):
                length = self._length(text)
                return Elements(length + Size(1), length, length)
        raise AssertionError(
            f"bug in luagen: nothing is known about how large {type(sequence).__name__} gets"
        )

    def _for_each(self, elements: Elements, variable: Variable, body: Size) -> Size:
        """What is so much for one element, for all of them."""
        of_element = body.each.get(variable.number, 0)
        others = {number: by for number, by in body.each.items() if number != variable.number}
        return self._product(elements.count, Size(body.constant, others)) + elements.together.times(
            of_element
        )

    # --- work --------------------------------------------------------------------------------------

    def _work(self, node: Expression) -> Size:
        # For `largest`: of all of them, also of those that nothing else depends on.
        if node.type is Type.STRING:
            self._length(node)
        elif node.type is Type.STRINGS:
            self._elements(node)
        match node:
            case Quantifier(variable=variable, sequence=sequence, body=body):
                return self._generator(variable, sequence, (body,))
            case Comprehension(variable=variable, sequence=sequence, condition=None, element=element):
                return self._generator(variable, sequence, (element,))
            case Comprehension(variable=variable, sequence=sequence, condition=condition, element=element):
                return self._generator(variable, sequence, (condition, element))  # type: ignore[arg-type]
        parts = operands(node)
        own = self._own(node) if parts else _NOTHING
        return own + _sum(map(self._work, parts))

    def _generator(self, variable: Variable, sequence: Expression, bodies: tuple[Expression, ...]) -> Size:
        elements = self._elements(sequence)
        self._lengths[variable.number] = self._most(elements.longest)
        body = _sum(map(self._work, bodies)) + Size(_STEP * len(bodies))
        if isinstance(sequence, StringSet):
            elements = Elements(elements.count, Size(sum(map(len, sequence.values))), elements.longest)
        return self._work(sequence) + self._for_each(elements, variable, body)

    def _own(self, node: Expression) -> Size:
        """Of a node without its parts."""
        match node:
            case Matches(text=text):
                return self._length(text).times(_PATTERN_BYTE)
            case ParsedInteger(text=text):
                return self._length(text).times(_SCANNED_BYTE)
            case Contains(item=item, container=container) if container.type is Type.STRING:
                return self._searched(container, item)
            case Contains(container=container) if container.type is Type.STRINGS:
                return self._elements(container).count.times(_COMPARED_ELEMENT)
            case Call(function="find" | "rfind", arguments=(text, needle)):
                return self._searched(text, needle)
            case Call(function=function, arguments=(text, *_)) if function in _SCANS:
                return self._length(text).times(_SCANNED_BYTE)
            case Call(function="slice_texts", arguments=(texts, *_)):
                return self._elements(texts).count.times(_COMPARED_ELEMENT)
            case _ if node.type is Type.STRING:
                return self._length(node).times(_COPIED_BYTE)
            case _:
                return Size(_STEP // 8)

    def _searched(self, text: Expression, needle: Expression) -> Size:
        scanned = self._length(text).times(_SCANNED_BYTE)
        compared = int(self._most(self._length(needle)) * self._most(self._length(text)) * _COMPARED_BYTE)
        return scanned + Size(0 if isinstance(needle, Literal) else compared)


def _sum(sizes: Iterable[Size]) -> Size:
    total = _NOTHING
    for size in sizes:
        total += size
    return total


def _largest(sizes: Iterable[Size]) -> Size:
    found = _NOTHING
    for size in sizes:
        found = found.or_(size)
    return found


def _places(start: Expression, stop: Expression) -> int:
    """How many places there are at most between the ends of a slice."""
    match start, stop:
        case Literal(value=int() as a), Literal(value=int() as b) if (a < 0) == (b < 0):
            return max(b - a, 0)
        case Literal(value=int() as a), Literal(value=int() as b) if a < 0 and b == TO_THE_END:
            return -a
        case _, Literal(value=int() as b) if b >= 0:
            return b
        case _:
            return TO_THE_END


def _width(spec: str) -> int:
    """Of a format specification for texts or integers."""
    found = _WIDTH.match(spec)
    return int(found[1] or 0) if found else 0


def _own_bytes(text: Expression) -> int:
    """The bytes of a text that are the policy's, written out once."""
    match text:
        case Literal(value=str(value)):
            return len(value.encode())
        case Concatenation(parts=parts):
            return sum(map(_own_bytes, parts))
        case _:
            return 0


def _escapes(
    text: Expression, old: Expression, new: Expression, limit: Expression
) -> tuple[Expression, list[tuple[bytes, bytes]]]:
    """A chain of replacements of single bytes by constants, as those that escape a text, the first one first,
    and what they are made in."""
    steps: list[tuple[bytes, bytes]] = []
    source = text
    while True:
        match old, new, limit:
            case Literal(value=str(before)), Literal(value=str(after)), Literal(value=number) if (
                len(before.encode()) == 1 and number == TO_THE_END
            ):
                steps.insert(0, (before.encode(), after.encode()))
                source = text
            case _:
                return source, steps
        match text:
            case Call(function="replace", arguments=(inner, old, new, limit)):
                text = inner
            case _:
                return source, steps


def _longest_escape(steps: list[tuple[bytes, bytes]]) -> int:
    """How long one byte becomes at most."""
    longest = 1
    for byte in {before for before, _ in steps}:
        made = byte
        for before, after in steps:
            made = made.replace(before, after)
            if len(made) > MAX_TEXT_BYTES:
                return len(made)
        longest = max(longest, len(made))
    return longest
