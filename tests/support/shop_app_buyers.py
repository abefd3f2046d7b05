# SPDX-License-Identifier: Apache-2.0
"""Who buys in the shop of shop_app.py."""
import hashlib


def buyers_among(users, share):
    return sum(int(hashlib.sha256(user.encode()).hexdigest()[:8], 16) < share * 0x100000000 for user in users)
