"""The bridge to Label Studio: queries become tasks there, annotations become labels here.

It is a process of its own, `stream-al label-studio`, and a client of the topics like any other annotator.
`classes`, `configuration`, `tasks`, `annotations` and `ledger` hold the rules. They are pure: no I/O and no
clock. `client`, `project`, `bridge` and `listener` move bytes.

*The bridge keeps no state.* What it has to know after a restart stands elsewhere already:

    which queries wait for a label     the topic `queries`, all of it, as every replica reads it
    which of them have a task          Label Studio: each task carries the id and the version of its query
    which annotations became labels    the topic `queries`: a query is open until its label was joined

So the bridge may be killed at any moment. At the start it reads both sides and continues. Whatever it does
twice is harmless: a task that stands there twice is removed, and a label that is sent twice is ignored by the
rules for labels.
"""
