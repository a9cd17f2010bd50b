"""What an operator does on the lighttpd host: deploy, look, go back, keep secrets.

Never reads what a policy means; `settings.py` says where everything is. By job:

    the host file    settings, option
    releases         deploy has the order of its steps: candidate (with includes), rehearsal, release_store
                     (with records and history), services (with in_use), probe; lock and interruption
                     around them
    lighttpd         lighttpd_config (what it has read), local_url (where it listens), lighttpd_client
    looking          status, doctor/; in_force, issuer_keys, sidecar_client, systemd, listening, access
    secrets          credentials (with named_credentials, published_secrets), private_memory
    for the record   audit, operator, clock
    commands         release_commands, inspection_commands, credential_commands; file_errors, http_get,
                     terminal
"""
