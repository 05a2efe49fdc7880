"""Bounds on what files of clips may hold, so that memory and time stay bounded."""

MOST_CLASSES = 10_000
MOST_BYTES = 2**30  # of a file or a folder, and of what it unpacks to
MOST_JSON = 2**24  # bytes; nested lists can take forty times that in memory
MOST_NUMBERS = 2**27  # of one array: an hour of ten persons, whose numbers take 4 bytes each
TOO_FAR = 1e9  # from where on squares and sums of single precision are no longer sure to be finite
