"""What `make docs` writes from the code: reference pages, tables of keys, the gallery's figures."""
