"""How matching runs: a consumer group over decisions and accesses, its saved state, alerts (`cloverwatch match`)."""
