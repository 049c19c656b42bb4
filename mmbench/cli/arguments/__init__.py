"""What commands are called with: options, how words become values, what is said of mistakes."""
