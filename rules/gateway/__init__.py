"""What gateways may let through, and whether what was done is what was decided. Pure."""
