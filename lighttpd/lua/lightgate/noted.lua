-- noted.lua: what rules note for later: for the moment at which a request is let through, and for its response.
--
-- attach(gate, host, q, ends) puts the functions for rules on the gate, and returns what the gate itself needs. Notes are
-- in `q` during a pass, and in one variable of the request while it waits: LIGHTGATE_NOTED, lines of a letter and a
-- text. No text has line ends: rules check their values for control characters first.

local byte, format, gmatch, gsub, sub =
  string.byte, string.format, string.gmatch, string.gsub, string.sub
local next = next

local RESERVED, RESERVED_PREFIX = "/.lightgate", "/.lightgate/"
local ORIGINS = "/.lightgate/origin/" -- lightgate.conf has an entry for each of these

-- The name of a note in `q` by its letter.
local NOTES = { p = "new_path", q = "new_query", o = "origin", f = "fallbacks" }

local M = {}


-- `replaces`: whether another gate ran in this state before, whose notes a later pass of a request may still have.
function M.attach(gate, host, q, ends, replaces)
  local req_attr = host.r.req_attr
  local env = host.r["req_" .. "env"] -- see gate.lua
  local simplify = host.c.fspath_simplify

  gate.sets_response_headers = replaces -- whether any rule has, since this state began
  gate.falls_back = replaces -- likewise

  -- === the response ===============================================================================

  -- Lines of a letter for what is done, name and value; response.lua carries them out in order.
  local function change(what, name, value)
    gate.sets_response_headers = true
    q.response = (q.response or "") .. what .. name .. ": " .. value .. "\n"
  end

  -- Several such lines, made once.
  function gate.change_response(_, lines)
    gate.sets_response_headers = true
    q.response = (q.response or "") .. lines
  end

  function gate.set_response_header(_, name, value)
    change("=", name, value)
  end

  function gate.add_response_header(_, name, value)
    if value ~= "" then
      change("+", name, value)
    end
  end

  function gate.remove_response_header(_, name)
    change("=", name, "")
  end

  -- `key`: of what response.lua has to put in place of some answers.
  function gate.fall_back(_, key)
    gate.falls_back = true
    q.has_notes = true
    q.fallbacks = key .. " " .. (q.fallbacks or "") -- the last one first
  end

  -- === where the request goes =====================================================================

  -- `path` decoded, `query` encoded; nil leaves them.
  function gate.rewrite(_, path, query)
    if path then
      path = simplify(path)
      if not path or byte(path) ~= 47 or path == RESERVED or sub(path, 1, #RESERVED_PREFIX) == RESERVED_PREFIX then
        return ends.refuse(nil, "refuse", 404, nil, "there is nothing here")
      end
    end
    q.has_notes = true
    q.new_path, q.new_query = path or q.new_path, query or q.new_query
    return nil
  end

  function gate.choose_origin(_, name)
    q.has_notes = true
    q.origin = name
  end

  local function encoded(path)
    return (gsub(path, "[^A-Za-z0-9%-%._~/]", function(text) return format("%%%02X", byte(text)) end))
  end

  local notes = {}

  -- Carries out what is noted, for a request that is let through.
  function notes.apply()
    local path = q.path
    -- Once a request, as mod_rewrite's rewrite-once: a later pass has another path because lighttpd was told so.
    if (q.new_path or q.new_query) and not env["LIGHTGATE_REWRITTEN"] then
      env["LIGHTGATE_REWRITTEN"] = "1"
      local target = q.new_path and encoded(q.new_path) or q.raw_path or gate.raw_path(q)
      local query = q.new_query or q.query or gate.query(q)
      -- Static files, CGI and FastCGI go by path and query, mod_proxy by the target.
      req_attr["request.uri"] = query ~= "" and target .. "?" .. query or target
      if q.new_query then
        req_attr["uri.query"] = query
      end
      path = q.new_path or path
      req_attr["uri.path"] = path
    end
    if q.origin then
      req_attr["uri.path"] = ORIGINS .. q.origin .. path
    end
  end

  -- Puts the notes where they survive lighttpd's restart.
  function notes.save()
    local text
    if q.has_notes then
      text = ""
      for letter, name in next, NOTES do
        if q[name] then
          text = text .. letter .. q[name] .. "\n"
        end
      end
    end
    env["LIGHTGATE_NOTED"] = text
  end

  -- Takes them up again; `wanted`: or only removes them.
  function notes.restore(wanted)
    local text = env["LIGHTGATE_NOTED"]
    if not text then
      return
    end
    env["LIGHTGATE_NOTED"] = nil
    if wanted then
      for letter, value in gmatch(text, "(%l)([^\n]*)\n") do
        q[NOTES[letter]] = value
      end
      q.has_notes = true
      gate.falls_back = gate.falls_back or q.fallbacks ~= nil
    end
  end

  return notes
end


return M
