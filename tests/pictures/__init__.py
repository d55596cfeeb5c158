"""A program, no test: `make pictures` takes the pictures of the README and of the handbook in a real Chromium."""
