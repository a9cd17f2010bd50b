"""One signature against one key set, through PyJWT's algorithm objects. Does no I/O."""

from __future__ import annotations

from collections.abc import Collection

from jwt.algorithms import Algorithm, get_default_algorithms

from sidecar.jose.compact import CompactJws
from sidecar.jose.keys import HMAC_MIN_BYTES, PUBLIC_KEY_ALGORITHMS, KeySet
from sidecar.reasons import Reason, Refused

SUPPORTED = PUBLIC_KEY_ALGORITHMS | frozenset(HMAC_MIN_BYTES)
MAX_TRIALS = 4  # keys tried for one token; more would let a token without `kid` buy a lot of work

_ALGORITHMS: dict[str, Algorithm] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED
}


def check_algorithm(jws: CompactJws, allowed: Collection[str]) -> None:
    """Raises Refused unless `alg` is one of `allowed`, byte for byte (RFC 8725 section 3.1)."""
    if jws.header.alg not in allowed or jws.header.alg not in _ALGORITHMS:
        raise Refused(Reason.ALGORITHM_NOT_ALLOWED)


def check_signature(jws: CompactJws, keys: KeySet, refused: Collection[str] = ()) -> None:
    """Raises Refused: UNKNOWN_KEY when no key fits `kid` and `alg`, BAD_SIGNATURE when none verifies.

    Keys of a `kid` in `refused` verify nothing: REFUSED_KEY when the token names one. Call `check_algorithm`
    first.
    """
    alg = jws.header.alg
    if jws.header.kid in refused:
        raise Refused(Reason.REFUSED_KEY)
    candidates = keys.candidates(jws.header.kid, alg)
    if refused:
        candidates = tuple(key for key in candidates if key.kid not in refused)
    if not candidates:
        raise Refused(Reason.UNKNOWN_KEY)
    algorithm = _ALGORITHMS[alg]
    for candidate in candidates[:MAX_TRIALS]:
        if algorithm.verify(jws.signing_input, candidate.key, jws.signature):
            return
    raise Refused(Reason.BAD_SIGNATURE)
