"""Why a request was not let through: the closed list that logs, metrics and test vectors share.

Reasons go to the log, never to the client. Once released a reason never changes its meaning.
"""

from enum import StrEnum


class Reason(StrEnum):
    # the request
    NO_CREDENTIAL = "no-credential"
    NOT_BEARER = "not-bearer"  # another scheme than Bearer
    MALFORMED_CREDENTIAL = "malformed-credential"  # not `Bearer` SP token (RFC 6750 section 2.1)
    TWO_CREDENTIALS = "two-credentials"
    NOT_A_DEFERRAL = "not-a-deferral"  # release, nonce or ask missing: Lua did not send this
    UNKNOWN_ASK = "unknown-ask"

    # the token's form
    TOKEN_TOO_LONG = "token-too-long"
    MALFORMED_TOKEN = "malformed-token"
    CRITICAL_HEADER = "critical-header"  # `crit` or `b64`
    MALFORMED_KID = "malformed-kid"

    # its signature
    UNKNOWN_ISSUER = "unknown-issuer"
    ALGORITHM_NOT_ALLOWED = "algorithm-not-allowed"
    UNKNOWN_KEY = "unknown-key"
    REFUSED_KEY = "refused-key"  # the policy says so
    BAD_SIGNATURE = "bad-signature"

    # its claims
    WRONG_TYPE = "wrong-type"
    OTHER_PURPOSE = "other-purpose"
    BOUND_TOKEN = "bound-token"
    WRONG_ISSUER = "wrong-issuer"
    WRONG_AUDIENCE = "wrong-audience"
    MALFORMED_TIME = "malformed-time"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    LIFETIME_TOO_LONG = "lifetime-too-long"
    MALFORMED_SUBJECT = "malformed-subject"
    TOO_MANY_ROLES = "too-many-roles"
    CLAIMS_TOO_LARGE = "claims-too-large"  # those that the policy reads
    IDENTITY_TOO_LARGE = "identity-too-large"
    INACTIVE = "inactive"

    # our own state
    RELEASE_MISMATCH = "release-mismatch"
    KEYS_UNAVAILABLE = "keys-unavailable"
    INTROSPECTION_UNAVAILABLE = "introspection-unavailable"
    DEADLINE = "deadline"
    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    BUG = "bug"


class Refused(Exception):
    """A credential is not accepted. Carries the reason and nothing of the credential."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
