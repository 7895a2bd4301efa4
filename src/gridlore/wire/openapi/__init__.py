"""What the API looks like to programs and people who have not read this code.

Layer: wire. No I/O beyond reading this package's own data files.
"""

from gridlore.wire.openapi.document import openapi_document

__all__ = ["openapi_document"]
