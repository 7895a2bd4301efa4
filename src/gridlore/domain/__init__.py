"""The rules of the book of record, pure: standard library and NumPy only, no I/O and no clock."""
