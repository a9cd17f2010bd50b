"""Asking the issuer about a token (RFC 7662), and remembering what it said: claims, never a verdict.

`forget` starts a new generation: what the issuer said in an earlier one is neither remembered nor served.

Answers about active tokens and about others are remembered apart, so that a flood of invented tokens cannot
push out those of real clients. Keys of the memory are keyed hashes: no token stays in it.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sidecar.clock import Clock
from sidecar.config import ClientAuthentication, Introspection
from sidecar.decide import Answer
from sidecar.discovery import Discovery
from sidecar.jose.keys import KeyRefused, algorithms_of
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.network import FetchFailed, Network
from sidecar.single_flight import SingleFlight

MAX_REMEMBERED = 10_000  # answers of each kind; about 1 KiB each
MAX_CALLS = 100  # at once to one issuer; further ones are queued, within their own time limit
MAX_QUEUED = 400  # calls to one issuer; a provider this far behind would not answer in time: 503 at once
ASSERTION_LIFETIME_S = 60  # of a private_key_jwt: enough for clocks that differ a little


class Overloaded(FetchFailed):
    """Too many calls to this issuer are under way."""


class ClientAuthenticator:
    """How the sidecar authenticates as a client (RFC 6749 section 2.3.1, OpenID Connect Core section 9)."""

    def __init__(
        self,
        *,
        method: ClientAuthentication,
        client_id: str,
        credential: bytes,
        issuer: str,
        clock: Clock,
        random_id: Callable[[], str],
    ) -> None:
        """Raises KeyRefused: the credential is not of the kind that `method` needs."""
        self._method = method
        self._client_id = client_id
        self._issuer = issuer
        self._clock = clock
        self._random_id = random_id
        if method == "private_key_jwt":
            self._private_key, self._algorithm = _signing_key(credential)
        else:
            try:
                self._secret = credential.decode("utf-8")
            except UnicodeDecodeError:
                raise KeyRefused("a client secret must be UTF-8") from None

    def authenticate(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Header fields and form members for one call."""
        match self._method:
            case "client_secret_basic":
                # RFC 6749 section 2.3.1: both are form-urlencoded before Basic joins them with a colon.
                pair = f"{quote_plus(self._client_id)}:{quote_plus(self._secret)}"
                return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}, {}
            case "client_secret_post":
                return {}, {"client_id": self._client_id, "client_secret": self._secret}
            case "private_key_jwt":
                return {}, {
                    "client_id": self._client_id,
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": self._assertion(),
                }

    def _assertion(self) -> str:
        now = int(self._clock.wall())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,  # the issuer, not an endpoint: another server's endpoint cannot replay it
            "iat": now,
            "exp": now + ASSERTION_LIFETIME_S,
            "jti": self._random_id(),
        }
        return jwt.encode(claims, self._private_key, algorithm=self._algorithm)


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _signing_key(pem: bytes) -> tuple[PrivateKey, str]:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("not an unencrypted private key in PEM") from None
    if not isinstance(key, PrivateKey):
        raise KeyRefused("not an RSA, EC or Ed25519 key")
    algorithms = algorithms_of(key.public_key())
    return key, "RS256" if "RS256" in algorithms else next(iter(algorithms))


class Introspector:
    """What one issuer says about tokens. `secret`: 32 random bytes of this process."""

    def __init__(
        self,
        *,
        name: str,
        settings: Introspection,
        authenticator: ClientAuthenticator,
        discovery: Discovery | None,
        network: Network,
        clock: Clock,
        secret: bytes,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._name = name
        self._settings = settings
        self._authenticator = authenticator
        self._discovery = discovery
        self._network = network
        self._clock = clock
        self._secret = secret
        self._log = log
        self._metrics = metrics
        self._active: OrderedDict[bytes, Answer] = OrderedDict()
        self._inactive: OrderedDict[bytes, Answer] = OrderedDict()
        self._flights: dict[tuple[int, bytes], SingleFlight[Answer]] = {}  # by generation and digest
        self._generation = 0  # counts `forget`: no answer is relied on in a later one than it was asked for
        self._calls = asyncio.Semaphore(MAX_CALLS)

    def remembered(self, token: bytes) -> Answer | None:
        """What the issuer said about `token`, while that may be relied on."""
        digest = self._digest(token)
        now = self._clock.wall()
        for memory in (self._active, self._inactive):
            answer = memory.get(digest)
            if answer is None:
                continue
            if now < answer.until:
                memory.move_to_end(digest)
                self._metrics.introspections.labels("remembered").inc()
                return answer
            del memory[digest]
        return None

    async def ask(self, token: bytes) -> Answer:
        """Asks the issuer, once for all who ask about the same token meanwhile.

        Raises FetchFailed; Overloaded at once when too many calls are under way.
        """
        digest = self._digest(token)
        while True:
            generation = self._generation
            answer = await self._flight(token, generation, digest).join()
            # A denial of before may stand; an identity of before `forget` is what had to be forgotten.
            if generation == self._generation or answer.claims["active"] is not True:
                return answer
            if (newer := self.remembered(token)) is not None:
                return newer

    def forget(self) -> None:
        """Forgets every answer, those under way included: who waits for one asks again."""
        self._generation += 1
        self._active.clear()
        self._inactive.clear()

    async def close(self) -> None:
        for flight in tuple(self._flights.values()):
            await flight.close()

    def _flight(self, token: bytes, generation: int, digest: bytes) -> SingleFlight[Answer]:
        flight = self._flights.get((generation, digest))
        if flight is None:
            if len(self._flights) >= MAX_CALLS + MAX_QUEUED:
                raise Overloaded("too many calls")
            flight = SingleFlight(lambda: self._ask(token, generation, digest))
            self._flights[generation, digest] = flight
        return flight

    async def _ask(self, token: bytes, generation: int, digest: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._calls:
                document = await self._call(token)
        except (FetchFailed, TimeoutError) as error:
            failure = error if isinstance(error, FetchFailed) else FetchFailed("no answer in time")
            self._metrics.introspections.labels("failed").inc()
            self._log(Event.INTROSPECTION_FAILED, issuer=self._name, why=str(failure))
            raise failure from None
        finally:
            del self._flights[generation, digest]
        active = document.get("active") is True  # RFC 7662 section 2.2: a JSON boolean, nothing like it
        self._metrics.introspections.labels("active" if active else "inactive").inc()
        now = self._clock.wall()
        until = now + (self._settings.cache_s if active else self._settings.negative_cache_s)
        exp = document.get("exp")
        if active and isinstance(exp, int | float):
            until = min(until, exp)
        answer = Answer(claims=document if active else {"active": False}, until=until)
        if now < until and generation == self._generation:
            memory = self._active if active else self._inactive
            memory[digest] = answer
            if len(memory) > MAX_REMEMBERED:
                memory.popitem(last=False)
        return answer

    async def _call(self, token: bytes) -> dict[str, Any]:
        endpoint = self._settings.endpoint
        if endpoint is None:
            if self._discovery is None:
                raise FetchFailed("no endpoint")
            endpoint = (await self._discovery.metadata()).introspection_endpoint
            if endpoint is None:
                raise FetchFailed("discovery: no `introspection_endpoint`")
        headers, members = self._authenticator.authenticate()
        form = {"token": token.decode("ascii"), "token_type_hint": "access_token", **members}
        fetched = await self._network.post(endpoint, form, headers, timeout_s=self._settings.timeout_s)
        return fetched.document

    def _digest(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, key=self._secret, digest_size=32).digest()
