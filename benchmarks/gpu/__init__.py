"""All measurements on an NVIDIA GPU, by one command: ``make gpu``.

The command itself (`start`, `bootstrap`, `machine`, `parts`, `running`, `record`, `result`, `page`)
runs on the machine's own Python and needs only the standard library. The parts are modules of the
same names; each runs in a separate process, started by `part`.
"""
