-- claims.lua: from a verified token's claims to a caller. The rules are those of docs/internals.md, "What makes an
-- identity"; the sidecar's claims.py follows the same, and tests/vectors/ holds both to them.

local json, identities = json, identity -- the modules embedded before this one

local find, floor, format, gmatch, gsub = string.find, math.floor, string.format, string.gmatch, string.gsub
local tonumber, type = tonumber, type

local MAX_NUMBER = 1e15 -- 15 digits: exact in every Lua
local MAX_CLAIM_BYTES = 1024 -- of a string, or of one element of an array
local MAX_CLAIM_ELEMENTS = 256
local MAX_IDENTITY_BYTES = 32768 -- of its written form, as in the sidecar's decide.py

local EXPIRED = "the token has expired"
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


local function is_control_free(text)
  return not find(text, "%c")
end


local function is_time(value)
  return type(value) == "number" and value > -MAX_NUMBER and value < MAX_NUMBER
end


-- What stands at a path of member names; nil when a member on the way is missing or no object.
local function value_at(claims, path)
  local value = claims
  for i = 1, #path do
    if not json.is_object(value) then
      return nil
    end
    value = value[path[i]]
  end
  return value
end


-- `roles` of a token: an array of text without repeats, or nil when there are too many.
local function read_roles(claims, path)
  local value = value_at(claims, path)
  local items = {}
  if type(value) == "string" then
    for word in gmatch(value, "[^ ]+") do
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


local function is_claim_text(value)
  return type(value) == "string" and #value <= MAX_CLAIM_BYTES and is_control_free(value)
end


-- The value of a claim that rules may see; nil when it is of no type that they know or beyond its bounds.
local function read_claim(value)
  if type(value) == "boolean" or is_claim_text(value) then
    return value
  elseif type(value) == "number" then
    if value > -MAX_NUMBER and value < MAX_NUMBER and value % 1 == 0 then
      return tonumber(format("%.0f", value + 0)) -- 5.0 becomes an integer where Lua tells them apart, -0.0 a 0
    end
    return nil
  elseif not json.is_array(value) or value[0] > MAX_CLAIM_ELEMENTS then
    return nil
  end
  local elements = {}
  for i = 1, value[0] do
    if not is_claim_text(value[i]) then
      return nil
    end
    elements[i] = value[i]
  end
  return elements
end


-- The member names of a JSON Pointer (RFC 6901 section 4: `~1` first, or `~01` would become a slash).
local function path_of(pointer)
  local path = {}
  for name in gmatch(pointer, "/([^/]*)") do
    path[#path + 1] = gsub(gsub(name, "~1", "/"), "~0", "~")
  end
  return path
end


-- Whether a token may be used here now: nil when it may, or the reason why not.
local function refusal(issuer, header, claims, now)
  local leeway = issuer.leeway_s
  local kind = header.typ
  if kind ~= nil then
    kind = type(kind) == "string" and lower(kind) or ""
    if not ACCESS_TYPES[kind] then
      return UNFIT
    end
  end
  if issuer.rfc9068 and not (kind and find(kind, "at+jwt", 1, true)) then
    return UNFIT
  end
  if claims.events ~= nil or claims.cnf ~= nil then
    return UNFIT
  end
  if claims.iss ~= issuer.issuer or not names_audience(claims.aud, issuer.audience) then
    return UNFIT
  end
  local expires, not_before, issued = claims.exp, claims.nbf, claims.iat
  if not is_time(expires) then
    return UNFIT
  end
  if now >= expires + leeway then
    return EXPIRED
  end
  if not_before ~= nil and not (is_time(not_before) and not_before <= now + leeway) then
    return UNFIT
  end
  if issued ~= nil and not (is_time(issued) and issued <= now + leeway) then
    return UNFIT
  end
  if expires - (issued or now) > issuer.max_lifetime_s + leeway then
    return UNFIT
  end
  return nil
end


local M = { EXPIRED = EXPIRED }


-- A function (issuer, header, claims, now) for the settings of a release. It returns the caller that a verified
-- token's claims describe, with no more members than the policy reads, and the second until which that holds; or nil
-- and the reason. `header` and `claims` are parsed JSON objects; `now` is in seconds since the epoch.
function M.new(settings)
  local members, pointers = settings.identity_members, settings.claims or {}
  local paths = {}
  for i = 1, #pointers do
    paths[i] = path_of(pointers[i])
  end

  return function(issuer, header, claims, now)
    local reason = refusal(issuer, header, claims, now)
    if reason then
      return nil, reason
    end
    local subject = claims.sub
    if type(subject) ~= "string" or subject == "" or #subject > 255 or not is_control_free(subject) then
      return nil, UNFIT
    end
    local email = claims.email
    if
      not members.email or claims.email_verified ~= true
      or type(email) ~= "string" or #email > 254 or not is_control_free(email)
    then
      email = ""
    end
    local roles = read_roles(claims, issuer.roles)
    if not roles then
      return nil, UNFIT
    end
    if not members.role then
      roles = {}
    end
    local found
    for i = 1, #pointers do
      found = found or {}
      found[pointers[i]] = read_claim(value_at(claims, paths[i]))
    end
    local caller = identities.new(settings.release, issuer.name, subject, email, roles, found, pointers)
    if not caller or #caller.text > MAX_IDENTITY_BYTES then
      return nil, UNFIT
    end
    return caller, floor(claims.exp)
  end
end


return M
