"""The subcommands of `cloverwatch audit`, one file each."""
