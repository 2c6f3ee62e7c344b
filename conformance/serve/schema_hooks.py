"""What schemathesis cannot know from the description: which models there are, and that long answers only take time."""

import os

import schemathesis

MODEL = os.environ["OUNCE_MODEL"]


@schemathesis.hook
def map_body(context, body):
    """A name of a model becomes that of the server's, so that what comes after the choice of a model is reached."""
    if isinstance(body, dict):
        if isinstance(body.get("model"), str):
            body["model"] = MODEL
        if isinstance(body.get("n"), int) and body["n"] in range(5, 65):
            body["n"] = 4
    return body
