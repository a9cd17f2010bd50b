"""FastCGI, the authorizer role: the wire (`records`), the codec (`connection`), the sockets (`transport`)."""
