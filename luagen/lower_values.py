"""Expressions to IR values: what every construct of the expression language means, constants folded.

A claim and a parsed integer may be absent. A smallest condition that reads an absent one is neither true nor
false (Kleene's logic), and a whole condition that is neither does not hold. IR knows only true and false, so
negation is pushed inward to the smallest conditions, and each gets the guard that what it reads is there.

Pure. A `ValueError` from here is a bug in luagen: a checked expression always lowers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from luagen import fold, ir, model, walk
from luagen.ir import Constant, Value
from luagen.lower_fields import IDENTITY_FIELDS, KINDS, MAPS, REQUEST_FIELDS, TLS_VARIABLES
from luagen.model import Comparison, Expression, Type

# What an absent value reads as where no condition is meant.
_EMPTY: dict[Type, Value] = {
    Type.STRING: Constant(b""),
    Type.INTEGER: Constant(0),
    Type.BOOLEAN: fold.FALSE,
    Type.STRINGS: ir.Strings(()),
}

_Partial = model.Claim | model.ParsedInteger


def lower_expression(node: Expression) -> Value:
    """The value of an expression of type STRING, INTEGER, ADDRESS, STRINGS or ROLES; of one of type BOOLEAN:
    whether it holds."""
    return _Lowering().value(node)


def text_of(part: Expression) -> Value:
    """The text of a part of a template."""
    return _Lowering().text(part)


class _Lowering:
    """`absent`: partial values to lower as if they were known to be absent."""

    def __init__(self, absent: frozenset[Expression] = frozenset()) -> None:
        self._absent = absent
        self._partial: dict[int, bool] = {}  # by identity of a node: whether it reads partial values

    def value(self, node: Expression) -> Value:
        if node.type is Type.BOOLEAN:
            return self._holds(node, negated=False)
        match node:
            case model.Literal(value=value):
                return Constant(to_bytes(value) if isinstance(value, str) else value)
            case model.StringSet(values=values):
                return ir.Strings(tuple(map(to_bytes, values)))
            case model.Field(name=name) if name in REQUEST_FIELDS:
                return ir.Read(REQUEST_FIELDS[name])
            case model.Field(name=name) if name in TLS_VARIABLES:
                return ir.Entry(ir.Source.VARIABLE, TLS_VARIABLES[name])
            case model.Field(name=name) if name in IDENTITY_FIELDS:
                return ir.Caller(IDENTITY_FIELDS[name])
            case model.Field(type=Type.ROLES):
                return ir.Caller(ir.Member.ROLE_LIST)
            case model.Item(map=map_, key=key):
                return ir.Entry(MAPS[map_.name], to_bytes(key))
            case model.Items(map=model.Field(name="request.args"), key=key):
                return ir.Arguments(to_bytes(key))
            case model.Claim() | model.ParsedInteger():
                return self._read(node)
            case model.And() | model.Or():
                return self._chain(node)
            case model.Join(separator=separator, roles=roles):
                return fold.apply("join", (Constant(to_bytes(separator)), self.value(roles)))
            case model.Concatenation(parts=parts):
                return fold.concat(map(self.text, parts))
            case model.Call(function=function, arguments=arguments):
                return fold.apply(function, tuple(map(self.value, arguments)))
            case model.Conditional(condition=condition, then=then, otherwise=otherwise):
                return fold.choice(self.value(condition), self.value(then), self.value(otherwise))
            case model.Variable(number=number):
                return ir.Variable(number)
            case model.Comprehension(variable=variable, sequence=sequence, element=element):
                return fold.collected(
                    ir.Variable(variable.number),
                    self.value(sequence),
                    self._condition(node),
                    self.value(element),
                )
            case model.Group(name=name):
                return ir.Group(to_bytes(name))
            case _:
                raise _bug(node)

    def text(self, part: Expression) -> Value:
        value = self.value(part)
        return fold.decimal(value) if part.type is Type.INTEGER else value

    def _condition(self, node: model.Comprehension) -> Value:
        return fold.TRUE if node.condition is None else self.value(node.condition)

    def _read(self, node: _Partial) -> Value:
        if node in self._absent:
            return _EMPTY[node.type]
        match node:
            case model.Claim(pointer=pointer, type=type_):
                return ir.Claim(to_bytes(pointer), KINDS[type_])
            case model.ParsedInteger(text=text):
                return fold.parsed_integer(self.value(text))
        assert_never(node)

    # --- conditions --------------------------------------------------------------------------------

    def _holds(self, node: Expression, *, negated: bool) -> Value:
        """Whether a condition is true; with `negated`: whether it is false."""
        match node:
            case model.Not(operand=operand):
                return self._holds(operand, negated=not negated)
            case model.Truth(operand=operand) if operand.type is Type.BOOLEAN:
                return self._holds(operand, negated=negated)
        if not self._is_partial(node):
            value = self._condition_value(node)
            return fold.not_(value) if negated else value
        match node:
            case model.And(operands=operands) | model.Or(operands=operands):
                held = [self._holds(operand, negated=negated) for operand in operands]
                return fold.all_(held) if isinstance(node, model.And) != negated else fold.any_(held)
            case model.Quantifier(every=every, variable=variable, sequence=sequence, body=body):
                held_body = self._holds(body, negated=negated)
                return fold.all_(
                    (
                        self._guard(sequence, frozenset()),
                        fold.quantifier(
                            every != negated, ir.Variable(variable.number), self.value(sequence), held_body
                        ),
                    )
                )
            case model.Conditional():
                raise _bug(node)
            case _:
                return self._guarded(node, negated=negated)

    def _guarded(self, node: Expression, *, negated: bool) -> Value:
        """A smallest condition, true only when all that it reads is there."""
        value = self._condition_value(node)
        # What cannot hold with an absent value needs no guard against it.
        harmless = frozenset(
            partial
            for partial in dict.fromkeys(_partials(node))
            if not _Lowering(self._absent | {partial})._may_hold(node, negated=negated)
        )
        guards = [self._guard(part, harmless) for part in _parts_of_condition(node)]
        return fold.all_((*dict.fromkeys(guards), fold.not_(value) if negated else value))

    def _may_hold(self, node: Expression, *, negated: bool) -> bool:
        return self._condition_value(node) != Constant(negated)

    def _condition_value(self, node: Expression) -> Value:
        match node:
            case model.Literal(value=value):
                return Constant(bool(value))
            case model.Claim():
                return self._read(node)
            case model.And(operands=operands):
                return fold.all_(map(self.value, operands))
            case model.Or(operands=operands):
                return fold.any_(map(self.value, operands))
            case model.Truth(operand=operand):
                return self._truth(operand)
            case model.Compare(operator=operator, left=left, right=right):
                return self._compare(operator, left, right)
            case model.Contains(item=item, container=container):
                return self._contains(item, self._chosen(container))
            case model.Affix():
                return self._affix(node)
            case model.Call(function=function, arguments=arguments):
                return fold.apply(function, tuple(map(self.value, arguments)))
            case model.Matches(split=split, text=text):
                return fold.matches(split, self.value(text))
            case model.Quantifier(every=every, variable=variable, sequence=sequence, body=body):
                return fold.quantifier(
                    every, ir.Variable(variable.number), self.value(sequence), self.value(body)
                )
            case model.Conditional(condition=condition, then=then, otherwise=otherwise):
                return fold.choose(self.value(condition), self.value(then), self.value(otherwise))
            case _:
                raise _bug(node)

    # --- what may be absent ------------------------------------------------------------------------

    def _is_partial(self, node: Expression) -> bool:
        known = self._partial.get(id(node))
        if known is None:
            known = isinstance(node, _Partial) or any(map(self._is_partial, walk.operands(node)))
            self._partial[id(node)] = known
        return known

    def _guard(self, node: Expression, harmless: frozenset[Expression]) -> Value:
        """Whether all partial values in a value are there, but those that are harmless.

        All are read, whatever else holds: `partials.check` has refused them where that depends.
        """
        if not self._is_partial(node):
            return fold.TRUE
        match node:
            case model.Claim(pointer=pointer, type=type_):
                return fold.TRUE if node in harmless else ir.HasClaim(to_bytes(pointer), KINDS[type_])
            case model.ParsedInteger(text=text):
                is_integer = fold.TRUE if node in harmless else fold.is_integer(self.value(text))
                return fold.all_((self._guard(text, harmless), is_integer))
            case model.Comprehension(sequence=sequence) if not any(
                map(self._is_partial, walk.operands(node)[1:])
            ):
                return self._guard(sequence, harmless)
            case model.And() | model.Or() | model.Conditional() | model.Comprehension():
                raise _bug(node)
            case _ if node.type is Type.BOOLEAN:
                raise _bug(node)
            case _:
                return fold.all_(self._guard(part, harmless) for part in walk.operands(node))

    # --- truth, comparison, membership -------------------------------------------------------------

    def _chain(self, node: model.And | model.Or) -> Value:
        is_and = isinstance(node, model.And)
        match node.type:
            case Type.STRING | Type.INTEGER:
                empty: bytes | int = b"" if node.type is Type.STRING else 0
                values = map(self.value, node.operands)
                return fold.last_if_all(values, empty) if is_and else fold.first_non_empty(values, empty)
            case Type.STRINGS:
                *tests, chosen = map(self.value, node.operands)
                for test in reversed(tests):
                    some = fold.any_of_sequence(test)
                    chosen = fold.choice(some, chosen, test) if is_and else fold.choice(some, test, chosen)
                return chosen
            case _:
                one = self._chosen(node)
                if isinstance(one, model.And | model.Or):
                    raise _bug(node)
                return self.value(one)

    def _chosen(self, node: Expression) -> Expression:
        """The operand that `and` or `or` yields when its operands' truth is known without a request.

        Sets have a fixed truth, an address is always true, and the caller's roles are only ever themselves.
        """
        if not isinstance(node, model.And | model.Or) or node.type not in _FIXED_TRUTH:
            return node
        *tests, last = map(self._chosen, node.operands)
        for test in tests:
            if test == last:
                continue
            truth = self._truth(test)
            if not isinstance(truth, Constant):
                raise _bug(node)
            if bool(truth.value) != isinstance(node, model.And):
                return test
        return last

    def _truth(self, operand: Expression) -> Value:
        match self._chosen(operand), operand.type:
            case _, Type.BOOLEAN:
                return self.value(operand)
            case _, Type.STRING:
                return fold.truth(self.value(operand), b"")
            case _, Type.INTEGER:
                return fold.truth(self.value(operand), 0)
            case _, Type.ADDRESS:
                return fold.TRUE  # as Python's address objects
            case _, Type.ROLES | Type.STRINGS:
                return fold.any_of_sequence(self.value(operand))
            case _, Type.IDENTITY:
                return ir.Caller(ir.Member.PRESENT)
            case model.StringSet(values=values), _:
                return Constant(bool(values))
            case model.NetworkSet(values=networks), _:
                return Constant(bool(networks))
            case _:
                raise _bug(operand)

    def _compare(self, operator: Comparison, left: Expression, right: Expression) -> Value:
        match operator:
            case Comparison.EQ | Comparison.NE:
                negated = operator is Comparison.NE
                if Type.NETWORK_SET in (left.type, right.type) or Type.ADDRESS in (left.type, right.type):
                    same = self._same_address(self._chosen(left), self._chosen(right))
                    return fold.not_(same) if negated else same
                return fold.equal(self.value(left), self.value(right), negated=negated)
            case Comparison.LT | Comparison.LE | Comparison.GT | Comparison.GE:
                return fold.order(operator, self.value(left), self.value(right))
        assert_never(operator)

    def _same_address(self, left: Expression, right: Expression) -> Value:
        match left, right:
            case model.NetworkSet(values=a), model.NetworkSet(values=b):
                return Constant(a == b)
            case model.NetworkSet(values=networks), address:
                return fold.in_networks(self.value(address), networks)
            case address, model.NetworkSet(values=networks):
                return fold.in_networks(self.value(address), networks)
            case _:
                return fold.equal(self.value(left), self.value(right))

    def _contains(self, item: Expression, container: Expression) -> Value:
        match container, item:
            case model.StringSet(values=values), _:
                return fold.in_strings(self.value(item), tuple(map(to_bytes, values)))
            case model.NetworkSet(values=networks), _:
                return fold.in_networks(self.value(self._chosen(item)), networks)
            case model.Field(name=name, type=Type.STRING_MAP), model.Literal(value=str() as key):
                return ir.HasEntry(MAPS[name], to_bytes(key))
            case _ if container.type in (Type.STRINGS, Type.ROLES):
                return fold.in_sequence(self.value(item), self.value(container))
            case _ if container.type is Type.STRING:
                return fold.has_substring(self.value(container), self.value(item))
            case _:
                raise _bug(container)

    def _affix(self, node: model.Affix) -> Value:
        subject = self.value(node.receiver)
        affixes = list(map(self.value, node.affixes))
        fixed = [affix.value for affix in affixes if isinstance(affix, Constant)]
        constants = [value for value in fixed if isinstance(value, bytes)]
        fits_constant = (
            fold.has_any_suffix(subject, constants)
            if node.at_end
            else fold.has_any_prefix(subject, constants)
        )
        fits = fold.has_suffix if node.at_end else fold.has_prefix
        others = [fits(subject, affix) for affix in affixes if not isinstance(affix, Constant)]
        return fold.any_((fits_constant, *others))


# Types of values whose truth is known without a request, or that are only ever themselves.
_FIXED_TRUTH = (Type.ADDRESS, Type.STRING_SET, Type.NETWORK_SET, Type.ROLES, Type.STRING_MAP, Type.IDENTITY)


def _parts_of_condition(node: Expression) -> tuple[Expression, ...]:
    """What a smallest condition is about; a claim is about itself."""
    return (node,) if isinstance(node, model.Claim) else walk.operands(node)


def _partials(node: Expression) -> Iterator[_Partial]:
    return (part for part in walk.nodes(node) if isinstance(part, _Partial))


def to_bytes(text: str) -> bytes:
    # A TOML string has no lone surrogates, so every text of a policy has a UTF-8 form.
    return text.encode()


def _bug(node: Expression) -> ValueError:
    kind = type(node).__name__
    return ValueError(f"bug in luagen: no meaning for {kind} of type `{node.type}` at {node.span}")
