"""Documents the chart's values from its values.yaml: a JSON schema, and a table in its README."""
