-- country.lua: where a request comes from, as mod_maxminddb or a front says.
--
-- attach(gate, host, q, source, patch, unavailable) puts gate.country(q) on the gate. `source`: { variable } names what
-- mod_maxminddb sets, { header, trusted } a field that counts when the peer is in one of these networks. mod_extforward
-- replaces the peer's address by the client's, and its port by 0: it does so only for peers that it was told to trust, so
-- they count too.

local addresses = address -- the module embedded before this one

-- Up to this release (patch number of 1.4) mod_maxminddb looks up one address for each connection.
local LAST_WITH_ONE_COUNTRY = 69

local M = {}


function M.attach(gate, host, q, source, patch, unavailable)
  local req_attr, req_header = host.r.req_attr, host.r.req_header
  local env = host.r["req_" .. "env"] -- see gate.lua
  local name, field = source.variable, source.header
  local trusted = field and addresses.networks(source.trusted)
  local one_a_connection = patch and patch <= LAST_WITH_ONE_COUNTRY

  local function looked_up()
    if one_a_connection and req_attr["request.remote-port"] == "0" then
      q.stop = q.stop or unavailable(nil, "lighttpd 1.4.69 knows one country for all clients behind a front:"
        .. " install 1.4.70 or later, or take the country from a field of the front")
      return ""
    end
    return env[name] or ""
  end

  local function told()
    if req_attr["request.remote-port"] == "0" or addresses.contains(trusted, gate.ip(q)) then
      return req_header[field] or ""
    end
    return ""
  end

  local read = name and looked_up or told

  function gate.country(_)
    local value = read()
    q.country = value
    return value
  end
end


return M
