"""Dashboards, recording rules and alerts, written as code; `make dashboards` writes them out."""
