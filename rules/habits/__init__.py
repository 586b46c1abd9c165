"""What is remembered of how somebody works, at bounded memory, and how it is weighed."""
