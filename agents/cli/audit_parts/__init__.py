"""`cloverwatch audit`: one file a subcommand."""
