-- actions.lua: what rules do to a request.
--
-- attach(gate, host, q, ends) puts a function for each action on the gate; generated rules call them with `q` first,
-- once all their values are known. `ends`: the gate's answer, refuse and challenge, which end a request with a status.
-- A function that may end the request returns that status, or nil to go on.

local page, moved, field_stripper = pages, redirects, field_names.stripper -- of the modules embedded before this one

local byte, find, format, gsub, match, sub =
  string.byte, string.find, string.format, string.gsub, string.match, string.sub
local print = print

local MAX_LINES = 10 -- of `log`, in a second
local CONTROL = "[%z\1-\31\127]"

local M = {}


function M.attach(gate, host, q, ends)
  local req_header, resp_header = host.r.req_header, host.r.resp_header
  local env = host.r["req_" .. "env"] -- see gate.lua
  local time = host.c.time

  function gate.respond(_, index, status, body, content_type, headers)
    if headers then
      for i = 1, #headers, 2 do
        resp_header[headers[i]] = headers[i + 1]
      end
    end
    if status == 204 or status == 205 or status == 304 then
      return ends.answer(index, "respond", status)
    end
    if not body then
      body, content_type = page.plain(status), "text/plain; charset=utf-8"
    end
    return ends.answer(index, "respond", status, body, content_type)
  end

  -- A URL with the request's query behind its own, if it has one, and before its fragment.
  local function with_query(location)
    local query = q.query or gate.query(q)
    if query == "" then
      return location
    end
    local hash = find(location, "#", 1, true)
    local before = hash and sub(location, 1, hash - 1) or location
    local separator = find(before, "?", 1, true) and "&" or "?"
    return before .. separator .. query .. (hash and sub(location, hash) or "")
  end

  function gate.redirect(_, index, status, location)
    -- HTTP/1.0 has no Host, and browsers take the first segment for one: "https:///evil.example/"
    if find(location, "^https?:///") then
      return ends.refuse(nil, "refuse", 400, nil, "the request names no host")
    end
    -- "//host" and "/\host" name another host to a browser
    local rest = match(location, "^[/\\]+(.*)$")
    if rest then
      location = "/" .. rest
    end
    resp_header["Location"] = gsub(location, "[%c \"<>\\^`{|}\128-\255]", function(text)
      return format("%%%02X", byte(text))
    end)
    return ends.answer(index, "redirect", status, page.plain(status), "text/plain; charset=utf-8")
  end

  function gate.redirect_with_query(_, index, status, location)
    return gate.redirect(q, index, status, with_query(location))
  end

  gate.moved_paths = moved.new

  function gate.redirect_moved(_, index, paths, keep_query)
    local location, rest, status = moved.find(paths, q.path)
    if not location then
      return nil
    end
    if rest then
      location = location .. gate.encode(rest)
    end
    return gate.redirect(q, index, status, keep_query and with_query(location) or location)
  end

  function gate.require_identity(_, index, accepted, realm)
    local caller = gate.identity(q, index)
    if q.stop then
      return q.stop
    end
    if not caller.present then
      return ends.challenge(index, 401, realm, nil, "a bearer token is required")
    end
    if not accepted[caller.provider] then
      return ends.challenge(index, 401, realm, "invalid_token", "the token's issuer is not accepted here")
    end
    return nil
  end

  function gate.forbid(_, index, realm, scope)
    if realm then
      return ends.challenge(index, 403, realm, "insufficient_scope", "the caller is not permitted to do this", scope)
    end
    return ends.refuse(index, "forbid", 403, nil, "this is not permitted")
  end

  function gate.permit(_, index)
    q.permitted = index
  end

  function gate.set_request_header(_, name, value)
    if #name == 13 and find(name, "^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$") then
      q.sets_authorization = true -- the application's, not the caller's
    end
    q.effects = true
    req_header[name] = value
  end

  -- One more value of a field that is a list (RFC 9110 section 5.3).
  function gate.add_request_header(_, name, value)
    if value == "" then
      return
    end
    local before = req_header[name]
    q.effects = true
    req_header[name] = before and before .. ", " .. value or value
  end

  -- A function that removes fields in every spelling that an application could take for them; `names` in normal form.
  function gate.field_remover(names)
    return field_stripper(host, names)
  end

  function gate.remove_request_headers(_, remove)
    q.effects = true
    remove()
  end

  function gate.set_env(_, name, value)
    q.effects = true
    env[name] = value ~= "" and value or nil
  end

  -- lighttpd waits while the error log is written, and clients decide how often: ten lines a second, and how many
  -- there would have been.
  local second, lines, left_out = 0, 0, 0

  function gate.log(_, index, text)
    text = gsub(text, CONTROL, function(control) return format("\\x%02x", byte(control)) end)
    env["LIGHTGATE_LOG"] = text ~= "" and text or nil
    local now = time()
    if now ~= second then
      if left_out > 0 then
        print("lightgate: log: " .. left_out .. " lines left out")
      end
      second, lines, left_out = now, 0, 0
    end
    if lines == MAX_LINES then
      left_out = left_out + 1
      return
    end
    lines = lines + 1
    print("lightgate: log: " .. gate.names[index] .. ": " .. text)
  end
end


return M
