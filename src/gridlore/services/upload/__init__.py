"""Files people upload: from bytes to posted values, with every doubtful row told by its number.

Layer: services. ``document`` tells what a file is, ``delimited`` and ``workbook`` read it into a ``table``;
``times``, ``numbers`` and ``units`` read columns; ``reading`` judges every row, and ``storing`` makes
commands of the good ones. Nothing is kept on the server between the steps.
"""
