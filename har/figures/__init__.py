"""Pictures of skeletons and charts of figures."""
