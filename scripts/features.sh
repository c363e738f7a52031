#!/bin/sh
# The features that lints and tests switch on. Tests run over the whole workspace, even where they name one test: other
# packages would compile their dependencies again with other features.
echo camelid-core/burn,camelid-core/cpu,camelid-core/import,camelid-core/libsecp256k1,camelid-core/p2p,camelid-core/tokenizers,camelid-node/page,camelid-node/train,camelid-node/wgpu
