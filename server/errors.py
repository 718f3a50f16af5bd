"""Why a call was not carried out: types whose message the model reads and acts on."""


class CallFailed(Exception):
    """A tool call ended without its result. The message says what is wrong, what is allowed and what to try."""


class Refused(CallFailed):
    """This server did not pass the command on: nothing was sent."""
