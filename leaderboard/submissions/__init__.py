"""Records of others: read, validated, and added to a leaderboard."""
