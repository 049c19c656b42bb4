"""The models of the library MultiVae, adapted to the harness."""
