"""The error of a worker that was killed from outside."""


class WorkerLost(RuntimeError):
    """A worker process was killed from outside. Nothing that had finished is lost.

    >>> try:
    ...     raise WorkerLost("a worker process was killed")  # as `run` does
    ... except WorkerLost as error:
    ...     print(f"{error}: run the study again, and it goes on from its records")
    a worker process was killed: run the study again, and it goes on from its records
    """
