"""Signed tokens: the compact form (`compact`), keys (`keys`) and signatures (`verify`)."""
