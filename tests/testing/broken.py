"""Which laws of a suite something breaks."""

import inspect


def laws_of(suite):
    return [name for name in vars(suite) if name.startswith("test_")]


def broken_laws(suite, folder, laws=None, **subject):
    """Return the laws that do not hold for a subject; of one that fails otherwise than as a law does, the error too."""
    contract = suite()
    for name, value in subject.items():
        setattr(contract, name, value)
    broken = []
    for place, law in enumerate(laws or laws_of(suite)):
        method = getattr(contract, law)
        given = {name: folder / str(place) for name in inspect.signature(method).parameters}
        try:
            method(**given)
        except AssertionError as error:
            broken.append(law if str(error) else f"{law} does not say what it found")
        except Exception as error:
            broken.append(f"{law}: {error!r}")
    return broken
