-- tokens.lua: what can be said about a bearer token without network or public-key cryptography.
--
-- new(host, settings) returns an examiner. It refuses what can never be valid, verifies HS256 tokens of
-- shared-secret issuers, and leaves the rest to the sidecar.

local json, claim_rules = json, claims -- the modules embedded before this one

local byte, find, floor, match, sub = string.byte, string.find, math.floor, string.match, string.sub
local type, tonumber = type, tonumber

local MAX_TOKEN_BYTES = 8192 -- lighttpd's own default bound on a header field
local MAX_HEADER_BYTES = 1024 -- of the first segment, encoded
local MAX_KNOWN_HEADERS = 256 -- issuers use a handful; attackers may send any number
local MAX_SECRET_BYTES = 4096
local MIN_SECRET_BYTES = 32 -- RFC 7518 section 3.2: as long as the hash
local MAX_REMEMBERED_S = 3600 -- a verdict is looked at again at least once an hour

local MALFORMED = "the token is malformed"
local EXPIRED = claim_rules.EXPIRED
local UNTRUSTED = "the token's issuer or algorithm is not accepted here"
local BAD_SIGNATURE = "the token's signature is not valid"

local BEARER = "[Bb][Ee][Aa][Rr][Ee][Rr]" -- string.lower follows the locale


local M = {}


-- The bearer token of an Authorization field value: the token; nil when the field carries no bearer
-- credential; or nil and a problem, "several" or "malformed" (RFC 6750 sections 2 and 2.1).
function M.bearer(value)
  local scheme = match(value, "^[^ ,]*")
  if not find(scheme, "^" .. BEARER .. "$") then
    -- lighttpd joins repeated fields with ", ": another scheme may hide a bearer token behind it.
    if find(value, ",%s*" .. BEARER .. "%s") then
      return nil, "several"
    end
    return nil
  end
  local token = sub(value, 8)
  if find(token, ",", 1, true) then
    return nil, "several"
  end
  -- Plain searches: a pattern class costs microseconds over a long token.
  if byte(value, 7) ~= 32 or token == "" or find(token, " ", 1, true) or find(token, '"', 1, true)
    or find(token, "\t", 1, true) then
    return nil, "malformed"
  end
  return token
end


-- An examiner for one Lua state. `host` is lighttpd's `lighty` table.
function M.new(host, settings)
  local c = host.c
  local b64urldec, b64urlenc, hmac, digest_eq, hexenc = c.b64urldec, c.b64urlenc, c.hmac, c.digest_eq, c.hexenc
  local issuers = settings.issuers
  local check_claims = claim_rules.new(settings)

  local algorithms, by_issuer = {}, {}
  local takes_opaque, leeway = false, 0
  for i = 1, #issuers do
    local issuer = issuers[i]
    by_issuer[issuer.issuer] = issuer
    for name in pairs(issuer.algorithms) do
      algorithms[name] = true
    end
    takes_opaque = takes_opaque or issuer.tokens ~= "jwt"
    if issuer.leeway_s > leeway then
      leeway = issuer.leeway_s
    end
  end

  -- Builds of lighttpd without a cryptography library have no SHA-256; then the sidecar verifies (RFC 4231 section 4.3).
  local function can_verify()
    local digest = hmac("sha256", "Jefe", "what do ya want for nothing?")
    return type(digest) == "string"
      and digest_eq(digest, "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843") == true
      and digest_eq(digest, "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3844") == false
  end

  local verifies = can_verify()
  local secrets = {} -- credential name to secret, or false when Lua cannot have it

  local function secret_of(name)
    local secret = secrets[name]
    if secret == nil then
      secret = false
      local file = io.open(settings.secrets_directory .. "/" .. name, "rb")
      if file then
        local text = file:read(MAX_SECRET_BYTES + 1)
        file:close()
        if text and #text >= MIN_SECRET_BYTES and #text <= MAX_SECRET_BYTES then
          secret = text
        end
      end
      secrets[name] = secret
    end
    return secret
  end

  -- Bytes of an unpadded base64url segment, or nil. lighttpd's decoder skips blanks and stops at foreign
  -- characters, so the length is checked; `canonical` also refuses stray bits at the end (RFC 4648 section 3.5).
  local function decode_segment(text, canonical)
    if text == "" or #text % 4 == 1 then
      return nil
    end
    local bytes = b64urldec(text)
    if not bytes or #bytes ~= floor(#text * 6 / 8) then
      return nil
    end
    if canonical and b64urlenc(bytes) ~= text then
      return nil
    end
    return bytes
  end

  local known_headers, known_count = {}, 0 -- first segment to parsed header, or to a reason for refusal

  local function read_header(segment)
    local bytes = #segment <= MAX_HEADER_BYTES and decode_segment(segment, true)
    local header = bytes and json.parse(bytes)
    if not json.is_object(header) then
      return MALFORMED
    end
    local kid = header.kid
    if header.crit ~= nil or header.b64 ~= nil or (kid ~= nil and (type(kid) ~= "string" or #kid > 256)) then
      return MALFORMED
    end
    if type(header.alg) ~= "string" or not algorithms[header.alg] then
      return UNTRUSTED
    end
    return header
  end

  local function header_of(segment)
    local header = known_headers[segment]
    if not header then
      header = read_header(segment)
      if known_count == MAX_KNOWN_HEADERS then
        known_headers, known_count = {}, 0
      end
      known_headers[segment] = header
      known_count = known_count + 1
    end
    return header
  end

  -- Whether the payload says that the token has expired. Only a plain integer that is the one "exp" in the
  -- text counts; whatever is less clear is left to the verifier.
  local function says_expired(payload, now)
    local first, last = find(payload, '"exp"', 1, true)
    if not first or find(payload, '"exp"', last, true) then
      return false
    end
    local digits = match(payload, "^[ \t\r\n]*:[ \t\r\n]*(%d+)[ \t\r\n]*[,}]", last + 1)
    return digits ~= nil and #digits <= 15 and now >= tonumber(digits) + leeway
  end

  local function verify(token, header, payload, dot, now)
    if not verifies then
      return nil
    end
    local claims = json.parse(payload)
    if not json.is_object(claims) then
      return nil, MALFORMED
    end
    local issuer = type(claims.iss) == "string" and by_issuer[claims.iss]
    if not issuer and takes_opaque then -- another issuer may know it, whatever it looks like
      return nil
    end
    if not issuer or not issuer.algorithms.HS256 or not issuer.secret then
      return nil, UNTRUSTED
    end
    local secret = secret_of(issuer.secret)
    if not secret then
      return nil
    end
    local signature = decode_segment(sub(token, dot + 1), true)
    local expected = signature and #signature == 32 and hmac("sha256", secret, sub(token, 1, dot - 1))
    -- digest_eq is true for two nils: both sides are known to be 64 digits here.
    if type(expected) ~= "string" or #expected ~= 64 or not digest_eq(expected, hexenc(signature)) then
      return nil, BAD_SIGNATURE
    end
    local caller, expires = check_claims(issuer, header, claims, now)
    if not caller then
      return nil, expires
    end
    return caller, nil, expires < now + MAX_REMEMBERED_S and expires or now + MAX_REMEMBERED_S
  end

  local examiner = {}

  -- What Lua can say of a token: an identity, nil and the second until which it may be remembered;
  -- nil and the reason for a refusal; or nothing, when the sidecar has to decide.
  function examiner.examine(token, now)
    if #token > MAX_TOKEN_BYTES then
      return nil, MALFORMED
    end
    local dot1 = find(token, ".", 1, true)
    local dot2 = dot1 and find(token, ".", dot1 + 1, true)
    if not dot2 or find(token, ".", dot2 + 1, true) then
      if takes_opaque and find(token, "^[A-Za-z0-9%-%._~%+/]+=*$") then
        return nil
      end
      return nil, MALFORMED
    end
    local header = header_of(sub(token, 1, dot1 - 1))
    if type(header) == "string" then
      if takes_opaque then -- a token that merely has two dots in it
        return nil
      end
      return nil, header
    end
    local payload = decode_segment(sub(token, dot1 + 1, dot2 - 1), header.alg == "HS256")
    if not payload or dot2 == #token then
      return nil, MALFORMED
    end
    if says_expired(payload, now) then
      return nil, EXPIRED
    end
    if header.alg == "HS256" then
      return verify(token, header, payload, dot2, now)
    end
    return nil
  end

  -- Forgets the secrets, so that they are read again.
  function examiner.forget()
    secrets = {}
  end

  return examiner
end


return M
