-- identity.lua: who is calling, as rules see it, and its written form LIGHTGATE_IDENTITY (docs/internals.md).

local char, find, format, gsub, sub = string.char, string.find, string.format, string.gsub, string.sub
local byte, tonumber = string.byte, tonumber

local M = {}

M.ANONYMOUS = { present = false, provider = "", sub = "", email = "", roles = {}, role_list = {}, text = "" }


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


-- An identity as a table, or nil when the text is not well formed, lacks what is mandatory,
-- or belongs to another release.
function M.decode(text, release)
  local result = { present = true, email = "", roles = {}, role_list = {}, text = text }
  local roles, role_list = result.roles, result.role_list
  local at, length = 1, #text
  local seen_release
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
    elseif name == "role" then
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
    else
      return nil
    end
    at = stop + 1
  until stop > length
  if seen_release ~= release or not result.provider or not result.sub or result.sub == "" then
    return nil
  end
  return result
end


-- An identity table from its parts (`email` "" and `role_list` {} when unknown), with its written form.
function M.new(release, provider, sub_claim, email, role_list)
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
  return {
    present = true, provider = provider, sub = sub_claim, email = email, roles = roles, role_list = role_list, text = text,
  }
end


return M
