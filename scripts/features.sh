#!/bin/sh
# The features that lints and tests switch on.
echo camelid-core/cpu,camelid-core/import,camelid-core/p2p
