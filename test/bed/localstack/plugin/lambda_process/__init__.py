"""LocalStack plug-in: Lambda functions run as local Node processes, without Docker."""

import sys
import uuid

if sys.version_info < (3, 12):  # LocalStack's KMS hands bytes to uuid5, which Python takes from 3.12 on
    _uuid5 = uuid.uuid5
    uuid.uuid5 = lambda namespace, name: _uuid5(namespace, name.hex() if isinstance(name, bytes) else name)
