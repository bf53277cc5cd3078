// SPDX-License-Identifier: Apache-2.0
// Models of a hub, into the model folder.
// Threads: the calling thread waits and reports.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "hub/download.h"
#include "hub/reference.h"
#include "model/store.h"

namespace cairn::hub {

inline constexpr std::string_view kPublicHub = "https://huggingface.co";  // check-words: allowed

struct HubOptions {
  std::string endpoint{kPublicHub};  // http(s)://HOST[/PATH] of a hub or a mirror of it
  DownloadOptions download;
};

struct Pulled {
  std::string path;     // of the file, or of the first of its parts
  bool checked = true;  // by a SHA-256 that the hub names; else by its size and its index alone
};

// Fetches what `reference` means. A pull that was stopped goes on with the pieces that are there.
// Errors: as ReadRepository, ChooseFiles, Download and Store::PullFrom.
[[nodiscard]] Result<Pulled> Pull(const model::Store& store, const Reference& reference,
                                  const HubOptions& options, const model::PullSink& sink);

}  // namespace cairn::hub
