"""What all parts of the expression checker share: where they are, what names mean, and the way to operands.

`expression.py` has the whole; `fields`, `subscripts`, `comparison`, `arithmetic`, `methods`, `functions`,
`sequences` and `f_strings` each check one kind of syntax and come back here for the parts of it. All of them
return None when mistakes were reported; nothing is reported about an expression whose operands have some.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Self

from luagen.claims import settled
from luagen.diagnostics import Bag, Code
from luagen.model import Expression, Type, Variable
from luagen.scope import Scope
from luagen.source import Span
from luagen.syntax import Region
from luagen.vocabulary import with_article


class Place(Enum):
    """Which expression of a policy is checked."""

    WHEN = auto()
    NAME = auto()  # an entry of [names]
    ACTION = auto()  # another expression or a template of a rule


@dataclass(slots=True)
class Counts:
    """Of one expression, also across the f-strings in it."""

    nodes: int = 0  # of what its names stand for
    variables: int = 0  # so far: the number of the next


@dataclass(frozen=True, kw_only=True)
class Checker(ABC):
    region: Region
    scope: Scope
    bag: Bag
    place: Place
    variables: Mapping[str, Variable] = field(default_factory=dict)  # bound by generators around this
    counts: Counts = field(default_factory=Counts)

    @abstractmethod
    def value(self, node: ast.expr) -> Expression | None:
        """`node` with the type that it has: CLAIM when nothing in it says more."""

    @abstractmethod
    def condition(self, node: ast.expr) -> Expression | None:
        """`node` where a boolean is meant: only its truth matters."""

    def of_type(self, node: ast.expr, type: Type, message: str, help: str | None = None) -> Expression | None:
        """`node` where this type is meant. `message` begins the refusal of others: "`x` takes a string"."""
        found = self.value(node)
        if found is None:
            return None
        found = settled(found, type)
        if found.type is not type:
            self.error(Code.TYPE_MISMATCH, f"{message}, not {with_article(found.type)}", node, help=help)
            return None
        return found

    def within(self, region: Region) -> Self:
        """For an expression in an f-string of this one."""
        return replace(self, region=region)

    def binding(self, variable: Variable) -> Self:
        """For what a generator's variable can be read in."""
        return replace(self, variables={**self.variables, variable.name: variable})

    def span(self, node: ast.expr) -> Span:
        return self.region.span(node)

    def error(
        self,
        code: Code,
        message: str,
        place: ast.expr | Span,
        *,
        label: str | None = None,
        help: str | None = None,
    ) -> None:
        span = self.region.span(place) if isinstance(place, ast.expr) else place
        self.bag.error(code, message, span, label=label, help=help)
