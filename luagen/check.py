"""A policy file to `model.Policy`, or to everything that is wrong with it. Reads files; prints nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath

from luagen import check_auth, document, expression, lint, text_file
from luagen.check_rules import RuleChecker, rule_values
from luagen.diagnostics import Bag, Code, Diagnostic, quoted
from luagen.document import Array, Entry, Table, Text, kind
from luagen.model import Default, Network, Policy, Rule
from luagen.networks import NetworkError, looks_like_network, network
from luagen.schema import TABLES
from luagen.scope import DeclaredList, NamedExpression, Scope, is_expression_name
from luagen.source import Source, Span
from luagen.table_reader import TableReader
from luagen.texts import literal_text

Result = tuple[Policy | None, tuple[Diagnostic, ...]]


def check_file(path: Path) -> Result:
    """Checks the policy in a file. Never raises on what a user can write: that becomes a diagnostic.

    The policy is None exactly when there is an error among the diagnostics.
    """
    bag = Bag()
    file = text_file.read(path, bag)
    if file is None:
        return None, bag.sorted()
    return _check(file.source, path.parent, hashlib.sha256(file.content).hexdigest())


def check_text(text: str, name: str, directory: Path) -> Result:
    """Checks a policy given as text. `name` is shown in diagnostics; files are looked up in `directory`."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        bag = Bag()
        place = Span(Source(name, text), error.start, error.start + 1)
        bag.error(Code.INVALID_ENCODING, "a surrogate has no UTF-8", place)
        return None, bag.sorted()
    return _check(Source(name, text), directory, hashlib.sha256(content).hexdigest())


def _check(source: Source, directory: Path, sha256: str) -> Result:
    bag = Bag()
    if source.text.startswith("\ufeff"):
        help_text = "save the file as UTF-8 without a byte order mark"
        bag.error(
            Code.INVALID_ENCODING,
            "the file begins with a byte order mark",
            Span(source, 0, 1),
            help=help_text,
        )
        return None, bag.sorted()
    root = document.parse(source, bag)
    if root is None:
        return None, bag.sorted()
    policy = _policy(root, source, directory, sha256, bag)
    return (None if bag.has_errors else policy), bag.sorted()


def _policy(root: Table, source: Source, directory: Path, sha256: str, bag: Bag) -> Policy | None:
    read = TableReader(root, TABLES["the policy"], "a policy", bag)
    default = read.word("default", Default)
    scope = Scope()
    for entry in _entries(read, "lists"):
        _declare_list(entry, scope, bag)
    named = _entries(read, "names")
    scope.later = {entry.key for entry in named}
    for entry in named:
        _declare_name(entry, scope, bag)
        scope.later.discard(entry.key)
    auth_table = read.inner("auth")
    auths = () if auth_table is None else check_auth.check(auth_table, directory, bag)
    auth_names = () if auth_table is None else tuple(auth_table.entries)
    checker = RuleChecker(scope, auth_names, bag)
    rule_entry = read.entry("rule")
    values = [] if rule_entry is None else rule_values(rule_entry.value, bag)
    checked = [checker.check(value) for value in values]
    rules: tuple[Rule, ...] = tuple(rule for rule in checked if rule is not None)
    if default is None or bag.has_errors:
        return None
    policy = Policy(file=PurePath(source.name).name, sha256=sha256, default=default, auths=auths, rules=rules)
    lint.lint(policy, scope, bag)
    return policy


def _entries(read: TableReader, key: str) -> list[Entry]:
    table = read.inner(key)
    return [] if table is None else list(table.entries.values())


def _declare_list(entry: Entry, scope: Scope, bag: Bag) -> None:
    scope.lists[entry.key] = None
    if not _is_good_name(entry, "the name of a list", bag):
        return
    if not isinstance(entry.value, Array):
        message = f"the list {quoted(entry.key)} takes an array of strings, not {kind(entry.value)}"
        bag.error(Code.WRONG_TYPE, message, entry.value.span)
        return
    texts: list[Text] = []
    for value in entry.value.values:
        if isinstance(value, Text):
            texts.append(value)
        else:
            message = f"the list {quoted(entry.key)} takes strings, not {kind(value)}"
            bag.error(Code.WRONG_TYPE, message, value.span)
    if len(texts) == len(entry.value.values):
        scope.lists[entry.key] = _list_of(entry, texts, bag)


def _list_of(entry: Entry, texts: list[Text], bag: Bag) -> DeclaredList | None:
    """The list when its entries are all networks, or all other strings."""
    kinds = [looks_like_network(text.value) for text in texts]
    for text, is_network in zip(texts, kinds, strict=True):
        if is_network is not kinds[0]:
            what = "an address or network" if is_network else "no address or network"
            bag.error(
                Code.INVALID_VALUE,
                f"{quoted(text.value)} is {what}, unlike the first entry of the list",
                text.span,
                help="a list has networks for `request.ip`, or other strings: write two lists",
            )
            return None
    if not kinds or not kinds[0]:
        strings = [literal_text(text.value, text.span, bag) for text in texts]
        values = tuple(dict.fromkeys(str(literal.value) for literal in strings if literal is not None))
        return DeclaredList(name=entry.key, span=entry.span, strings=values) if None not in strings else None
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(network(text.value))
        except NetworkError as error:
            message = f"{quoted(text.value)}: {error.message}"
            bag.error(Code.INVALID_NETWORK, message, text.span, help=error.help)
    if len(networks) < len(texts):
        return None
    return DeclaredList(name=entry.key, span=entry.span, networks=tuple(dict.fromkeys(networks)))


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
