-- The globals common to Lua 5.1 to 5.5 and LuaJIT; each runtime module may also use the modules that the generated
-- script embeds before it, as locals.
std = "min"
max_line_length = 130
files["lua/lightgate/address.lua"] = {}
files["lua/lightgate/claims.lua"] = { read_globals = { "json", "identity" } }
files["lua/lightgate/tokens.lua"] = { read_globals = { "json", "claims" } }
files["lua/lightgate/country.lua"] = { read_globals = { "address" } }
files["lua/lightgate/fields.lua"] = { read_globals = { "address", "automaton", "texts" } }
files["lua/lightgate/actions.lua"] = { read_globals = { "pages", "redirects", "field_names" } }
files["lua/lightgate/gate.lua"] = {
  read_globals = {
    "country", "identity", "tokens", "pages", "stash", "fields", "target", "field_names", "verdicts", "operator", "actions",
    "dispatch", "noted", "limits", "cors",
  },
}
