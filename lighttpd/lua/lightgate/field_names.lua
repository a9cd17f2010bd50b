-- field_names.lua: request header fields that only the policy may set, removed in every spelling.
--
-- CGI spells X-User, x_user and X.User as one variable, HTTP_X_USER; so do many applications behind a proxy. Names are
-- therefore compared in one normal form: ASCII lower case, and every byte but a-z and 0-9 as "-".

local char, gsub = string.char, string.gsub
local pairs = pairs

local MAX_KNOWN_NAMES = 512 -- names whose normal form is remembered; clients may send any number

local NORMAL = {}
for code = 0, 255 do
  local c = char(code)
  if code >= 65 and code <= 90 then
    NORMAL[c] = char(code + 32)
  elseif (code >= 97 and code <= 122) or (code >= 48 and code <= 57) then
    NORMAL[c] = c
  else
    NORMAL[c] = "-"
  end
end

local M = {}


-- A function that removes from a request all fields whose normal form is in the set `reserved`.
function M.stripper(host, reserved)
  local req_header = host.r.req_header
  local reserved_names, known = {}, 0 -- name as sent to whether it is reserved

  local function is_reserved(name)
    if known == MAX_KNOWN_NAMES then
      reserved_names, known = {}, 0
    end
    local found = reserved[gsub(name, ".", NORMAL)] or false
    reserved_names[name] = found
    known = known + 1
    return found
  end

  return function()
    local found, count -- collected first: lighttpd's table must not change while it is walked
    for name in pairs(req_header) do
      local hit = reserved_names[name]
      if hit == nil then
        hit = is_reserved(name)
      end
      if hit then
        found, count = found or {}, (count or 0) + 1
        found[count] = name
      end
    end
    for i = 1, count or 0 do
      req_header[found[i]] = nil
    end
  end
end


return M
