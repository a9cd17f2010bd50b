-- gate.lua: a request's way through the rules, inside lighttpd.
--
-- new_gate(lighty, settings, before) is called once per Lua state and release; the gate it returns is kept in _G, and
-- gate.run() is called for every pass of every request. `before`: { release, fingerprint, marks } of the gate that this
-- one replaces, or nil; plain data, because what lighttpd gave to an earlier chunk must not be touched. Nothing here waits.
-- docs/internals.md has the interface that generated rules use and the protocol with the sidecar.
--
-- INVARIANT: a request reaches the origin only through `grant`, and waits only through `defer`; run() turns
-- any other way of ending with "go on" into a 500.

-- the modules embedded before this one
local request_fields, targets, identities, token_rules, page = fields, target, identity, tokens, pages
local countries = country
local operator_pages, rule_actions, dispatcher = operator, actions, dispatch
local rule_notes, rule_limits, rule_cors = noted, limits, cors
local new_stash, new_verdicts, new_stripper = stash.new, verdicts.new, field_names.stripper

local byte, find, format, match, sub =
  string.byte, string.find, string.format, string.match, string.sub
local next, print, tonumber, tostring, type = next, print, tonumber, tostring, type

-- How rules name the types of claims, and how Lua does.
local CLAIM_TYPES = { string = "string", integer = "number", boolean = "boolean", strings = "table" }

local BODY_MARK = ".body" -- ends the nonce of a request whose body is held
local AUTHORIZER_PATH = "/.lightgate/authorize"
local RESERVED, RESERVED_PREFIX = "/.lightgate", "/.lightgate/"

local GUARD_VARIABLES = {
  "LIGHTGATE_STATE", "LIGHTGATE_ANSWER", "LIGHTGATE_CURRENT_IDENTITY", "LIGHTGATE_EXPIRES", "LIGHTGATE_RELEASE",
  "LIGHTGATE_NONCE", "LIGHTGATE_ASK", "LIGHTGATE_PATH", "LIGHTGATE_HOST",
}

-- What lighttpd 1.4.69 and later can be relied on for, by release (patch number of 1.4).
local FIRST_SUPPORTED = 69
local LAST_LOSING_BODIES = 76 -- gives a buffered request body to the authorizer
local REFUSED = { [83] = true, [84] = true } -- drop body and header fields of a refusal made in Lua


local function new_gate(host, settings, before)
  local r, c = host.r, host.c
  local req_attr, req_header, resp_header = r.req_attr, r.req_header, r.resp_header
  local resp_body, req_body = r.resp_body, r.req_body
  -- Spelt in two pieces: the whole word in the script's text makes lighttpd collect the environment of other
  -- modules before every run.
  local env = r["req_" .. "env"]
  local time, hrtime = c.time, c.hrtime

  local release, log_decisions = settings.release, settings.log_decisions
  local passes = settings.default == "pass"
  local strip = next(settings.strip) and new_stripper(host, settings.strip)
  local has_auth = #settings.issuers > 0
  local examiner = has_auth and token_rules.new(host, settings)
  local cache = has_auth and new_verdicts(host, settings.epoch_file, examiner.forget)
  local keeps_token = {} -- provider names whose tokens the origin may see
  local providers = {}
  for i = 1, #settings.issuers do
    local issuer = settings.issuers[i]
    providers[issuer.name] = true
    keeps_token[issuer.name] = issuer.forward_token or nil
  end

  local patch = tonumber(match(tostring(host.server.stats.version), "^lighttpd/1%.4%.(%d+)"))
  local loses_bodies = patch ~= nil and patch <= LAST_LOSING_BODIES
  local bodies = loses_bodies and new_stash()

  local gate = { release = release, fingerprint = settings.fingerprint, host = r, rules = {}, names = {} }
  -- A release whose callers are found out exactly as this one's, so that what it has asked is answered for this one.
  local akin = before and before.fingerprint == settings.fingerprint and before.release
  local q = {} -- the request being looked at: memoised fields, and what has been decided so far
  local counter = 0
  -- Whether requests that are let through are marked, for the pass that an error handler may make of them. Only
  -- once a handler has been seen: on most servers there is none.
  gate.marks = before ~= nil and before.marks
  local notes -- what rules note for later (noted.lua)


  -- === ends of a request =========================================================================

  -- `index`: of the deciding rule, 0 for the policy's default, nil for lightgate's own checks.
  local function note(index, decision)
    if gate.sets_response_headers then
      env["LIGHTGATE_RESPONSE"] = q.response -- nil, too: an earlier pass may have left its own
    end
    if gate.falls_back then
      env["LIGHTGATE_FALLBACK"] = decision == "pass" and q.fallbacks or nil
    end
    if log_decisions then
      env["LIGHTGATE_RULE"] = index and (gate.names[index] or "default") or "lightgate"
      env["LIGHTGATE_DECISION"] = decision
      env["LIGHTGATE_WHERE"] = q.where or "lua"
    end
  end

  -- The one place where a request is let through to the origin; `index` names the rule that permitted it,
  -- 0 the policy's default.
  local function grant(index)
    if q.stop then -- generated code went on where it should have stopped: stop here
      return q.stop
    end
    local caller = q.identity
    if caller and caller.present and not keeps_token[caller.provider] and not q.sets_authorization then
      req_header["Authorization"] = nil
    end
    if gate.marks then
      env["LIGHTGATE_PASSED"] = "1"
    end
    -- CGI and FastCGI applications route on the target as the client spelt it; rules saw it normalised.
    local target = req_attr["request.orig-uri"]
    if
      target and target ~= q.path
      and (find(target, "/.", 1, true) or find(target, "//", 1, true) or find(target, "%2", 1, true))
    then
      local normal = targets.normal(target, c)
      if normal then
        env["REQUEST_URI"] = normal
      end
    end
    if q.has_notes then
      notes.apply()
    end
    note(index, "pass")
    q.granted = true
    return 0
  end

  local function answer(index, decision, status, body, content_type)
    note(index, decision)
    if body then
      resp_header["Content-Type"] = content_type
      resp_body.set(body)
    end
    return status
  end

  local function refuse(index, decision, status, code, text)
    resp_header["Cache-Control"] = "no-store"
    local body, content_type = page.refusal(page.wants_html(req_header["Accept"]), status, code, text)
    return answer(index, decision, status, body, content_type)
  end

  local function challenge(index, status, realm, code, text, scope)
    local value = 'Bearer realm="' .. realm .. '"'
    if code then
      value = value .. ', error="' .. code .. '", error_description="' .. text .. '"'
      if scope then
        value = value .. ', scope="' .. scope .. '"'
      end
    end
    resp_header["WWW-Authenticate"] = value
    return refuse(index, status == 403 and "forbid" or "challenge", status, code, text)
  end

  -- For what should not happen: says why in the error log, and nothing to the client. The same reason is
  -- written once a second: lighttpd waits for the disk, and clients may find a way to bring it about.
  local said, said_at
  local function unavailable(index, why)
    local now = time()
    if why ~= said or now ~= said_at then
      said, said_at = why, now
      print("lightgate: 503: " .. why)
    end
    resp_header["Retry-After"] = "1"
    return refuse(index, "unavailable", 503, nil, "the request could not be checked, try again")
  end


  -- === fields of a request =======================================================================

  request_fields.attach(gate, host, q)
  if settings.country then
    countries.attach(gate, host, q, settings.country, patch, unavailable)
  end

  function gate.clean(_, value)
    if q.stop then -- what barred the way first is what the client is told
      return ""
    end
    if find(value, "%c") then
      q.stop = refuse(nil, "refuse", 400, nil, "the request holds control characters")
      return ""
    end
    return value
  end


  -- === deferral ===================================================================================

  -- Takes the body out of the request where lighttpd would give it to the authorizer. Returns false while it is
  -- still arriving, true when done, or nil and the status of a refusal.
  local function save_body(nonce, index)
    local length = tonumber(req_body.len) or 0
    if length > 0 and not bodies.fits(length) then
      return nil, refuse(index, "refuse", 413, nil, "the body is too large to be held, use HTTP/1.1")
    end
    local collected = req_body.collect
    if collected == false then
      return false
    elseif not collected then
      return nil, unavailable(index, "another handler owns the request body")
    end
    length = tonumber(req_body.len) or 0
    local body = req_body.get
    if not body or length < 0 or #body < length then
      return nil, unavailable(index, "the request body could not be read")
    end
    -- up to 1.4.71 the text may begin with bytes that precede the body
    if not bodies.put(nonce, sub(body, #body - length + 1), time()) then
      return nil, unavailable(index, "no room to hold another request body")
    end
    req_body.set("")
    return true
  end

  -- Hands the request to the sidecar, which is asked for `what`. Returns the status to leave with: 0, or that of
  -- a refusal. `index`: of the rule that suspends, 0 for none.
  local function defer(index, what)
    counter = counter + 1
    local seconds, nanoseconds = hrtime()
    local nonce = seconds .. "." .. nanoseconds .. "." .. counter
    if loses_bodies and req_attr["request.protocol"] == "HTTP/2.0" and tonumber(req_body.len) ~= 0 then
      nonce = nonce .. BODY_MARK
      local saved, status = save_body(nonce, index)
      if saved == nil then
        return status
      elseif not saved then
        nonce = "collect"
      end
    end
    local flushes = cache and cache.flushes() or 0
    env["LIGHTGATE_STATE"] = release .. " " .. nonce .. " " .. index .. " " .. (q.permitted or 0) .. " " .. flushes
      .. (q.effects and " 1" or " 0")
    notes.save()
    env["LIGHTGATE_IDENTITY"] = nil
    env["LIGHTGATE_CURRENT_IDENTITY"] = nil
    env["LIGHTGATE_ANSWER"] = nil
    env["LIGHTGATE_EXPIRES"] = nil
    if nonce ~= "collect" then
      env["LIGHTGATE_RELEASE"] = release
      env["LIGHTGATE_NONCE"] = nonce
      env["LIGHTGATE_ASK"] = what
      env["LIGHTGATE_PATH"] = q.path
      env["LIGHTGATE_HOST"] = q.host_name or gate.host_name(q)
      req_attr["uri.path"] = AUTHORIZER_PATH
      q.where = "sidecar"
    end
    note(index, "defer")
    q.deferred = true
    return 0
  end

  -- From here on the request has a caller: for rules, for the application and for the access log.
  local function know(caller, where)
    q.identity, q.where = caller, where
    env["REMOTE_USER"] = caller.sub
    env["LIGHTGATE_IDENTITY"] = caller.text
  end

  -- Takes up a deferred request again: the index of the rule that suspended, or nil and why not.
  local function resume(state)
    local asked, nonce, index, permitted, flushes, effects = match(state, "^(%S+) (%S+) (%d+) (%d+) (%d+) ([01])$")
    local answered = env["LIGHTGATE_ANSWER"]
    local text, expires = env["LIGHTGATE_IDENTITY"], env["LIGHTGATE_EXPIRES"]
    local current = env["LIGHTGATE_CURRENT_IDENTITY"]
    for i = 1, #GUARD_VARIABLES do
      env[GUARD_VARIABLES[i]] = nil
    end
    env["LIGHTGATE_IDENTITY"] = nil
    local body = bodies and nonce and bodies.take(nonce)
    index, permitted = tonumber(index), tonumber(permitted)
    local replaced, is_akin = asked ~= release, asked == akin
    if replaced then
      if effects ~= "0" or not (is_akin or current) then
        return nil, "the policy changed while the request waited"
      end
      -- Who is calling is known; what that may do is for the new rules, all of them.
      index, permitted = 1, 0
      env["LIGHTGATE_RESPONSE"] = nil
      if strip then
        strip()
      end
    elseif not gate.rules[index] then
      return nil, "the request's state is damaged"
    end
    notes.restore(not replaced)
    q.permitted = permitted > 0 and permitted or nil
    q.response = env["LIGHTGATE_RESPONSE"]
    q.effects = effects == "1"
    if nonce == "collect" then
      return index
    end
    if sub(nonce, -#BODY_MARK) == BODY_MARK then
      if not body then
        return nil, "the request's body is no longer held"
      end
      req_body.set(body)
    end
    if answered ~= asked .. " " .. nonce then
      return nil, "the sidecar's answer is missing or belongs to another request"
    end
    local caller = text and identities.decode(text, asked)
    if caller and replaced and not is_akin then
      caller = identities.decode(current, release)
    end
    if not caller or not providers[caller.provider] then
      return nil, "the sidecar's answer holds no valid identity"
    end
    expires = expires and #expires <= 15 and tonumber(match(expires, "^%d+$"))
    if not expires then
      return nil, "the sidecar's answer holds no valid expiry"
    end
    if replaced then -- and not remembered: this gate cannot tell whether all was forgotten meanwhile
      if is_akin then
        caller = identities.new(
          release, caller.provider, caller.sub, caller.email, caller.role_list, caller.claims, settings.claims or {}
        )
      end
      know(caller, "sidecar")
      return index
    end
    local credential, now = req_header["Authorization"], cache.now()
    if credential and cache.flushes() == tonumber(flushes) then
      cache.remember(credential, caller, expires, now)
    end
    know(caller, "sidecar")
    return index
  end


  -- === who is calling =============================================================================

  local function anonymous()
    -- A later pass of a request that has been through here: a rewrite or an error handler restarted it.
    local text = env["LIGHTGATE_IDENTITY"]
    local caller = text and identities.decode(text, release)
    if not caller or not providers[caller.provider] then
      q.identity = identities.ANONYMOUS
      return identities.ANONYMOUS
    end
    know(caller)
    return caller
  end

  local function examine(index, credential, now)
    local token, problem = token_rules.bearer(credential)
    if not token and not problem then
      return anonymous()
    end
    if env["LIGHTGATE_IDENTITY"] then
      local caller = anonymous()
      if caller.present then
        return caller
      end
      q.identity = nil
    end
    if problem == "several" then
      q.stop = challenge(index, 400, "lightgate", "invalid_request", "more than one credential was presented")
    elseif problem then
      q.stop = challenge(index, 400, "lightgate", "invalid_request", "the credential is malformed")
    else
      -- time() may be late by a second, and a token may have been issued in this very one
      local caller, reason, expires = examiner.examine(token, (hrtime()))
      if caller then
        cache.remember(credential, caller, expires, now)
        know(caller)
        return caller
      elseif reason then
        q.stop = challenge(index, 401, "lightgate", "invalid_token", reason)
      else
        q.stop = defer(index, "identity")
      end
    end
    return identities.ANONYMOUS
  end

  function gate.identity(_, index)
    local caller = q.identity
    if caller then
      return caller
    end
    if q.stop then -- an earlier part of the same expression found the way barred
      return identities.ANONYMOUS
    end
    local credential = req_header["Authorization"]
    if not credential or not has_auth then
      return anonymous()
    end
    local now = cache.now()
    caller = cache.recall(credential, now)
    if caller then
      know(caller, "cache")
      return caller
    end
    return examine(index, credential, now)
  end


  function gate.claim(_, index, pointer, kind)
    local value = (q.identity or gate.identity(q, index)).claims[pointer]
    if type(value) == CLAIM_TYPES[kind] then
      return value
    end
    return nil
  end


  -- === what rules do ==============================================================================

  dispatcher.attach(gate, q, passes)
  local ends = { answer = answer, refuse = refuse, challenge = challenge }
  notes = rule_notes.attach(gate, host, q, ends, before ~= nil)
  rule_actions.attach(gate, host, q, ends)
  rule_limits.attach(gate, host, q, ends)
  rule_cors.attach(gate, host, q, ends)


  -- === lightgate's own pages ======================================================================

  local function reserved(path)
    local method = req_attr["request.method"]
    local is_page = path == operator_pages.HEALTH or path == operator_pages.STATUS
    if
      not is_page
      or (method ~= "GET" and method ~= "HEAD")
      or tonumber(req_body.len) ~= 0
      or env["LIGHTGATE_STATE"] -- an answer that allows; what was asked for is never a permission
      or not operator_pages.is_local(req_attr["request.remote-addr"])
    then
      return refuse(nil, "refuse", 404, nil, "there is nothing here")
    end
    if path == operator_pages.HEALTH then
      return defer(0, "health")
    end
    resp_header["Cache-Control"] = "no-store"
    local body = operator_pages.status(release, patch, cache and cache.figures())
    return answer(nil, "respond", 200, body, "application/json")
  end


  -- === a pass =====================================================================================

  -- A request that lighttpd, or a module before mod_magnet, refused without asking anybody; an error handler would run
  -- for it, and applications behind one route on the URL of the request, which no rule has seen.
  local function unseen(status)
    gate.marks = true
    env["LIGHTGATE_STATE"] = nil
    status = tonumber(match(status, "^[45]%d%d$")) or 400
    return refuse(nil, "refuse", status, nil, "the request was refused before any rule could look at it")
  end


  local function pass()
    for name in next, q do
      q[name] = nil
    end
    local path = req_attr["uri.path"]
    if type(path) ~= "string" then
      return refuse(nil, "refuse", 400, nil, "the request has no path")
    end
    q.path = path
    -- Nobody has split the path yet, unless a gateway module that stands before mod_magnet took the request.
    if req_attr["request.path-info"] then
      return unavailable(nil, "a module listed before mod_magnet in server.modules has taken the request")
    end
    local handled = env["REDIRECT_STATUS"] -- of the response that an error handler stands in for
    if handled and not env["LIGHTGATE_PASSED"] then
      return unseen(handled)
    end
    if byte(path, 2) == 46 and (path == RESERVED or sub(path, 1, #RESERVED_PREFIX) == RESERVED_PREFIX) then
      return reserved(path)
    end
    local first = 1
    local state = env["LIGHTGATE_STATE"]
    if state then
      local why
      first, why = resume(state)
      if not first then
        return unavailable(nil, why)
      end
    elseif strip then
      strip()
    end
    local walk, lets_through = gate.walk, passes
    if walk then
      local status
      status, lets_through = walk(first)
      if status then
        return status
      elseif lets_through == nil then
        return unavailable(nil, "the request's state is damaged")
      end
    else
      local rules = gate.rules
      for index = first, #rules do
        local status = rules[index](q)
        if status then
          return status
        end
      end
    end
    local permitted = q.permitted
    if permitted then
      return grant(permitted)
    elseif lets_through then
      return grant(0)
    end
    return refuse(0, "forbid", 403, nil, "nothing permits this request")
  end

  local unsupported
  if not patch then
    unsupported = "cannot tell the version of lighttpd"
  elseif patch < FIRST_SUPPORTED or REFUSED[patch] then
    unsupported = format("lighttpd 1.4.%d is not supported, install 1.4.85 or later", patch)
  end

  -- What the script returns to lighttpd: 0 to go on, or a status. lighttpd lets a request pass for everything
  -- that is not a whole number, so this is the last word.
  function gate.run()
    if unsupported then
      return unavailable(nil, unsupported)
    end
    local status = pass()
    if status == 0 and (q.granted or q.deferred) then
      return 0
    end
    if type(status) == "number" and status % 1 == 0 and status >= 200 and status <= 599 then
      return status
    end
    print("lightgate: bug in lightgate: a rule ended with " .. tostring(status))
    note(nil, "unavailable") -- what an earlier pass noted stands in for no refusal
    return 500
  end

  return gate
end


return new_gate
