"""How large a client can make texts, and how slow expressions, is bounded when a policy is checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luagen import costs
from luagen.check import check_text
from luagen.model import Policy
from luagen.reference.evaluate import Evaluator
from luagen.reference.request import Request

_AUTH = '[auth.corp]\nissuer = "https://id.example.org"\naudience = "x"\n'


def _checked(rule: str) -> tuple[Policy | None, list[str]]:
    text = f'default = "pass"\n{_AUTH}[[rule]]\nname = "a"\n{rule}\n'
    policy, diagnostics = check_text(text, "policy.toml", Path())
    return policy, [found.message for found in diagnostics if "auth" not in found.message]


def _refusals(rule: str) -> list[str]:
    return [message for message in _checked(rule)[1] if "for one request" in message]


@pytest.mark.parametrize(
    "condition",
    [
        'any(x in request.path for x in ("/a/", "/b/"))',
        'any(part.startswith(".") for part in request.path.split("/"))',
        'all(matches(r"^[a-z]+$", part) for part in request.path.split("/"))',
        'any(any(y == "admin" for y in x.split("=")) for x in request.query.split("&"))',
        'any(x in identity.claims["groups"] for x in request.args.getall("group"))',
        'any(x in identity.roles for x in request.args.getall("role"))',
        'any(bot in request.headers["user-agent"].lower() for bot in ("curl", "wget", "python", "bot"))',
        '"/".join([x for x in request.path.split("/") if x and x != "."]) == "a/b"',
        'any(any(a == b for b in request.args.getall("b")[:50]) for a in request.args.getall("a")[:50])',
    ],
)
def test_what_people_write_is_possible(condition: str) -> None:
    assert not _refusals(f"when = '''{condition}'''\nrespond = {{ status = 403 }}")


@pytest.mark.parametrize(
    "condition",
    [
        'any(any(a == b for b in request.args.getall("b")) for a in request.args.getall("a"))',
        'any(any(a == b for b in request.path.split("/")[:2000]) for a in request.query.split("&")[:2000])',
        # the body goes through a whole text each time
        'any(matches(r"a.c.e", f"{w}{request.query}") for w in request.args.getall("a"))',
        'any(request.query.lower() == w for w in request.args.getall("a"))',
        'any(w in request.query for w in request.path.split("/"))',
        'any(w in request.query.split("&") for w in request.path.split("/"))',
        'len([x for x in request.path.split("/") if request.path.find(x) > 1]) > 3',
        # a text that grows with each part
        'len([f"{request.path}{x}" for x in request.path.split("/")]) > 3',
        'request.path.join(request.query.split("&")) == "x"',
        'request.path.replace("a", request.query) == "x"',
        f'"x" in request.path.replace("/", "{"/" * 99}").replace("/", "{"a" * 99}")',
        f'"x" in request.path.replace("/", "{"/b" * 99}", 9000)',
        f'"x" in request.path.replace("ab", "{"a" * 300}").replace("aa", "{"b" * 9}")',
    ],
)
def test_what_a_client_could_make_slow_or_large_is_refused(condition: str) -> None:
    assert _refusals(f"when = '''{condition}'''\nrespond = {{ status = 403 }}")


def test_names_do_not_hide_it() -> None:
    text = """default = "pass"
[names]
a = 'f"{request.path}{request.path}{request.path}{request.path}{request.path}{request.path}"'
b = 'f"{a}{a}{a}{a}{a}{a}"'
[[rule]]
name = "x"
set_env = { X = "{b}" }
"""
    policy, diagnostics = check_text(text, "policy.toml", Path())
    assert policy is None
    assert "for one request a text could get" in diagnostics[0].message


@pytest.mark.parametrize(
    "template",
    [
        # each byte is escaped once
        """{request.path.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#39;")}""",
        "{request.method} {request.host} {request.path} {request.query} {request.headers['user-agent']}",
        "{request.path.replace(' ', '%20')}" + "x" * 300_000,  # a policy's own text is as long as it is
        "{request.path[:20].replace('/', request.host[:100])}",
        "{request.path.replace('/', '', 1).replace('//', '/')}",
    ],
)
def test_templates_that_are_possible(template: str) -> None:
    assert not _refusals(f'set_env = {{ A = """{template}""" }}')


_TEXTS = st.sampled_from(
    [
        "request.path",
        "request.query[:3]",
        'request.path.replace("a", "bcd")',
        'request.path.replace("a", "bb").replace("b", "ccc")',
        'request.path.replace("ab", "ccccc").replace("c", "dd", 3)',
        'request.path.replace("/", request.query, 2)',
        '"--".join(request.path.split("/"))',
        'request.query.join(request.path.split("/")[-2:])',
        '"/".join([f"{x}{x}:" for x in request.path.split("/")])',
        '"/".join(["-".join([f"{y}{x}" for y in x[:9].split("a")]) for x in request.path.split("/")[:5]])',
        'f"{request.path:*^30}{request.port:07}"',
        'f"{request.path:0<9}{request.path:.2}{-len(request.path):b}{len(request.path):,}"',
        '"".join([str(len(x)) for x in request.path.split("/")])',
        'request.path.split("/")[1]',
        'request.path if request.port == 1 else request.query.replace("b", "ccc")',
    ]
)
_SENT = st.text("ab/", max_size=12)


@given(_TEXTS, _SENT, _SENT)
def test_no_text_is_longer_than_was_computed(text: str, path: str, query: str) -> None:
    policy, messages = _checked(f"set_env = {{ A = '''{{{text}}}''' }}")
    assert policy is not None, messages
    (value,) = policy.rules[-1].action.expressions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MAX_REQUEST_BYTES", max(len(path), len(query)))
        bound = costs.Costs(value).largest
    request = Request(path=path.encode(), query=query.encode())
    assert len(Evaluator(request, {}).text(value)) <= bound
