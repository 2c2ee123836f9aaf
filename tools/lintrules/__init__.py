"""The rules of tools/lint: tables.py says what is enforced, ccode.py and text.py how it is found."""
