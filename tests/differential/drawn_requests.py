"""Requests that are likely to meet the conditions of drawn policies."""

from __future__ import annotations

from random import Random
from urllib.parse import quote

from luagen.reference.request import Caller, Request
from tests.differential.expressions import as_bytes
from tests.differential.pools import (
    ADDRESSES,
    COOKIES,
    COUNTRIES,
    HEADERS,
    HOSTS,
    KEYS,
    NUMBERS,
    ORIGIN_FIELDS,
    PATHS,
    RESERVED,
    ROLES,
    TEXTS,
    TIMES,
    VERSIONS,
)

_CLAIMS: dict[str, tuple[object, ...]] = {
    "plan": ("pro", "free", "a", "", "7", "ü", 5),
    "level": (0, 3, -7, 10**14, "3", True),
    "beta": (True, False, "true"),
    "groups": (["a", "b"], ["dev", "ü", "a"], [], ["b"], "a"),
    "org": ({"plan": "pro"}, {"plan": "", "beta": True}, {"beta": False}, {}, [1]),
}


def requests(random: Random, auths: tuple[str, ...]) -> Request:
    """A request, by chance alone: hypothesis would take longer for requests than for all else."""

    def some(values: tuple[str, ...], most: int) -> list[str]:
        return [random.choice(values) for _ in range(random.randint(0, most))]

    path = as_bytes(random.choice(RESERVED if random.random() < 0.05 else PATHS)).encode("latin-1")
    arguments = [(name, random.choice((*TEXTS, *NUMBERS, "l\nm"))) for name in some(KEYS, 3)]
    query = "&".join(f"{quote(name)}={quote(text)}" for name, text in arguments)
    fields = [(name, random.choice(TEXTS + NUMBERS)) for name in some((*HEADERS, "X_User", "x.up"), 3)]
    headers = {name: text for name, text in fields if text.strip() == text and text}
    pairs = [(name, random.choice(("a", "1=2", ""))) for name in some(COOKIES, 2)]
    if random.random() < 0.2:
        headers["Accept"] = "text/html,*/*;q=0.8"
    if random.random() < 0.3:
        headers["Origin"] = random.choice(
            (
                "https://app.example.org",
                "https://a.b.example.org",
                "http://localhost:3000",
                "https://evil.example",
            )
        )
        if random.random() < 0.5:
            headers["Access-Control-Request-Method"] = "PUT"
            headers["Access-Control-Request-Headers"] = random.choice(("x-a, x-b", "x;y"))
    if pairs:
        headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in pairs)
    variables = {
        "GEOIP_COUNTRY_CODE": random.choice(COUNTRIES),
        "SSL_PROTOCOL": random.choice(("TLSv1.3", "")),
        "SSL_CLIENT_VERIFY": random.choice(("SUCCESS", "NONE", "")),
    }
    return Request(
        path=path,
        raw_path=quote(path).encode(),
        method=random.choice((b"GET", b"POST", b"OPTIONS", b"HEAD")),
        authority=random.choice(HOSTS).encode(),
        scheme=random.choice((b"https", b"http")),
        port=random.choice((443, 80, 8443)),
        query=query.encode(),
        ip=random.choice(ADDRESSES).encode(),
        http_version=random.choice(VERSIONS).encode(),
        content_length=random.choice((0, 0, 5, -1, 2**31)),
        headers=tuple((name.encode(), text.encode()) for name, text in headers.items()),
        variables=tuple((name.encode(), text.encode()) for name, text in variables.items() if text),
        now=random.choice(TIMES),
        caller=_caller(random, auths) if auths and random.random() < 0.7 else None,
        origin_status=random.choice((200, 200, 404, 502)),
        origin_headers=(
            *((name.encode(), b"1") for name in random.sample(ORIGIN_FIELDS, random.randint(0, 8))),
            (b"Vary", random.choice((b"Accept", b"origin, accept", b"*"))),
        ),
    )


def _caller(random: Random, auths: tuple[str, ...]) -> Caller:
    claims = {name: random.choice(values) for name, values in _CLAIMS.items() if random.random() < 0.7}
    return Caller(
        provider=random.choice(auths).encode(),
        sub=random.choice(("alice", "a b", "ü", "admin")).encode(),
        email=random.choice((b"", b"alice@example.org")),
        roles=tuple(role.encode() for role in random.sample(ROLES, random.randint(0, 3))),
        claims=claims,
    )
