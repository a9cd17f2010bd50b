-- A `lighty` table as mod_magnet presents it, for running scripts outside lighttpd. Only behaviour that
-- docs and runs of the real server have shown is imitated: case-insensitive header and environment names,
-- nil for absent and for blank values, a per-run environment in front of _G, values kept as strings.
-- Primitives (hmac, base64, time, stat) come in from the test.

local primitives = ...

local lower, sub = string.lower, string.sub

-- A map with case-insensitive names that remembers the spelling and order of arrival.
local function new_fields(initial, first_spelling)
  local values, spelling, order = {}, {}, {}
  local fields = {}
  local function put(name, value)
    local key = lower(name)
    if value == nil or value == "" then
      values[key] = nil
      for i = #order, 1, -1 do
        if order[i] == key then table.remove(order, i) end
      end
      return
    end
    if type(value) ~= "string" and type(value) ~= "number" then
      error("bad value for " .. name .. ": " .. type(value))
    end
    if values[key] == nil then
      order[#order + 1] = key
      spelling[key] = name
    elseif not first_spelling then
      spelling[key] = name
    end
    values[key] = tostring(value)
  end
  for i = 1, #initial, 2 do
    put(initial[i], initial[i + 1])
  end
  local function each()
    local i = 0
    return function()
      i = i + 1
      local key = order[i]
      if key then return spelling[key], values[key] end
    end
  end
  local meta = {
    __index = function(_, name) return values[lower(name)] end,
    __newindex = function(_, name, value) put(name, value) end,
    __pairs = function() return each() end,
  }
  return setmetatable(fields, meta), each
end


-- Under Lua 5.1 mod_magnet replaces `pairs` so that it walks userdata; so does this.
local plain_pairs = pairs
function pairs(t)
  local meta = getmetatable(t)
  if meta and meta.__pairs then
    return meta.__pairs(t)
  end
  return plain_pairs(t)
end


local M = {}
local delegates = {} -- what lighty.r.* of this Lua state currently point to


local function proxy(name)
  return setmetatable({}, {
    __index = function(_, key)
      local target = delegates[name]
      return target[key]
    end,
    __newindex = function(_, key, value) delegates[name][key] = value end,
    __pairs = function() return getmetatable(delegates[name]).__pairs() end,
  })
end


local ATTR_READ_ONLY = { ["request.method"] = true }

local lighty = {
  r = {
    req_attr = proxy("attr"), req_header = proxy("request"), resp_header = proxy("response"),
    req_env = proxy("env"), req_item = proxy("item"), req_body = proxy("body"), resp_body = {},
  },
  c = primitives,
  server = { stats = { version = "lighttpd/1.4.69" } },
}

local response_body
function lighty.r.resp_body.set(text)
  response_body = text
end


function M.set_version(version)
  lighty.server.stats.version = version
end


-- A new request. `headers` is a flat name/value array, `attributes` a table, `body` text or nil; `length` says what
-- lighttpd would say of a body that is not there.
function M.open(attributes, headers, body, length)
  local attr = {}
  for name, value in plain_pairs(attributes) do attr[name] = value end
  delegates.attr = setmetatable({}, {
    __index = attr,
    __newindex = function(_, name, value)
      if not ATTR_READ_ONLY[name] then attr[name] = value end
    end,
  })
  delegates.request = new_fields(headers, true)
  delegates.env = new_fields({})
  delegates.response = new_fields({})
  delegates.item = { http_status = 0 }
  local text = body or ""
  delegates.body = setmetatable({}, {
    __index = function(_, key)
      if key == "len" then return length or #text end
      if key == "get" then return text end
      if key == "collect" then return true end
      if key == "set" then return function(value) text = value end end
    end,
  })
  response_body = nil
end


-- What lighttpd does before it runs Lua again after an authorizer allowed.
function M.restart(attributes)
  for name, value in plain_pairs(attributes) do delegates.attr[name] = value end
  delegates.response = new_fields({})
  response_body = nil
end


function M.set_response(status, headers, body)
  delegates.item.http_status = status
  delegates.response = new_fields(headers)
  response_body = body
end


function M.set_env(name, value)
  -- mod_fastcgi appends a variable to one of the same name
  local present = delegates.env[name]
  delegates.env[name] = present and (present .. ", " .. value) or value
end


local function snapshot(fields)
  local flat = {}
  for name, value in getmetatable(fields).__pairs() do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  return flat
end


function M.request_headers() return snapshot(delegates.request) end
function M.response_headers() return snapshot(delegates.response) end
function M.env() return snapshot(delegates.env) end
function M.attribute(name) return delegates.attr[name] end
function M.body() return delegates.body.get end
function M.response_body() return response_body end


-- Scripts that have been compiled; mod_magnet compiles a script once, too.
local MAX_CHUNKS = 8
local chunks, chunk_count = {}, 0

local function compiled(script, name)
  local chunk = chunks[script]
  if not chunk then
    chunk = assert((loadstring or load)(script, name))
    if chunk_count == MAX_CHUNKS then
      chunks, chunk_count = {}, 0
    end
    chunks[script] = chunk
    chunk_count = chunk_count + 1
  end
  return chunk
end


-- Runs a script the way mod_magnet does: a fresh global table in front of _G each time.
function M.run(script, name)
  local globals = setmetatable({ lighty = lighty, print = M.print }, { __index = _G })
  local chunk = compiled(script, name)
  if setfenv then
    setfenv(chunk, globals)
  else
    debug.setupvalue(chunk, 1, globals)
  end
  return chunk()
end


function M.print(text)
  assert(type(text) == "string", "print of a " .. type(text) .. " is an error in lighttpd")
  M.printed[#M.printed + 1] = text
end

M.printed = {}
M.lighty = lighty

return M
