"""Many runs: which a table needs, how far each is, and how the missing ones are made."""
