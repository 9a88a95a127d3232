"""The rules, without storage and without HTTP."""
