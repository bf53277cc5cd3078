// SPDX-License-Identifier: Apache-2.0
// Where the keys and values of a model's layers lie, and the states of those that have one.
//
// A tile holds 64 positions of all layers of one group. Layers that see everything form one group,
// layers with the same sliding window another, so that one can give memory back while the other
// keeps it. Inside a tile a layer has kernels::KvLayerBytes of the format; layers of which nothing
// is kept after a step (KvLayer::whole) have the same bytes, one after the other.
//
// The states of all layers form one more group. A tile of it holds them as they are behind one
// position, and is never changed once that is computed: each step writes the next ones into another
// tile. States are kept of the last position of a text and of every state_tiles-th end of a tile,
// for texts that go on from there. Threads: a plain value.
// Source: docs/decisions/0010-states.md.
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
  // By group; 0: sees everything. Of the states 2: the next position sees those behind the one
  // before it.
  std::vector<int> windows;
  int state_group = -1;  // -1: there are no states
  int state_tiles = 1;   // from one end of a tile of which states are kept to the next
  std::vector<std::size_t> states = {};  // bytes inside a tile, by index of Program::states

  bool has_states() const { return state_group >= 0; }
  int groups() const { return static_cast<int>(tile_bytes.size()); }
  // The first tile of a group that position `next` and later ones see.
  std::int64_t FirstTileSeen(int group, std::int64_t next) const;
  // Bytes of all groups for one position, on average over a tile. States are not among them.
  std::size_t bytes_per_token() const;
  std::size_t state_bytes() const {
    return has_states() ? tile_bytes[static_cast<std::size_t>(state_group)] : 0;
  }
};

// Groups and places in the order of the layers.
KvLayout LayOut(const std::vector<program::KvLayer>& layers, kernels::KvFormat format,
                const std::vector<program::StateLayer>& states = {});
inline KvLayout LayOutOf(const program::Program& program, kernels::KvFormat format) {
  return LayOut(program.kv_layers, format, program.states);
}
// Tiles of states that a sequence needs: those that it has, and those that a step makes of them.
inline constexpr int kStatesOfSequence = 2;

}  // namespace cairn::kv
