"""The demo: a page on which visitors give some modalities and see the others drawn."""
