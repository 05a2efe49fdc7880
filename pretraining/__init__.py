"""The small pipeline that makes models/everyday.safetensors: `make pretrain`."""
