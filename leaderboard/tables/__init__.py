"""Tables of results: columns, cells, notes, and a renderer for each format."""
