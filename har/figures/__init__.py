"""Pictures of skeletons and charts of metrics."""
