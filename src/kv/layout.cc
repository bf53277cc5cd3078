// SPDX-License-Identifier: Apache-2.0
#include "kv/layout.h"

#include <algorithm>

#include "base/checked.h"

namespace cairn::kv {
namespace {

constexpr int kStateWindow = 2;
// States that are kept take at most so much for each tile of a text, or lie so far apart.
constexpr std::size_t kStateBytesOfTile = std::size_t{4} << 20;
constexpr std::size_t kMostStateTiles = 8;

void AddStates(const std::vector<program::StateLayer>& states, KvLayout& layout) {
  if (states.empty()) return;
  std::size_t bytes = 0;
  for (const program::StateLayer& state : states) {
    layout.states.push_back(bytes);
    bytes += static_cast<std::size_t>(state.rows) * static_cast<std::size_t>(state.stride()) *
             sizeof(float);
  }
  layout.state_group = layout.groups();
  layout.state_tiles = static_cast<int>(
      std::clamp<std::size_t>(DivideUp(bytes, kStateBytesOfTile), 1, kMostStateTiles));
  layout.tile_bytes.push_back(bytes);
  layout.windows.push_back(kStateWindow);
}

}  // namespace

KvLayout LayOut(const std::vector<program::KvLayer>& layers, kernels::KvFormat format,
                const std::vector<program::StateLayer>& states) {
  KvLayout layout{.format = format, .layers = {}, .tile_bytes = {}, .windows = {}};
  for (const program::KvLayer& layer : layers) {
    const auto it = std::ranges::find(layout.windows, layer.window);
    const auto group = static_cast<std::size_t>(it - layout.windows.begin());
    if (it == layout.windows.end()) {
      layout.windows.push_back(layer.window);
      layout.tile_bytes.push_back(0);
    }
    std::size_t& bytes = layout.tile_bytes[group];
    const std::size_t own = kernels::KvLayerBytes(format, layer.head_dim, layer.heads);
    layout.layers.push_back({.group = static_cast<int>(group),
                             .offset = layer.whole ? 0 : bytes,
                             .head_dim = layer.head_dim,
                             .heads = layer.heads});
    bytes = layer.whole ? std::max(bytes, own) : bytes + own;
  }
  AddStates(states, layout);
  return layout;
}

std::int64_t KvLayout::FirstTileSeen(int group, std::int64_t next) const {
  const int window = windows[static_cast<std::size_t>(group)];
  return window == 0 ? 0 : std::max<std::int64_t>(0, next - window + 1) / kernels::kTilePositions;
}

std::size_t KvLayout::bytes_per_token() const {
  std::size_t bytes = 0;
  for (const std::size_t tile : tile_bytes) bytes += tile;
  bytes -= state_bytes();
  return bytes / kernels::kTilePositions;
}

}  // namespace cairn::kv
