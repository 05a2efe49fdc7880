"""Networks learn: the trainer, devices, resuming."""
