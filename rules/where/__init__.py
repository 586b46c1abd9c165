"""Where data lives and where it is reached from: reports for whoever answers for it. Pure."""
