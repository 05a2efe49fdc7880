"""A video to clips: decoding, pose estimators and their weights, extraction. An optional extra."""
