"""A policy file to `model.Policy`, or to everything that is wrong with it. Reads files; prints nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath

from luagen import (
    check_auth,
    check_origins,
    check_sites,
    check_tests,
    declarations,
    document,
    lint,
    text_file,
)
from luagen.actions import ActionContext
from luagen.check_rules import RuleChecker
from luagen.diagnostics import Bag, Code, Diagnostic
from luagen.document import Table
from luagen.model import Default, Policy
from luagen.schema import TABLES
from luagen.scope import Scope
from luagen.source import Source, Span
from luagen.table_reader import TableReader

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
    root = document.parse(source, bag)
    if root is None:
        return None, bag.sorted()
    policy = _policy(root, source, directory, sha256, bag)
    return (None if bag.has_errors else policy), bag.sorted()


def _policy(root: Table, source: Source, directory: Path, sha256: str, bag: Bag) -> Policy | None:
    read = TableReader(root, TABLES["the policy"], "a policy", bag)
    default = read.word("default", Default)
    scope = Scope(has_country=read.entry("country") is not None)
    declarations.declare(read, directory, scope)
    auth_table = read.inner("auth")
    auths = () if auth_table is None else check_auth.check(auth_table, directory, bag)
    auth_names = () if auth_table is None else tuple(auth_table.entries)
    origin_table, country_table = read.inner("origin"), read.inner("country")
    origins = () if origin_table is None else check_origins.check(origin_table, bag)
    country = None if country_table is None else check_origins.check_country(country_table, scope, bag)
    context = ActionContext(
        scope=scope,
        bag=bag,
        auth_names=auth_names,
        origin_names=() if origin_table is None else tuple(origin_table.entries),
        directory=directory,
    )
    checker = RuleChecker(context)
    rules = checker.rules(read.entry("rule"))
    site_table = read.inner("site")
    sites = () if site_table is None else check_sites.check(site_table, checker, default or Default.DENY, bag)
    tester = check_tests.PolicyTestChecker(checker.names, context.origin_names, auth_names, bag)
    checked = [tester.check(value) for value in check_tests.values(read.entry("test"), bag)]
    if default is None or bag.has_errors:
        return None
    policy = Policy(
        file=PurePath(source.name).name,
        sha256=sha256,
        default=default,
        auths=auths,
        rules=rules,
        sites=sites,
        origins=origins,
        country=country,
        tests=tuple(test for test in checked if test is not None),
    )
    lint.lint(policy, scope, bag)
    return policy
