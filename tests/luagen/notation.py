"""Typed expressions in a short notation, for tables of tests."""

from __future__ import annotations

from luagen import model
from luagen.builtins import TO_THE_END
from luagen.model import Expression, Type


def short(node: Expression) -> str:
    match node:
        case model.Literal(value=value):
            return "END" if value == TO_THE_END else repr(value)
        case model.StringSet(values=strings, name=name):
            return f"{name or ''}{{{', '.join(map(repr, strings))}}}"
        case model.NetworkSet(values=networks, name=name):
            return f"{name or ''}{{{', '.join(map(str, networks))}}}"
        case model.Field(name=field):
            return field
        case model.Item(map=map_field, key=key):
            return f"{map_field.name}[{key!r}]"
        case model.Items(map=map_field, key=key):
            return f"all({map_field.name}[{key!r}])"
        case model.Claim(pointer=pointer, type=found):
            return f"claim:{_word(found)}({pointer})"
        case model.ParsedInteger(text=text):
            return f"int({short(text)})"
        case model.Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(short, arguments))})"
        case model.Conditional(condition=condition, then=then, otherwise=otherwise, type=found):
            return f"if:{_word(found)}({short(condition)}; {short(then)}; {short(otherwise)})"
        case model.Variable(name=variable, number=number):
            return f"{variable}#{number}"
        case model.Quantifier(every=every, variable=bound, sequence=sequence, body=body):
            return f"{'every' if every else 'some'}({short(bound)} of {short(sequence)}: {short(body)})"
        case model.Comprehension(variable=bound, sequence=sequence, condition=limit, element=element):
            suffix = "" if limit is None else f" if {short(limit)}"
            return f"[{short(element)} for {short(bound)} of {short(sequence)}{suffix}]"
        case model.Matches(pattern=pattern, groups=groups, text=text):
            return f"matches({pattern!r}{''.join(f' <{group}>' for group in groups)}; {short(text)})"
        case model.Group(name=name):
            return f"match[{name!r}]"
        case model.Truth(operand=operand):
            return f"bool({short(operand)})"
        case model.Not(operand=operand):
            return f"not({short(operand)})"
        case model.And(operands=operands, type=found):
            return f"and:{found}({', '.join(map(short, operands))})"
        case model.Or(operands=operands, type=found):
            return f"or:{found}({', '.join(map(short, operands))})"
        case model.Compare(left=left, operator=operator, right=right):
            return f"({short(left)} {operator} {short(right)})"
        case model.Contains(item=item, container=container):
            return f"({short(item)} in {short(container)})"
        case model.Affix(receiver=receiver, affixes=affixes, at_end=at_end):
            return f"{'ends' if at_end else 'starts'}({short(receiver)}; {', '.join(map(short, affixes))})"
        case model.Join(separator=separator, roles=roles):
            return f"join({separator!r}; {short(roles)})"
        case model.Concatenation(parts=parts):
            return f"text({', '.join(map(short, parts))})"


def _word(found: Type) -> str:
    return {Type.STRINGS: "strings"}.get(found, found.value)
