"""How it runs: the Faust app, the transport and its ledger, reference tables, the web server and the command line."""
