"""The gateways' decision point: AuthZEN over HTTP, each decision recorded before it is answered."""
