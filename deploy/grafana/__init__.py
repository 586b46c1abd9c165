"""Dashboards of the monitor itself, made with Grafana's own SDK. `make dashboards` writes them."""
