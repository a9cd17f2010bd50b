-- response.lua: the last look at a response before it starts.
--
-- new_guard(lighty, settings) is called once per Lua state; guard.run() for every response. Two jobs: a response to a
-- request that nobody decided on becomes a 503, and header fields set by the policy replace the origin's.
-- lighttpd sends the response unchanged when this script fails, so the first job is done under pcall.

local gmatch, match = string.gmatch, string.match
local pcall, print, tonumber = pcall, print, tonumber

local REFUSAL = '{"status":503,"error_description":"the request could not be checked, try again"}\n'

-- Fields that would describe or carry the response that is thrown away.
local DISCARDED = {
  "Accept-Ranges", "Allow", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location",
  "Content-Range", "ETag", "Expires", "Last-Modified", "Lightgate-Answer", "Link", "Location", "Set-Cookie",
  "Transfer-Encoding", "WWW-Authenticate", "X-Sendfile",
}

local MAX_KNOWN_TEXTS = 64 -- parsed header lists that are remembered; policies mostly have one


local function new_guard(host, settings)
  local r = host.r
  local resp_header, resp_body, req_item = r.resp_header, r.resp_body, r.req_item
  local env = r["req_" .. "env"] -- see gate.lua

  local parsed, count = {}, 0

  local function parse(text)
    local fields = {}
    for name, value in gmatch(text, "([^:\n]+): ([^\n]*)\n") do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
    if count == MAX_KNOWN_TEXTS then
      parsed, count = {}, 0
    end
    parsed[text] = fields
    count = count + 1
    return fields
  end

  local function apply(text)
    local fields = parsed[text] or parse(text)
    for i = 1, #fields, 2 do
      resp_header[fields[i]] = fields[i + 1]
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

  local function replace()
    for i = 1, #DISCARDED do
      resp_header[DISCARDED[i]] = nil
    end
    resp_header["Content-Type"] = "application/json"
    resp_header["Cache-Control"] = "no-store"
    resp_header["Retry-After"] = "1"
    resp_body.set(REFUSAL)
    print("lightgate: 503: a response without a decision was stopped")
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
    local text = env["LIGHTGATE_RESPONSE"]
    if text then
      apply(text)
    end
    return 0
  end

  return guard
end


return new_guard
