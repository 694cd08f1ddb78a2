"""An index in PostgreSQL, of many devices and machines: the one place that knows its driver."""
