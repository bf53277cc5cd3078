// SPDX-License-Identifier: Apache-2.0
// Where the keys and values of a model's layers lie.
//
// A tile holds 64 positions of all layers of one group. Layers that see everything form one group,
// layers with the same sliding window another, so that one can give memory back while the other
// keeps it. Inside a tile a layer has kernels::KvLayerBytes of the format; layers of which nothing
// is kept after a step (KvLayer::whole) have the same bytes, one after the other. Threads: a plain
// value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "program/program.h"

namespace cairn::kv {

struct KvPlace {
  int group = 0;
  std::size_t offset = 0;  // bytes inside a tile of that group
  int head_dim = 0;
  int heads = 0;
};

struct KvLayout {
  kernels::KvFormat format = kernels::KvFormat::kF16;
  std::vector<KvPlace> layers;          // by index of Program::kv_layers
  std::vector<std::size_t> tile_bytes;  // by group
  std::vector<int> windows;             // by group; 0: sees everything

  int groups() const { return static_cast<int>(tile_bytes.size()); }
  // The first tile of a group that position `next` and later ones see.
  std::int64_t FirstTileSeen(int group, std::int64_t next) const;
  // Bytes of all groups for one position, on average over a tile.
  std::size_t bytes_per_token() const;
};

// Groups and places in the order of the layers.
KvLayout LayOut(const std::vector<program::KvLayer>& layers, kernels::KvFormat format);

}  // namespace cairn::kv
