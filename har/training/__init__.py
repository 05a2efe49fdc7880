"""Training: the trainer, optimisers, devices, resuming, pre-training."""
