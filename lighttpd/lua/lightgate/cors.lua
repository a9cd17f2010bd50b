-- cors.lua: cross-origin requests (Fetch standard, section "HTTP extensions", "CORS protocol").
--
-- attach(gate, host, q, ends) puts gate.cors(q, index, settings) on the gate, which answers preflights and notes fields for
-- the response to everything else. Needs what noted.lua has put there. Browsers write origins in lower case and without
-- default ports, so that they are compared byte for byte.

local find, gsub, sub = string.find, string.gsub, string.sub

local NO_NAMES = "[^A-Za-z0-9!#$%%&'*+.^_`|~, %-]" -- what a list of tokens cannot hold

-- What an application says for itself is removed: two policies together would be none.
local REMOVED = gsub("Allow-Origin Allow-Credentials Expose-Headers Allow-Methods Allow-Headers Max-Age ", "(%S+) ",
  "=Access-Control-%1: \n")
local REMOVED_AND_VARIES = REMOVED .. "~Vary: Origin\n"

local M = {}


function M.attach(gate, host, q, ends)
  local req_header, resp_header = host.r.req_header, host.r.resp_header

  -- Patterns are pairs: "https://" and ".example.org" for https://*.example.org.
  local function allows(settings, origin)
    if settings.any or settings.exact[origin] then
      return true
    end
    local patterns = settings.patterns
    for i = 1, #patterns, 2 do
      local before, after = patterns[i], patterns[i + 1]
      if
        #origin > #before + #after and sub(origin, 1, #before) == before and sub(origin, -#after) == after
        and not find(sub(origin, #before + 1, -#after - 1), "[^a-z0-9.-]")
      then
        return true
      end
    end
    return false
  end

  -- A list that the policy has, or, where it allows any, what the client asks for: browsers take no "*" together with
  -- credentials, and never for Authorization.
  local function listed(names, asked)
    return names or (asked and not find(asked, NO_NAMES) and asked) or nil
  end

  local function preflight(index, settings, origin, method)
    resp_header["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    if allows(settings, origin) then
      resp_header["Access-Control-Allow-Origin"] = settings.any and "*" or origin
      resp_header["Access-Control-Allow-Credentials"] = settings.credentials and "true" or nil
      resp_header["Access-Control-Allow-Methods"] = listed(settings.methods, method)
      resp_header["Access-Control-Allow-Headers"] =
        listed(settings.headers, req_header["Access-Control-Request-Headers"])
      resp_header["Access-Control-Max-Age"] = settings.max_age
    end
    return ends.answer(index, "respond", 204)
  end

  function gate.cors(_, index, settings)
    local origin = req_header["Origin"]
    local method = origin and req_header["Access-Control-Request-Method"]
    if method and (q.method or gate.method(q)) == "OPTIONS" then
      return preflight(index, settings, origin, method)
    end
    gate.change_response(q, settings.any and REMOVED or REMOVED_AND_VARIES)
    if origin and allows(settings, origin) then
      gate.set_response_header(q, "Access-Control-Allow-Origin", settings.any and "*" or origin)
      if settings.credentials then
        gate.set_response_header(q, "Access-Control-Allow-Credentials", "true")
      end
      if settings.expose ~= "" then
        gate.set_response_header(q, "Access-Control-Expose-Headers", settings.expose)
      end
    end
    return nil
  end
end


return M
