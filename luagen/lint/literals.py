"""The constants that conditions compare a field of the request with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from luagen.model import Affix, Compare, Comparison, Contains, Expression, Field, Literal, StringSet
from luagen.source import Span
from luagen.walk import nodes


class How(Enum):
    WHOLE = auto()
    BEGINNING = auto()
    END = auto()
    PART = auto()


@dataclass(frozen=True, slots=True)
class Compared:
    """`text` is compared with the field `field`; `span`: of the constant, or of the list that it is in."""

    field: str
    text: str
    how: How
    span: Span


_COMPARING = frozenset({Compare, Contains, Affix})


def compared(condition: Expression, *fields: str) -> Iterator[Compared]:
    """What a condition compares these fields with, in its order."""
    for node in nodes(condition):
        if type(node) not in _COMPARING:
            continue
        match node:
            case Compare(operator=Comparison.EQ | Comparison.NE, left=left, right=right):
                for subject, text in ((left, right), (right, left)):
                    yield from _texts(subject, (text,), How.WHOLE, fields)
            case Contains(item=Field(name=name), container=StringSet(values=values, span=span)):
                if name in fields:
                    yield from (Compared(name, value, How.WHOLE, span) for value in values)
            case Contains(item=text, container=Field() as subject):
                yield from _texts(subject, (text,), How.PART, fields)
            case Affix(receiver=receiver, affixes=affixes, at_end=at_end):
                yield from _texts(receiver, affixes, How.END if at_end else How.BEGINNING, fields)


def _texts(
    subject: Expression, texts: tuple[Expression, ...], how: How, fields: tuple[str, ...]
) -> Iterator[Compared]:
    if isinstance(subject, Field) and subject.name in fields:
        for text in texts:
            if isinstance(text, Literal) and isinstance(text.value, str):
                yield Compared(subject.name, text.value, how, text.span)
