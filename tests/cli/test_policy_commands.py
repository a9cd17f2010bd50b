"""`lightgate explain`, `test`, `diff` and `schema`."""

from __future__ import annotations

import base64
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from luagen import decide
from luagen.cli import lightgate
from luagen.failure import Failure
from luagen.lua.server import Answer, Server
from luagen.reference.decision import Decision, Outcome
from luagen.reference.request import Request
from tests.system.processes import REPOSITORY

POLICY = """\
default = "pass"

[auth.corp]
issuer = "https://corp.example.org"
audience = "shop"

[[rule]]
name = "no dotfiles"
when = '"/." in request.path or request.path == "/x"'
respond = { status = 404 }

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }

[[rule]]
name = "who"
when = 'identity'
set_request_headers = { X-User = "{identity.sub}" }
"""
TESTS = """
[[test]]
name = "nobody is asked to sign in"
request = { url = "/members/" }
expect = { passes = false, status = 401, rule = "members" }

[[test]]
name = "alice goes on"
request = { url = "https://shop.example.org/members/?a=1", identity = { sub = "alice" } }
expect.passes = true
expect.status = 200
expect.rule = "members"
expect.path = "/members/"
expect.query = "a=1"
expect.request_headers = { x-user = "alice" }
"""
WRONG = """
[[test]]
name = "wrong"
request = { url = "/.git" }
expect = { status = 200, headers = { Content-Type = "text/html" } }
"""


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "lightgate.toml") -> None:
    Path(name).write_text(text)


def invoke(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(lightgate, arguments, catch_exceptions=False, **options)


def token(**claims: object) -> str:
    payload = {
        "iss": "https://corp.example.org",
        "aud": "shop",
        "sub": "alice",
        "exp": 2_000_000_000,
        **claims,
    }
    segments = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({}, payload)
    ]
    return ".".join([*segments, "x"])


# --- explain -----------------------------------------------------------------------------------------


def test_explain_shows_every_rule_and_what_it_saw() -> None:
    write(POLICY)
    result = invoke("explain", "GET", "/members/x?a=1", "--identity", "-", input='{"sub": "alice"}')
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "GET https://localhost/members/x?a=1",
        "from 192.0.2.1, alice (corp)",
        "",
        "no no dotfiles lightgate.toml:7",
        'no "/." in request.path or request.path == "/x"',
        'no "/." in request.path',
        'request.path = "/members/x"',
        'no request.path == "/x"',
        'request.path = "/members/x"',
        "yes members lightgate.toml:12",
        'yes request.path.startswith("/members/")',
        'request.path = "/members/x"',
        "permit the request",
        "yes who lightgate.toml:17",
        "yes identity",
        "identity = alice",
        "set request header X-User: alice",
        "",
        'passes by "members"',
        "the application is asked for /members/x?a=1",
        "header x-user: alice",
        "the client gets 200",
    ]


def test_explain_for_programs() -> None:
    write(POLICY)
    report = json.loads(invoke("explain", "GET", "/.git", "--json", "--now", "2026-01-01T00:00:00Z").stdout)
    [rule] = report["rules"]
    assert (rule["name"], rule["held"], rule["ended"]) == ("no dotfiles", True, True)
    assert [part["values"] for part in rule["condition"]["parts"]] == [[True], []]
    assert (report["decision"]["status"], report["decision"]["rule"]) == (404, "no dotfiles")


def test_a_token_is_taken_as_if_it_were_valid() -> None:
    write(POLICY)
    Path("token").write_text(token(exp=1) + "\n")
    result = invoke("explain", "GET", "/members/", "--token", "@token", "--now", "1000")
    assert 'passes by "members"' in result.stdout
    assert result.stderr.splitlines() == [
        "note: the token's signature was not verified: its claims are taken as if it were valid",
        "note: the token expired 999 s before: lighttpd would answer 401",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--identity", "-", "--token", "x"], "--identity and --token exclude each other"),
        (["--token", "x"], "the token is no JWT"),
        (["--token", token(iss="https://other")], "no [auth] table for the token's issuer `https://other`"),
        (["--identity", "-"], 'for --identity: an identity is a JSON object with a `sub`, such as {"sub": '),
        (["-H", "nonsense"], "for --header: `nonsense` is no header field, such as `Accept: text/html`"),
        (["-H", "a b: c"], "for --header: `a b: c` is no header field"),
        (["--ip", "1.2.3"], "for --ip: `1.2.3` is not an IP address, such as `192.0.2.7` or `2001:db8::7`"),
        (["--ip", "fe80::1%eth0"], "for --ip: `fe80::1%eth0` is not an IP address"),
        (["--now", "2026-01-01T00:00:00"], "for --now: `2026-01-01T00:00:00` has no offset"),
        (
            ["--now", "yesterday"],
            "for --now: `yesterday` is no point in time since 1970, such as `2026-12-24",
        ),
        (["--now", "1" * 12], "is no point in time"),
        (["--now", "1969-12-31T00:00:00Z"], "is no point in time"),
    ],
)
def test_explain_refuses(arguments: list[str], message: str) -> None:
    write(POLICY)
    result = invoke("explain", "GET", "/", *arguments, input="{}")
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (b'{"sub": "a",}', "line 1, column 13 is not JSON"),
        (b"\xff", "the file is not UTF-8"),
        (b'{"sub": "a", "roles": 3}', "`roles` is a string or an array of strings"),
        (b'{"sub": "a", "claims": []}', "`claims` is an object"),
        (b'{"sub": "a", "provider": "x"}', "`provider` is none of the policy's [auth] tables: corp"),
    ],
)
def test_explain_refuses_identities(identity: bytes, message: str) -> None:
    write(POLICY)
    Path("who.json").write_bytes(identity)
    result = invoke("explain", "GET", "/", "--identity", "who.json")
    assert result.exit_code == 2
    assert f"Invalid value for --identity: {message}" in result.stderr


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("shop.example.org/x", "`shop.example.org/x`: this is not a URL, such as `https://shop"),
        ("http://shop.example.org:91010/", "a port is at most 65535"),
        ("https:///x", "this is not a URL"),
    ],
)
def test_explain_refuses_urls(url: str, message: str) -> None:
    write(POLICY)
    result = invoke("explain", "GET", url)
    assert result.exit_code == 2
    assert "Invalid value for URL: " in result.stderr
    assert message in result.stderr


def test_explain_shows_what_percent_has_computed() -> None:
    rule = "[[rule]]\nname = 'half'\nwhen = 'percent(request.path) < 50'\nset_env = { A = '' }\n"
    write(f"default = 'pass'\n{rule}")
    lines = [line.strip() for line in invoke("explain", "GET", "/abc").stdout.splitlines()]
    assert "percent(request.path) = 16" in lines
    report = json.loads(invoke("explain", "GET", "/abc", "--json").stdout)
    assert report["rules"][0]["condition"]["reads"] == {
        "percent(request.path)": ["16"],
        "request.path": ['"/abc"'],
    }


@pytest.mark.parametrize(
    ("address", "client"),
    [("192.0.2.9", "192.0.2.9"), ("::ffff:192.0.2.9", "192.0.2.9"), ("2001:db8::7", "2001:db8::/64")],
)
def test_whose_requests_are_counted(address: str, client: str) -> None:
    rule = '[[rule]]\nname = "slow"\nlimit = { rate = "5/minute" }\n'
    write(f"default = 'pass'\n{rule}")
    result = invoke("explain", "GET", "/", "--ip", address)
    assert f"count (4 left) for {client}\n" in result.stdout


def test_explain_says_what_changes_nothing() -> None:
    write(POLICY)
    result = invoke("explain", "GET", "/", "--country", "DE")
    assert result.stderr == "note: the policy has no [country] table: --country changes nothing\n"


def test_a_disagreement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_server: Server, _request: Request) -> Answer:
        return Answer(
            Decision(outcome=Outcome.PASS, rule="default", status=200, response_headers=(), body=None), 0
        )

    write(POLICY)
    monkeypatch.setattr(decide.Server, "decide", wrong)
    with pytest.raises(Failure, match="the reference and the emitted scripts do not agree on outcome"):
        invoke("explain", "GET", "/.git")


def test_a_token_in_a_field_is_nobodys() -> None:
    write(POLICY)
    with pytest.raises(
        Failure, match="the request has a bearer token, which is not verified here"
    ) as failure:
        invoke("explain", "GET", "/members/", "-H", "authorization: bearer x")
    assert "`--identity` or `--token`" in str(failure.value.help)
    assert invoke("explain", "GET", "/", "-H", "Authorization: Basic eDp5").exit_code == 0


def test_explain_knows_what_no_rule_sees() -> None:
    write(POLICY + '[site."www.example.org"]\n')
    lines = invoke("explain", "GET", "/.lightgate/x").stdout.splitlines()
    assert lines == [
        "GET https://localhost/.lightgate/x",
        "from 192.0.2.1, nobody is known",
        "no rule is asked: what lies below `/.lightgate` is lightgate's own",
        "",
        "refused by lightgate itself",
        "the client gets 404",
        "  cache-control: no-store",
        "  content-type: application/json",
        '  "{"status":404,"error_description":"there is nothing here"}\\n"',
    ]
    local = invoke("explain", "GET", "/.lightgate/status", "--ip", "127.0.0.1").stdout
    assert "answered by lightgate itself\nthe client gets 200\n" in local
    assert "the client gets 204\n" in invoke("explain", "GET", "/.lightgate/health", "--ip", "::1").stdout


def test_explain_shows_what_a_refusal_says() -> None:
    write(POLICY)
    report = json.loads(invoke("explain", "GET", "/members/", "--json").stdout)["decision"]
    assert report["response_headers"] == [
        ["cache-control", "no-store"],
        ["content-type", "application/json"],
        ["www-authenticate", 'Bearer realm="corp"'],
    ]
    assert json.loads(report["body"]) == {"status": 401, "error_description": "a bearer token is required"}
    lines = invoke("explain", "HEAD", "/members/").stdout.splitlines()
    assert '  www-authenticate: Bearer realm="corp"' in lines
    assert not any("a bearer token is required" in line for line in lines)


MISTAKE = "default = 'pass'\n[[rule]]\nname = 'a'\nrespond = { status = 99 }\n"


@pytest.mark.parametrize(
    "command", [["explain", "GET", "/"], ["test"], ["diff", "lightgate.toml", "lightgate.toml"]]
)
def test_programs_are_told_of_mistakes(command: list[str]) -> None:
    write(MISTAKE)
    if command[0] == "explain":
        command = [*command, "-p", "lightgate.toml"]
    for_people = invoke(*command)
    assert (for_people.exit_code, for_people.stdout) == (1, "")
    assert "error[invalid-value]" in for_people.stderr
    result = invoke(*command, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert {(one["code"], one["severity"], one["file"], one["line"]) for one in report["diagnostics"]} == {
        ("invalid-value", "error", "lightgate.toml", 4)
    }


def test_both_policies_of_a_difference_are_told_of() -> None:
    write(MISTAKE, "a.toml")
    report = json.loads(invoke("diff", "a.toml", "b.toml", "--json").stdout)
    assert [one["code"] for one in report["diagnostics"]] == ["invalid-value", "unreadable-file"]


# --- test --------------------------------------------------------------------------------------------


def test_tests_that_pass() -> None:
    write(POLICY + TESTS)
    result = invoke("test")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        result.stdout
        == "lightgate.toml: 2 tests, all passed, 5 of 10 outcomes of rules and their parts seen\n"
    )


def test_a_test_that_fails_shows_what_was_expected() -> None:
    write(POLICY + TESTS + WRONG)
    result = invoke("test", "-k", "wrong")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:9] == [
        f"lightgate.toml:{len((POLICY + TESTS).splitlines()) + 2}: wrong",
        "  status",
        "    - 200  expected",
        "    + 404  got",
        "  headers.Content-Type",
        "    - text/html  expected",
        "    + text/plain; charset=utf-8  got",
        '  decided by "no dotfiles": respond',
        "",
    ]


def expecting(url: str, expect: str, more: str = "") -> str:
    request = f'{{ url = "{url}"{more} }}'
    return f'\n[[test]]\nname = "t"\nrequest = {request}\nexpect = {{ {expect} }}\n'


CHALLENGE = "'Bearer realm=\"corp\"'"


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        (expecting("/members/", f"headers = {{ WWW-Authenticate = {CHALLENGE} }}"), True),
        (expecting("/members/", 'headers = { WWW-Authenticate = "" }'), False),
        (expecting("/members/", 'headers = { Cache-Control = "no-store" }'), True),
        (expecting("/members/", 'headers = { Content-Type = "application/json" }'), True),
        (expecting("/members/", 'headers = { Content-Type = "" }'), False),
        (expecting("/members/", 'body = "401 Unauthorized\\n"'), False),
        (
            expecting(
                "/members/",
                'body = "{\\"status\\":401,\\"error_description\\":\\"a bearer token is required\\"}\\n"',
            ),
            True,
        ),
        (expecting("/.git", 'body = "404 Not Found\\n"'), True),
        (expecting("/.git", 'body = ""'), False),
        (expecting("/.git", 'body = ""', ', method = "HEAD"'), True),
        (expecting("/.git", 'body = "404 Not Found\\n"', ', method = "HEAD"'), False),
        (expecting("/", 'body = ""'), False),  # the application's is not known
        (expecting("/.lightgate/x", 'status = 404, rule = "lightgate"'), True),
        (expecting("/.lightgate/status", 'status = 404, rule = "lightgate"', ', ip = "127.0.0.1"'), False),
        (expecting("/.lightgate/health", "status = 204, passes = false", ', ip = "127.0.0.1"'), True),
    ],
)
def test_what_lightgate_says_itself_can_be_expected(test: str, passes: bool) -> None:
    write(POLICY + test)
    result = invoke("test")
    assert (result.exit_code == 0, result.stderr) == (passes, "")


def test_the_content_of_an_application_is_not_known() -> None:
    write(POLICY + expecting("/", 'body = ""'))
    assert invoke("test").stdout.splitlines()[1:4] == [
        "  body",
        "    - ''  expected",
        "    + the application's, which is not known here  got",
    ]


def test_coverage_lists_what_was_not_tried() -> None:
    write(POLICY + TESTS)
    lines = invoke("test", "--coverage").stdout.splitlines()
    assert 'lightgate.toml:7: rule "no dotfiles" was never true' in lines
    assert 'lightgate.toml:9: `"/." in request.path` of rule "no dotfiles" was never true' in lines
    assert not any("members" in line and "never true" in line for line in lines)


def test_test_for_programs() -> None:
    write(POLICY + TESTS + WRONG)
    result = invoke("test", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (1, False)
    assert [test["passed"] for test in report["tests"]] == [True, True, False]


def test_no_test_is_no_success() -> None:
    write(POLICY)
    assert invoke("test").exit_code == 1


def test_build_refuses_a_policy_that_fails_its_tests() -> None:
    write(POLICY + WRONG)
    with pytest.raises(Failure, match='the policy fails its own test "wrong"'):
        invoke("build", "lightgate.toml")
    assert not Path("build").exists()
    assert invoke("check", "lightgate.toml").exit_code == 0


# --- diff --------------------------------------------------------------------------------------------


def test_no_difference_is_silent_about_spelling() -> None:
    write(POLICY, "a.toml")
    write(POLICY.replace('"/." in request.path or', '("/."   in request.path)  or'), "b.toml")
    result = invoke("diff", "a.toml", "b.toml", "--exit-code")
    assert (result.exit_code, result.stdout) == (0, "no differences\n")


def with_rule(rule: str, lists: str = '[lists]\noffice = ["192.0.2.0/24"]\nwords = ["a", "b"]') -> str:
    """A policy with one rule, given without its header and name."""
    auths = "".join(
        f'[auth.{name}]\nissuer = "https://{name}.example.org"\naudience = "shop"\n'
        for name in ("corp", "two")
    )
    return f'default = "pass"\n{auths}{lists}\n[[rule]]\nname = "r"\n{rule}\n'


def differing(before: str, after: str) -> list[str]:
    write(before, "a.toml")
    write(after, "b.toml")
    result = invoke("diff", "a.toml", "b.toml", "--exit-code")
    lines = result.stdout.splitlines()
    assert result.exit_code == (lines != ["no differences"])
    return lines


GONE = "\nrespond = { status = 410 }"
NINE = ", ".join(f'"/{number}"' for number in range(9))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"""when = 'request.method in ("GET", "HEAD")'{GONE}""",
            f"""when = 'request.method in ("HEAD", "GET")'{GONE}""",
        ),
        (
            f"""when = 'not not request.path == "/a"'{GONE}""",
            f"""when = '"/a" == request.path'{GONE}""",
        ),
        (
            f"""when = 'request.path.startswith(("/a", "/b"))'{GONE}""",
            f"""when = 'request.path.startswith(("/b", "/a"))'{GONE}""",
        ),
        (
            f"""when = 'any(x == "a" for x in identity.roles)'{GONE}""",
            f"""when = 'any(role == "a" for role in identity.roles)'{GONE}""",
        ),
        (
            f"""when = 'request.ip in ("192.0.2.1", "192.0.2.2")'{GONE}""",
            f"""when = 'request.ip in ("192.0.2.2", "192.0.2.1")'{GONE}""",
        ),
        (
            """set_env = { A = '{"x" + request.path}' }""",
            """set_env = { A = "x{request.path}" }""",
        ),
        (f"when = 'True'{GONE}", GONE),
        ("require = { auth = 'corp' }", "require = { auth = ['corp'] }"),
    ],
)
def test_another_spelling_is_no_difference(before: str, after: str) -> None:
    assert differing(with_rule(before), with_rule(after)) == ["no differences"]


@pytest.mark.parametrize(
    ("before", "after", "details"),
    [
        (
            f"when = 'request.path in ({NINE}, \"/x\")'{GONE}",
            f"when = 'request.path in ({NINE}, \"/y\")'{GONE}",
            [": '/x'", ": '/y'"],
        ),
        (
            f"when = 'any(x == request.path for x in ({NINE}))'{GONE}",
            f"when = 'all(x == request.path for x in ({NINE}))'{GONE}",
            [],
        ),
        (
            f'set_env = {{ A = \'{{",".join([x for x in ({NINE}, "/x", "/y")])}}\' }}',
            f'set_env = {{ A = \'{{",".join([x for x in ({NINE}, "/y", "/x")])}}\' }}',
            ["", ", in another order"],
        ),
        (
            'respond = { status = 410, headers = { status = "a" } }',
            'respond = { status = 411, headers = { status = "a" } }',
            ["respond.status  410", "respond.status  411"],
        ),
        ("require = { auth = 'corp' }", "require = { auth = ['corp', 'two'] }", []),
    ],
)
def test_what_means_something_else_is_a_difference(before: str, after: str, details: list[str]) -> None:
    first, *lines = differing(with_rule(before), with_rule(after))
    assert first == '~ rule "r"  changed'
    assert len(lines) == 2
    for line, detail in zip(lines, details, strict=False):
        assert line.endswith(detail)


def test_what_is_in_a_list_is_a_difference_of_the_list() -> None:
    rule = f"when = 'request.ip in office'{GONE}"
    changed = with_rule(rule, '[lists]\noffice = ["192.0.2.0/25"]')
    assert differing(with_rule(rule), changed) == [
        '~ list "office"  changed',
        "    - 192.0.2.0/24  listed",
        "    + 192.0.2.0/25  listed",
    ]


def test_the_order_of_a_list_counts_where_it_says_something() -> None:
    other = '[lists]\nwords = ["b", "a"]'
    member = f"when = 'request.path in words'{GONE}"
    assert differing(with_rule(member), with_rule(member, other)) == ["no differences"]
    joined = """set_env = { A = '{",".join([x for x in words])}' }"""
    assert differing(with_rule(joined), with_rule(joined, other)) == [
        '~ list "words"  changed',
        "    - a  at 1",
        "    + a  at 2",
        "    - b  at 2",
        "    + b  at 1",
    ]


def test_a_name_is_no_difference() -> None:
    named = """[names]\nadmin = 'any(x == "admin" for x in identity.roles)'\n"""
    first = """any(y in ("a", "b") for y in request.path.split("/")[:9])"""
    whole, short = f"""{first} and any(x == "admin" for x in identity.roles)""", f"{first} and admin"
    before, after = (with_rule(f"when = '{text}'{GONE}") for text in (whole, short))
    assert differing(before, after.replace("[lists]", named + "[lists]")) == ["no differences"]


def test_fields_that_clients_lose_are_a_difference() -> None:
    """A condition that always holds, but tells that the field is about the caller."""
    rule = 'set_request_headers = { User-Agent = "x" }'
    told = f"when = 'identity or True'\n{rule}"
    assert differing(with_rule(rule), with_rule(told)) == [
        "~ the policy  changed",
        "    - fields taken from clients  none",
        "    + fields taken from clients  user-agent",
    ]


BODIES = """
default = "pass"
[origin.one]
url = "http://127.0.0.1:3001"
[origin.two]
url = "http://127.0.0.1:3002"
[[rule]]
name = "moved"
redirects = { entries = { "/a" = "/b", "/c" = "/d" } }
[[rule]]
name = "sorry"
fallback = { on = [404], status = 404, body = "gone" }
[[rule]]
name = "app"
origin = "one"
[[rule]]
name = "closed"
respond = { status = 503, body = "closed" }
"""


def test_a_comment_makes_no_difference() -> None:
    Path("a.toml").write_text(BODIES)
    Path("b.toml").write_text("# what is new is a comment\n" + BODIES)
    result = invoke("diff", "a.toml", "b.toml", "--exit-code")
    assert (result.exit_code, result.stdout) == (0, "no differences\n")


def test_what_differs_inside_actions() -> None:
    Path("a.toml").write_text(BODIES)
    changed = (
        BODIES.replace('"/d"', '"/e"').replace("gone", "not here").replace('origin = "one"', 'origin = "two"')
    )
    Path("b.toml").write_text(changed)
    assert invoke("diff", "a.toml", "b.toml").stdout.splitlines() == [
        '~ rule "moved"  changed',
        "    - redirects./c  302 /d",
        "    + redirects./c  302 /e",
        '~ rule "sorry"  changed',
        "    - fallback.answer.body  'gone'",
        "    + fallback.answer.body  'not here'",
        '~ rule "app"  changed',
        "    - origin.name  one",
        "    + origin.name  two",
    ]


def test_what_differs() -> None:
    changed = (
        POLICY.replace('default = "pass"', 'default = "deny"')
        .replace('audience = "shop"', 'audience = "shop"\nleeway = 5')
        .replace("status = 404", "status = 410")
        .replace("name = \"who\"\nwhen = 'identity'", 'name = "whom"')
    )
    write(POLICY + TESTS, "a.toml")
    write(changed + TESTS.replace("expect.passes = true\n", ""), "b.toml")
    assert invoke("diff", "a.toml", "b.toml").exit_code == 0
    result = invoke("diff", "a.toml", "b.toml", "--exit-code")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "~ the policy  changed",
        "    - default  pass",
        "    + default  deny",
        '~ auth "corp"  changed',
        "    - leeway_s  30",
        "    + leeway_s  5",
        '- rule "who"  removed',
        "    - when  identity",
        "    - set_request_headers.X-User  {identity.sub}",
        '~ rule "no dotfiles"  changed',
        "    - respond.status  404",
        "    + respond.status  410",
        '+ rule "whom"  added',
        "    + set_request_headers.X-User  {identity.sub}",
    ]


def test_moved_rules_and_other_decisions() -> None:
    head, first, second, third = POLICY.split("[[rule]]\n")
    write(POLICY + TESTS, "a.toml")
    write("[[rule]]\n".join([head, second, third, first.replace('"/x"', '"/members/"')]) + TESTS, "b.toml")
    report = json.loads(invoke("diff", "a.toml", "b.toml", "--json").stdout)
    [moved] = report["differences"]
    assert (moved["kind"], moved["part"]) == ("moved", 'rule "no dotfiles"')
    [other] = report["decisions"]
    assert other["test"] == "alice goes on"
    assert (other["before"]["status"], other["after"]["status"]) == (200, 404)


# --- schema ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    document = json.loads(CliRunner().invoke(lightgate, ["schema"]).stdout)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


@pytest.mark.parametrize(
    "path",
    sorted([*REPOSITORY.glob("examples/*/*.toml"), *REPOSITORY.glob("tests/cases/*.case")]),
    ids=lambda path: path.name,
)
def test_policies_fit_the_schema(path: Path, schema: jsonschema.Draft202012Validator) -> None:
    text = path.read_text().partition("\n=== request\n")[0]
    assert [error.message for error in schema.iter_errors(tomllib.loads(text))] == []


def test_tests_fit_the_schema(schema: jsonschema.Draft202012Validator) -> None:
    assert list(schema.iter_errors(tomllib.loads(POLICY + TESTS + WRONG))) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'default' is a required property"),
        ('default = "allow"', "'allow' is not one of ['pass', 'deny']"),
        ('default = "pass"\nrules = []', "Additional properties are not allowed ('rules' was unexpected)"),
        ('default = "pass"\n[[rule]]\nname = 5\nset_env = { A = "b" }', "5 is not of type 'string'"),
        ('default = "pass"\n[auth.x]\nissuer = "https://a"', "'audience' is a required property"),
        (
            'default = "pass"\n[auth.x]\nissuer = "https://a"\naudience = "b"\nleeway = 301',
            "301 is greater than the maximum of 300",
        ),
        (
            'default = "pass"\n[[rule]]\nname = "a"\nrespond = { status = 600 }',
            "600 is greater than the maximum of 599",
        ),
    ],
)
def test_mistakes_do_not_fit_the_schema(
    text: str, message: str, schema: jsonschema.Draft202012Validator
) -> None:
    errors = list(schema.iter_errors(tomllib.loads(text)))
    assert message in [inner.message for error in errors for inner in (error, *(error.context or ()))]


def test_a_rule_has_one_action(schema: jsonschema.Draft202012Validator) -> None:
    for action in ("", "\nset_env = { A = 'b' }\nlog = 'x'"):
        text = f'default = "pass"\n[[rule]]\nname = "a"{action}'
        assert not schema.is_valid(tomllib.loads(text))


# --- docs/testing.md ---------------------------------------------------------------------------------

DOCUMENT = (REPOSITORY / "docs" / "testing.md").read_text()
QUICKSTART = REPOSITORY / "examples" / "quickstart"


def test_the_documented_tests_pass() -> None:
    [tests] = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    shutil.copytree(QUICKSTART, Path(), dirs_exist_ok=True)
    write(Path("lightgate.toml").read_text() + tests)
    result = invoke("test")
    assert (result.exit_code, "tests, all passed" in result.stdout) == (0, True)


def test_the_documented_explanation_is_part_of_the_real_one() -> None:
    shutil.copytree(QUICKSTART, Path(), dirs_exist_ok=True)
    [block] = re.findall(r"```console\n\$ lightgate (explain.*?)```", DOCUMENT, re.DOTALL)
    command, *shown = block.splitlines()
    lines = iter(_without_places(invoke(*command.split()).stdout.splitlines()))
    assert [line for line in _without_places(shown) if line not in lines] == []


def _without_places(lines: list[str]) -> list[str]:
    return [re.sub(r" +lightgate\.toml:\d+$", "", line) for line in lines]
