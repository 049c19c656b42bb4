"""What records amount to: tables, figures, claims and the page."""
