-- tokens.lua: what can be said about a bearer token without network or public-key cryptography.
--
-- new(host, settings) returns an examiner. It refuses what can never be valid, verifies HS256 tokens of
-- shared-secret issuers, and leaves the rest to the sidecar. The rules for claims are those of
-- docs/internals.md, "What makes an identity"; the sidecar's claims.py follows the same, and
-- tests/vectors/claims.json holds both to them.

local json, identities = json, identity -- the modules embedded before this one

local byte, find, floor, gsub, match, sub = string.byte, string.find, math.floor, string.gsub, string.match, string.sub
local type, tonumber = type, tonumber

local MAX_TOKEN_BYTES = 8192 -- lighttpd's own default bound on a header field
local MAX_HEADER_BYTES = 1024 -- of the first segment, encoded
local MAX_KNOWN_HEADERS = 256 -- issuers use a handful; attackers may send any number
local MAX_SECRET_BYTES = 4096
local MIN_SECRET_BYTES = 32 -- RFC 7518 section 3.2: as long as the hash
local MAX_REMEMBERED_S = 3600 -- a verdict is looked at again at least once an hour
local MAX_TIME = 1e15 -- 15 digits: exact in every Lua

local MALFORMED = "the token is malformed"
local EXPIRED = "the token has expired"
local UNTRUSTED = "the token's issuer or algorithm is not accepted here"
local BAD_SIGNATURE = "the token's signature is not valid"
local UNFIT = "the token's claims are not acceptable here"

-- Values of `typ` that an access token may carry (RFC 7519 section 5.1, RFC 9068 section 2.1). Logout tokens,
-- DPoP proofs and everything else is made for another purpose (RFC 8725 section 3.11).
local ACCESS_TYPES = {
  jwt = true, ["application/jwt"] = true, ["at+jwt"] = true, ["application/at+jwt"] = true,
}

local ASCII_LOWER = {}
for code = 65, 90 do
  ASCII_LOWER[string.char(code)] = string.char(code + 32)
end


local function lower(text) -- string.lower follows the locale
  return (gsub(text, "[A-Z]", ASCII_LOWER))
end


local M = {}


-- The bearer token of an Authorization field value: the token; nil when the field carries no bearer
-- credential; or nil and a problem, "several" or "malformed" (RFC 6750 sections 2 and 2.1).
function M.bearer(value)
  local scheme = match(value, "^[^ ,]*")
  if lower(scheme) ~= "bearer" then
    -- lighttpd joins repeated fields with ", ": another scheme may hide a bearer token behind it.
    if find(lower(value), ",%s*bearer%s") then
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


local function is_control_free(text)
  return not find(text, "%c")
end


local function is_time(value)
  return type(value) == "number" and value > -MAX_TIME and value < MAX_TIME
end


-- `roles` of a token: an array of text without repeats, or nil when there are too many.
local function read_roles(claims, path)
  local value = claims
  for i = 1, #path do
    if not json.is_object(value) then
      return {}
    end
    value = value[path[i]]
  end
  local items = {}
  if type(value) == "string" then
    for word in string.gmatch(value, "[^ ]+") do
      items[#items + 1] = word
    end
  elseif json.is_array(value) then
    for i = 1, value[0] do
      items[i] = value[i]
    end
  else
    return {}
  end
  local roles, seen = {}, {}
  for i = 1, #items do
    local role = items[i]
    if type(role) == "string" and role ~= "" and #role <= 256 and not seen[role] and not find(role, "[%c,]") then
      seen[role] = true
      roles[#roles + 1] = role
    end
  end
  if #roles > 256 then
    return nil
  end
  return roles
end


local function names_audience(value, accepted)
  if type(value) == "string" then
    return accepted[value] == true
  end
  if not json.is_array(value) then
    return false
  end
  local found = false
  for i = 1, value[0] do
    if type(value[i]) ~= "string" then
      return false
    end
    found = found or accepted[value[i]] == true
  end
  return found
end


-- The caller that a verified token's claims describe, with no more members than the policy reads, and the second
-- until which that holds; or nil and the reason. `header` and `claims` are parsed JSON objects; `now` is in
-- seconds since the epoch.
function M.check_claims(settings, issuer, header, claims, now)
  local leeway = issuer.leeway_s
  local kind = header.typ
  if kind ~= nil then
    kind = type(kind) == "string" and lower(kind) or ""
    if not ACCESS_TYPES[kind] then
      return nil, UNFIT
    end
  end
  if issuer.rfc9068 and not (kind and find(kind, "at+jwt", 1, true)) then
    return nil, UNFIT
  end
  if claims.events ~= nil or claims.cnf ~= nil then
    return nil, UNFIT
  end
  if claims.iss ~= issuer.issuer or not names_audience(claims.aud, issuer.audience) then
    return nil, UNFIT
  end
  local expires, not_before, issued = claims.exp, claims.nbf, claims.iat
  if not is_time(expires) then
    return nil, UNFIT
  end
  if now >= expires + leeway then
    return nil, EXPIRED
  end
  if not_before ~= nil and not (is_time(not_before) and not_before <= now + leeway) then
    return nil, UNFIT
  end
  if issued ~= nil and not (is_time(issued) and issued <= now + leeway) then
    return nil, UNFIT
  end
  if expires - (issued or now) > issuer.max_lifetime_s + leeway then
    return nil, UNFIT
  end
  local subject = claims.sub
  if type(subject) ~= "string" or subject == "" or #subject > 255 or not is_control_free(subject) then
    return nil, UNFIT
  end
  local email = claims.email
  if claims.email_verified ~= true or type(email) ~= "string" or #email > 254 or not is_control_free(email) then
    email = ""
  end
  local roles = read_roles(claims, issuer.roles)
  if not roles then
    return nil, UNFIT
  end
  local members = settings.identity_members
  if not members.email then
    email = ""
  end
  if not members.role then
    roles = {}
  end
  return identities.new(settings.release, issuer.name, subject, email, roles), floor(expires)
end


-- An examiner for one Lua state. `host` is lighttpd's `lighty` table.
function M.new(host, settings)
  local c = host.c
  local b64urldec, b64urlenc, hmac, digest_eq, hexenc = c.b64urldec, c.b64urlenc, c.hmac, c.digest_eq, c.hexenc
  local issuers = settings.issuers

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
    local caller, expires = M.check_claims(settings, issuer, header, claims, now)
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
