-- pages.lua: bodies of the responses that Lua makes itself. Never empty: lighttpd replaces header fields and body of
-- an error without a body by its own page.

local find, format, gsub = string.find, string.format, string.gsub

local TITLES = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information",
  [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect",
  [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden",
  [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable", [408] = "Request Timeout",
  [409] = "Conflict", [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed",
  [413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type",
  [416] = "Range Not Satisfiable", [417] = "Expectation Failed", [421] = "Misdirected Request",
  [422] = "Unprocessable Content", [426] = "Upgrade Required", [428] = "Precondition Required",
  [429] = "Too Many Requests", [431] = "Request Header Fields Too Large", [451] = "Unavailable For Legal Reasons",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

local HTML = [[<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%d %s</title>
<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color-scheme:light dark}</style>
<h1>%s</h1><p>%s</p></html>
]]

local M = {}


local function title_of(status)
  return TITLES[status] or "Status " .. status
end


-- Whether the client asks for a page for people: a browser names text/html, a program mostly does not.
function M.wants_html(accept)
  return accept ~= nil and find(accept, "text/html", 1, true) ~= nil
end


-- A one-line body for a response whose policy gives none.
function M.plain(status)
  return format("%d %s\n", status, title_of(status))
end


-- The body and content type of a refusal. `code` is an error code of RFC 6750 section 3.1 or nil; `text` is a
-- fixed sentence without markup, never anything a client sent.
function M.refusal(html, status, code, text)
  if html then
    local title = title_of(status)
    return format(HTML, status, title, title, (gsub(text, "^%l", string.upper)) .. "."), "text/html; charset=utf-8"
  end
  local member = code and format('"error":"%s",', code) or ""
  return format('{"status":%d,%s"error_description":"%s"}\n', status, member, text), "application/json"
end


return M
