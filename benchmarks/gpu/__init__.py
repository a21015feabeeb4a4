"""Everything that can be measured on an NVIDIA GPU, by one command: ``make gpu``.

The command itself (`start`, `bootstrap`, `machine`, `parts`, `running`, `record`, `result`, `page`)
runs on the machine's own Python and needs nothing but the standard library. The parts are modules
of their names; each runs in a process of its own, which `part` begins.
"""
