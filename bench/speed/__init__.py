# SPDX-License-Identifier: Apache-2.0
"""Speed of Cairn and its peers in one alternating run; started by scripts/bench."""
