-- identity.lua: who is calling, as rules see it, and its written form LIGHTGATE_IDENTITY (docs/internals.md).

local byte, char, find, format, gsub = string.byte, string.char, string.find, string.format, string.gsub
local match, sub = string.match, string.sub
local concat, tonumber, type = table.concat, tonumber, type

local M = {}

local MAX_CLAIMS_BYTES = 16384 -- of their written form, all together, as in the sidecar's claims.py
local NO_CLAIMS = {}

-- `claims`: by JSON Pointer, a string, an integer, a boolean, or an array of strings.
M.ANONYMOUS = {
  present = false, provider = "", sub = "", email = "", roles = {}, role_list = {}, claims = NO_CLAIMS, text = "",
}


-- The text that a value encodes; nil when it is not encoded the one way that encode_value does, or holds
-- control characters: what is here ends up in header fields.
local function decode_value(text)
  if find(text, "[^A-Za-z0-9%-%._~%%]") then
    return nil
  elseif not find(text, "%", 1, true) then
    return text
  end
  local rest = gsub(text, "%%%x%x", "")
  if find(rest, "%", 1, true) then
    return nil
  end
  local decoded = gsub(text, "%%(%x%x)", function(digits) return char(tonumber(digits, 16)) end)
  if find(decoded, "%c") then
    return nil
  end
  return decoded
end


local function encode_value(text)
  return (gsub(text, "[^A-Za-z0-9%-%._~]", function(c) return format("%%%02X", byte(c)) end))
end


-- The pairs of claims in the order of `pointers`, each with an ampersand before it.
local function encode_claims(claims, pointers)
  local parts = {}
  for i = 1, #pointers do
    local value = claims[pointers[i]]
    local kind, said = type(value), nil
    if kind == "string" then
      said = "s" .. value
    elseif kind == "number" then
      said = format("i%.0f", value)
    elseif kind == "boolean" then
      said = value and "b1" or "b0"
    elseif kind == "table" then
      said = "l"
    end
    if said then
      local pointer = gsub(pointers[i], "[%% ]", { ["%"] = "%25", [" "] = "%20" })
      parts[#parts + 1] = "&claim=" .. encode_value(pointer .. " " .. said)
    end
    if kind == "table" then
      for j = 1, #value do
        parts[#parts + 1] = "&element=" .. encode_value(value[j])
      end
    end
  end
  return concat(parts)
end


-- Pointer and value of the text of a `claim` pair, the value of an array without its elements; nil when it is not the
-- one that encode_claims writes.
local function decode_claim(text)
  local spelt, kind, said = match(text, "^(/[^ ]*) ([sibl])(.*)$")
  if not spelt or find(gsub(spelt, "%%2[05]", ""), "%", 1, true) or find(gsub(spelt, "~[01]", ""), "~", 1, true) then
    return nil
  end
  local pointer = gsub(spelt, "%%2[05]", { ["%20"] = " ", ["%25"] = "%" })
  if kind == "s" then
    return pointer, said
  elseif kind == "i" then
    local digits = match(said, "^%-?([1-9]%d*)$")
    if said == "0" or (digits and #digits <= 15) then
      return pointer, tonumber(said)
    end
  elseif kind == "b" then
    if said == "1" or said == "0" then
      return pointer, said == "1"
    end
  elseif said == "" then
    return pointer, {}
  end
  return nil
end


-- An identity as a table, or nil when the text is not well formed, lacks what is mandatory,
-- or belongs to another release.
function M.decode(text, release)
  local result = { present = true, email = "", roles = {}, role_list = {}, claims = NO_CLAIMS, text = text }
  local roles, role_list = result.roles, result.role_list
  local at, length = 1, #text
  local seen_release
  local elements -- of the array that the pair before belongs to
  local claims_bytes = 0
  repeat
    local stop = find(text, "&", at, true) or length + 1
    local equals = find(text, "=", at, true)
    if not equals or equals > stop then
      return nil
    end
    local name = sub(text, at, equals - 1)
    local value = decode_value(sub(text, equals + 1, stop - 1))
    if not value then
      return nil
    end
    if name ~= "element" then
      elements = nil
    end
    if name == "role" then
      if not roles[value] then
        roles[value] = true
        role_list[#role_list + 1] = value
      end
    elseif name == "release" and not seen_release then
      seen_release = value
    elseif (name == "provider" or name == "sub") and not result[name] then
      result[name] = value
    elseif name == "email" and result.email == "" then
      result.email = value
    elseif name == "claim" then
      local pointer, said = decode_claim(value)
      if pointer == nil or result.claims[pointer] ~= nil then
        return nil
      elseif result.claims == NO_CLAIMS then
        result.claims = {}
      end
      result.claims[pointer] = said
      elements = type(said) == "table" and said or nil
      claims_bytes = claims_bytes + stop - at + 1
    elseif elements then
      elements[#elements + 1] = value
      claims_bytes = claims_bytes + stop - at + 1
    else
      return nil
    end
    at = stop + 1
  until stop > length
  if seen_release ~= release or not result.provider or not result.sub or result.sub == ""
    or claims_bytes > MAX_CLAIMS_BYTES then
    return nil
  end
  return result
end


-- An identity table from its parts (`email` "" and `role_list` {} when unknown; `claims` nil when the policy reads
-- none), with its written form, in which claims have the order of `pointers`. nil when the claims are too many bytes.
function M.new(release, provider, sub_claim, email, role_list, claims, pointers)
  local roles = {}
  local text = "release=" .. encode_value(release) .. "&provider=" .. encode_value(provider)
    .. "&sub=" .. encode_value(sub_claim)
  if email ~= "" then
    text = text .. "&email=" .. encode_value(email)
  end
  for i = 1, #role_list do
    roles[role_list[i]] = true
    text = text .. "&role=" .. encode_value(role_list[i])
  end
  if claims then
    local pairs_of_claims = encode_claims(claims, pointers)
    if #pairs_of_claims > MAX_CLAIMS_BYTES then
      return nil
    end
    text = text .. pairs_of_claims
  end
  return {
    present = true, provider = provider, sub = sub_claim, email = email, roles = roles, role_list = role_list,
    claims = claims or NO_CLAIMS, text = text,
  }
end


return M
