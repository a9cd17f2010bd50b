"""What a policy means, to be read: a model and a request to a decision, without IR, Lua and lighttpd."""
