"""The packages that only some parts need, which pyproject.toml's extras install."""


def lacking(what: str, package: str, extra: str, error: ImportError) -> str:
    """Says that something needs a package that cannot be imported, and how to install it.

    Args:
        what: A singular, such as "FID".
        package: That it needs.
        extra: That installs it.
        error: Why it cannot be imported.
    """
    return f"{what} needs {package} ({error}); install it with: pip install 'mmbench[{extra}]'"
