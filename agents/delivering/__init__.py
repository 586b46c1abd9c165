"""Delivery: alerts from Kafka to their destinations, with receipts."""
