"""The leaderboard as one page: its data, charts, pictures and templates."""
