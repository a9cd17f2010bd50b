-- response.lua: the last look at a response before it starts.
--
-- new_guard(lighty, settings) is called once per Lua state; guard.run() for every response. Three jobs: a response to a
-- request that nobody decided on becomes a 503; another response stands in for failures of the application where rules
-- have said so; and header fields are changed as rules have noted.
-- lighttpd sends the response unchanged when this script fails, so the first job is done under pcall.

local byte, char, format, gmatch, gsub, match =
  string.byte, string.char, string.format, string.gmatch, string.gsub, string.match
local pcall, print, tonumber = pcall, print, tonumber

local REFUSAL = '{"status":503,"error_description":"the request could not be checked, try again"}\n'

-- Fields that would describe or carry a response that is thrown away.
local DISCARDED = {
  "Accept-Ranges", "Age", "Allow", "Cache-Control", "Clear-Site-Data", "Content-Digest", "Content-Disposition",
  "Content-Encoding", "Content-Language", "Content-Location", "Content-MD5", "Content-Range", "Digest", "ETag", "Expires",
  "Last-Modified", "Lightgate-Answer", "Link", "Location", "Refresh", "Repr-Digest", "Retry-After", "Set-Cookie",
  "Trailer", "Transfer-Encoding", "Vary", "WWW-Authenticate", "X-Sendfile",
}

local MAX_KNOWN_TEXTS = 64 -- parsed header lists that are remembered; policies mostly have one


local function lower(text) -- string.lower follows the locale
  return (gsub(text, "[A-Z]", function(letter) return char(byte(letter) + 32) end))
end


local function new_guard(host, settings)
  local r = host.r
  local resp_header, resp_body, req_item = r.resp_header, r.resp_body, r.req_item
  local env = r["req_" .. "env"] -- see gate.lua

  local parsed, count = {}, 0

  local function parse(text)
    local changes = {}
    for what, name, value in gmatch(text, "([=+~])([^:\n]+): ([^\n]*)\n") do
      changes[#changes + 1] = what
      changes[#changes + 1] = name
      changes[#changes + 1] = value
    end
    if count == MAX_KNOWN_TEXTS then
      parsed, count = {}, 0
    end
    parsed[text] = changes
    count = count + 1
    return changes
  end

  -- A list (RFC 9110 section 5.6.1) with one member more, unless it has it or has "*"; `value` may be of several fields.
  local function with_member(value, token)
    local joined = gsub(value, "\r\n[^:]*: ", ", ")
    local wanted = lower(token)
    for member in gmatch(lower(joined), "[^, \t]+") do
      if member == wanted or member == "*" then
        return joined
      end
    end
    return joined .. ", " .. token
  end

  local function apply(text)
    local changes = parsed[text] or parse(text)
    for i = 1, #changes, 3 do
      local what, name, value = changes[i], changes[i + 1], changes[i + 2]
      local present = what ~= "=" and resp_header[name]
      if not present then
        resp_header[name] = value
      elseif what == "+" then -- lighttpd keeps several fields of one name so
        resp_header[name] = present .. "\r\n" .. name .. ": " .. value
      else
        resp_header[name] = with_member(present, value)
      end
    end
  end

  -- Whether the response to a deferred request may go out: the sidecar's own, or lighttpd's own failure. The release
  -- in the state need not be this script's: lighttpd takes up the two scripts of a new one up to a second apart.
  local function is_decided(state)
    local status = tonumber(req_item["http_status"])
    if status and status >= 500 and status <= 599 then
      resp_header["Lightgate-Answer"] = nil
      return true
    end
    local asked = match(state, "^(%S+ %S+) %d+ %d+ %d+ [01]$")
    if not asked then
      return false
    end
    if match(asked, " collect$") then -- nothing was asked yet: lighttpd refused the body
      return status ~= nil and status >= 400
    end
    if resp_header["Lightgate-Answer"] == asked then
      resp_header["Lightgate-Answer"] = nil
      return true
    end
    return false
  end

  local function discard()
    for i = 1, #DISCARDED do
      resp_header[DISCARDED[i]] = nil
    end
  end

  local function replace()
    discard()
    resp_header["Content-Type"] = "application/json"
    resp_header["Cache-Control"] = "no-store"
    resp_header["Retry-After"] = "1"
    resp_body.set(REFUSAL)
    print("lightgate: 503: a response without a decision was stopped")
  end

  local stand_ins = {} -- by key
  for i = 1, #settings.fallbacks do
    stand_ins[settings.fallbacks[i].key] = settings.fallbacks[i]
  end

  -- Puts a response of the policy's in place of an application's failure; returns its status, or nil. A key that is not
  -- known belongs to another release: lighttpd takes up the two scripts of a new one up to a second apart.
  local function stand_in(keys)
    local status = format("%d", tonumber(req_item["http_status"]) or 0)
    for key in gmatch(keys, "%S+") do
      local found = stand_ins[key]
      if found and found.on[status] then
        discard()
        resp_header["Content-Type"] = found.content_type
        resp_header["Cache-Control"] = "no-store"
        if found.retry_after then
          resp_header["Retry-After"] = found.retry_after
        end
        resp_body.set(found.body)
        return found.status
      end
    end
    return nil
  end

  local guard = { release = settings.release, host = r }

  function guard.run()
    local state = env["LIGHTGATE_STATE"]
    if state then
      local ok, decided = pcall(is_decided, state)
      if not (ok and decided) then
        pcall(replace)
        return 503
      end
    end
    local keys = env["LIGHTGATE_FALLBACK"]
    local status = keys and stand_in(keys)
    local text = env["LIGHTGATE_RESPONSE"]
    if text then
      apply(text)
    end
    return status or 0
  end

  return guard
end


return new_guard
