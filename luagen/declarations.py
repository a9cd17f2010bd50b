"""What expressions can use by name: the tables `[env]`, `[lists]` and `[names]`."""

from __future__ import annotations

from pathlib import Path

from luagen import expression, list_files
from luagen.bounds import MAX_INTEGER
from luagen.diagnostics import MAX_REPORTED, Bag, Code, quoted
from luagen.document import Array, Boolean, Entry, Integer, Table, Text, kind
from luagen.list_files import ListEntries
from luagen.model import Network
from luagen.names import is_variable
from luagen.networks import NetworkError, looks_like_network, network
from luagen.schema import TABLES
from luagen.scope import DeclaredList, NamedExpression, Scope, is_expression_name
from luagen.table_reader import TableReader
from luagen.texts import literal_text


def declare(read: TableReader, directory: Path, scope: Scope) -> None:
    """Puts the constants, lists and names of the policy into the scope; mistakes are reported."""
    bag = read.bag
    for entry in _entries(read, "env"):
        scope.env[entry.key] = _constant(entry, bag)
    for entry in _entries(read, "lists"):
        scope.lists[entry.key] = _list(entry, directory, bag)
    named = _entries(read, "names")
    scope.later = {entry.key for entry in named}
    for entry in named:
        _declare_name(entry, scope, bag)
        scope.later.discard(entry.key)


def _entries(read: TableReader, key: str) -> list[Entry]:
    table = read.inner(key)
    return [] if table is None else list(table.entries.values())


def _constant(entry: Entry, bag: Bag) -> str | int | bool | None:
    """A constant of [env], or None when mistakes were reported."""
    if not is_variable(entry.key):
        message = f"{quoted(entry.key)} cannot be the name of a constant"
        help_text = "it has letters, digits and `_`, and does not begin with a digit"
        bag.error(Code.INVALID_NAME, message, entry.span, help=help_text)
        return None
    match entry.value:
        case Text(value=value, span=span):
            return value if literal_text(value, span, bag) is not None else None
        case Boolean(value=truth):
            return truth
        case Integer(value=number) if abs(number) <= MAX_INTEGER:
            return number
        case Integer(span=span):
            bag.error(
                Code.INVALID_LITERAL, "the number is too large", span, help=f"the largest is {MAX_INTEGER}"
            )
        case other:
            message = f"{quoted(entry.key)} takes a string, an integer or a boolean, not {kind(other)}"
            is_list = isinstance(other, Array)
            instead = "several strings are a list: declare it in `[lists]`" if is_list else None
            bag.error(Code.WRONG_TYPE, message, other.span, help=instead)
    return None


def _list(entry: Entry, directory: Path, bag: Bag) -> DeclaredList | None:
    """An entry of [lists], or None when mistakes were reported."""
    if not _is_good_name(entry, "the name of a list", bag):
        return None
    name = quoted(entry.key)
    match entry.value:
        case Table() as table:
            path = TableReader(table, TABLES["list"], f"the list {name}", bag).text("file")
            entries = None if path is None else list_files.read(path, directory, bag)
        case Array(values=values):
            texts = [value for value in values if isinstance(value, Text)]
            for value in values:
                if not isinstance(value, Text):
                    message = f"the list {name} takes strings, not {kind(value)}"
                    bag.error(Code.WRONG_TYPE, message, value.span)
            entries = list_files.of_array(texts) if len(texts) == len(values) else None
        case other:
            message = f"the list {name} takes an array of strings, not {kind(other)}"
            instead = 'entries in a file: `{ file = "office.txt" }`' if isinstance(other, Text) else None
            bag.error(Code.WRONG_TYPE, message, other.span, help=instead)
            return None
    return None if entries is None else _list_of(entry, entries, bag)


def _list_of(entry: Entry, entries: ListEntries, bag: Bag) -> DeclaredList | None:
    """The list when its entries are all networks, or all other strings: what most of them are was meant."""
    count = sum(map(looks_like_network, entries.values))
    if count and 2 * count >= len(entries.values):
        networks = _networks(entries, bag)
        if networks is None:
            return None
        return DeclaredList(name=entry.key, span=entry.span, file=entries.file, networks=networks)
    for index, value in enumerate(entries.values):
        if looks_like_network(value):
            _refuse_mixed(index, entries, bag, is_network=True)
            return None
        if literal_text(value, entry.span, Bag()) is None:
            literal_text(value, entries.place(index), bag)  # reports it
            return None
    return DeclaredList(
        name=entry.key, span=entry.span, file=entries.file, strings=tuple(dict.fromkeys(entries.values))
    )


def _networks(entries: ListEntries, bag: Bag) -> tuple[Network, ...] | None:
    networks: dict[Network, None] = {}
    wrong = 0
    for index, value in enumerate(entries.values):
        try:
            networks[network(value)] = None
        except NetworkError as error:
            if not looks_like_network(value):
                _refuse_mixed(index, entries, bag, is_network=False)
                return None
            message = f"{quoted(value)}: {error.message}"
            bag.error(Code.INVALID_NETWORK, message, entries.place(index), help=error.help)
            wrong += 1
            if wrong >= MAX_REPORTED:
                return None
    return None if wrong else tuple(networks)


def _refuse_mixed(index: int, entries: ListEntries, bag: Bag, *, is_network: bool) -> None:
    what = "an address or network" if is_network else "no address or network"
    bag.error(
        Code.INVALID_VALUE,
        f"{quoted(entries.values[index])} is {what}, unlike other entries of the list",
        entries.place(index),
        help="a list has networks for `request.ip`, or other strings: write two lists",
    )


def _declare_name(entry: Entry, scope: Scope, bag: Bag) -> None:
    good = _is_good_name(entry, "a name", bag)
    if entry.key in scope.lists:
        message = f"{quoted(entry.key)} is the name of a list already"
        bag.error(Code.DUPLICATE_NAME, message, entry.span)
        return
    if isinstance(entry.value, Text):
        named = expression.named(entry.key, entry.span, entry.value, scope, bag)
    else:
        message = f"the name {quoted(entry.key)} takes an expression, not {kind(entry.value)}"
        bag.error(Code.WRONG_TYPE, message, entry.value.span, help="an expression is written as a string")
        named = NamedExpression(name=entry.key, span=entry.span, expression=None, is_condition=False)
    if good:
        scope.names[entry.key] = named


def _is_good_name(entry: Entry, what: str, bag: Bag) -> bool:
    if is_expression_name(entry.key):
        return True
    bag.error(
        Code.INVALID_NAME,
        f"{quoted(entry.key)} cannot be {what}",
        entry.span,
        help="it has letters, digits and `_`, and is no word of Python or of the vocabulary",
    )
    return False
