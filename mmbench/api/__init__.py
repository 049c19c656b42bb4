"""The Python interface, whose functions the command line calls: `import mmbench` offers them."""
