"""The live page: who may open it, what flies on it, and how it is told.

The server never flies. Each lane (one controller, or two side by side on the same seed) is a process of its own, so
that neither the server's interpreter nor its pages can keep a clock waiting; what a lane tells is the newest tick and
whatever happens only once. docs/watch.md says what one can do there, and why it is safe.
"""
