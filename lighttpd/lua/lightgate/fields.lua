-- fields.lua: the fields of a request, as rules read them.
--
-- attach(gate, host, q) puts the readers on the gate. Each reads what lighttpd has parsed, once a request, and keeps it
-- in `q` under its own name. Nothing here raises on anything a client can send.

local addresses = address -- the module embedded before this one

local byte, char, find, format = string.byte, string.char, string.find, string.format
local gmatch, gsub, match, sub = string.gmatch, string.gsub, string.match, string.sub
local tonumber = tonumber

local M = {}


local function unescape(text)
  return (gsub(text, "%%(%x%x)", function(digits) return char(tonumber(digits, 16)) end))
end


-- The bytes of text from first to last without blanks around them. A loop, because a pattern that trims both ends
-- takes time with the square of the blanks, and lighttpd waits meanwhile.
local function trim(text, first, last)
  while first <= last and (byte(text, first) == 32 or byte(text, first) == 9) do
    first = first + 1
  end
  while last >= first and (byte(text, last) == 32 or byte(text, last) == 9) do
    last = last - 1
  end
  return sub(text, first, last)
end


function M.attach(gate, host, q)
  local req_attr, req_header = host.r.req_attr, host.r.req_header

  function gate.method(_)
    local value = req_attr["request.method"] or ""
    q.method = value
    return value
  end

  function gate.host_name(_)
    local authority = req_attr["uri.authority"] or ""
    local value = match(authority, "^(.*):%d+$") or authority
    q.host_name = value
    return value
  end

  function gate.raw_path(_)
    local value = req_attr["uri.path-raw"] or ""
    q.raw_path = value
    return value
  end

  function gate.query(_)
    local value = req_attr["uri.query"] or ""
    q.query = value
    return value
  end

  function gate.scheme(_)
    local value = req_attr["uri.scheme"] or ""
    q.scheme = value
    return value
  end

  function gate.port(_)
    local value = tonumber(req_attr["request.server-port"]) or 0
    q.port = value
    return value
  end

  function gate.ip(_)
    local value = addresses.parse(req_attr["request.remote-addr"] or "") or ""
    q.ip = value
    return value
  end

  function gate.header(_, name)
    return req_header[name] or ""
  end

  function gate.has_header(_, name)
    return req_header[name] ~= nil
  end

  -- Query arguments as the WHATWG URL standard reads a form (section 5.1): the first of a name counts.
  local function args()
    local found = {}
    for pair in gmatch(q.query or gate.query(q), "[^&]+") do
      local name, value = match(pair, "^([^=]*)=(.*)$")
      name = unescape((gsub(name or pair, "%+", " ")))
      if found[name] == nil then
        found[name] = value and unescape((gsub(value, "%+", " "))) or ""
      end
    end
    q.args = found
    return found
  end

  function gate.arg(_, name)
    return (q.args or args())[name] or ""
  end

  function gate.has_arg(_, name)
    return (q.args or args())[name] ~= nil
  end

  -- Cookies after RFC 6265 section 5.4: pairs between ";", the first of a name counts, values as sent.
  -- lighttpd's own cookie reader cuts values at "=" and lets the last of a name win.
  local function cookies()
    local found = {}
    for pair in gmatch(req_header["Cookie"] or "", "[^;]+") do
      local equals = find(pair, "=", 1, true)
      local name = equals and trim(pair, 1, equals - 1)
      if name and name ~= "" and found[name] == nil then
        found[name] = trim(pair, equals + 1, #pair)
      end
    end
    q.cookies = found
    return found
  end

  function gate.cookie(_, name)
    return (q.cookies or cookies())[name] or ""
  end

  function gate.has_cookie(_, name)
    return (q.cookies or cookies())[name] ~= nil
  end

  gate.networks, gate.in_networks = addresses.networks, addresses.contains

  function gate.encode(value)
    return (gsub(value, "[^A-Za-z0-9%-%._~/]", function(text) return format("%%%02X", byte(text)) end))
  end
end


return M
