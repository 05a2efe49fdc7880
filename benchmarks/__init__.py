"""Studies of many runs: cross-validation, the leaderboard of models, speed and scale."""
