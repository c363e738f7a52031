#!/bin/sh
# The features that lints and tests switch on.
echo camelid-core/burn,camelid-core/cpu,camelid-core/import,camelid-core/p2p,camelid-node/wgpu
