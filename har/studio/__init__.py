"""A page in the browser: watch, teach, explore. An optional extra."""
