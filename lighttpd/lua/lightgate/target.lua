-- target.lua: the request target for applications that parse it themselves.

local byte, find, format, gsub, sub = string.byte, string.find, string.format, string.gsub, string.sub

local M = {}


-- A target as the client sent it, with its path in the form that rules saw: decoded once, without dot segments and
-- empty segments, and encoded again; nil when it was in that form. `c` is lighttpd's lighty.c.
function M.normal(target, c)
  local query = find(target, "?", 1, true) or find(target, "#", 1, true) or #target + 1
  local path = c.urldec(sub(target, 1, query - 1))
  local simple = path and c.fspath_simplify(path)
  if not simple or simple == path then
    return nil
  end
  local encoded = gsub(simple, "[^A-Za-z0-9%-%._~/]", function(text) return format("%%%02X", byte(text)) end)
  return encoded .. sub(target, query)
end


return M
