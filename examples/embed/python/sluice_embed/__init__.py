"""The Sluice core in Python: load it, lend it memory, call it."""
