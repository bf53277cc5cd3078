// SPDX-License-Identifier: Apache-2.0
// The second tier: tiles of those that give way go to a file, where that pays.
//
// What is saved is the victim's own rows (the paper's code reckons with the rows of the request
// that is served, which have nothing to do with it): rows times what a row of a prompt was seen to
// take, against its bytes times what writing and reading a byte took. What is not known yet counts
// as nothing, so it is tried once and known then. The tiles go to the prefix cache as well: what it
// still has when the run goes on need not be read.
#include <cmath>

#include "engine/scheduled_run.h"
#include "engine/scheduler.h"
#include "kernels/kernels.h"

namespace cairn::engine {

void Scheduler::SwapOut(Run& run) {
  if (!options_.swap || run.size() == 0) return;
  std::size_t bytes = 0;
  const kv::SequenceTiles& tiles = run.sequence->tiles();
  for (int g = 0; g < model_.pool().layout().groups(); ++g) {
    for (std::int64_t i = 0; i < tiles.tile_count(); ++i) {
      if (tiles.tile(g, i)) bytes += model_.pool().tile_bytes(g);
    }
  }
  const double swap_ns = static_cast<double>(bytes) *
                         (options_.swap->WriteNsPerByte() + options_.swap->ReadNsPerByte());
  if (!std::isfinite(swap_ns)) return;  // the file has failed lately
  const double row_ns = budget_.PromptRowNs();
  if (row_ns > 0 && swap_ns >= static_cast<double>(run.size()) * row_ns) return;
  // The file may have no room or fail: then the run is computed again.
  if (auto swapped = options_.swap->Write(tiles, run.size())) {
    run.swapped = *std::move(swapped);
    ++counters_.swapped_out;
  }
}

bool Scheduler::WorthReading(const Run& run, std::int64_t reused) const {
  const std::int64_t rows = run.swapped.size() - reused;
  if (!run.swapped || rows <= 0) return false;
  const double read_ns = static_cast<double>(run.swapped.bytes()) * options_.swap->ReadNsPerByte();
  const double row_ns = budget_.PromptRowNs();
  return row_ns == 0 || read_ns < static_cast<double>(rows) * row_ns;
}

bool Scheduler::SwapIn(Run& run, Sequence& sequence) {
  if (!options_.swap->Read(run.swapped, sequence.tiles())) return false;
  sequence.Adopt(std::span(run.tokens).first(static_cast<std::size_t>(run.swapped.size())));
  ++counters_.swapped_in;
  return true;
}

}  // namespace cairn::engine
