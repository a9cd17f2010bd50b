"""What an operator does on the lighttpd host: deploy, look, go back. Reads the host file, never the policy's
meaning; `settings.py` says where everything is."""
