"""Limits on the content of clip files, so that reading stays within bounds of memory and time."""

MOST_CLASSES = 10_000
MOST_BYTES = 2**30  # of a file or a folder, packed and unpacked
MOST_JSON = 2**24  # bytes; nested lists can take forty times that in memory
MOST_NUMBERS = 2**27  # of one array: an hour of ten persons, whose numbers take 4 bytes each
TOO_FAR = 1e9  # squares and sums of larger coordinates can overflow single precision
