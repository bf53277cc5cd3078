// SPDX-License-Identifier: Apache-2.0
// The chat shell, which `cairn chat` and `cairn run` without a prompt open.
// Threads: the main thread.
#pragma once

#include <string>

#include "apps/console.h"
#include "apps/options.h"
#include "base/error.h"

namespace cairn::apps {

// Returns when the user leaves. `statistics`: after every answer, as /set stats.
[[nodiscard]] Result<void> Chat(const std::string& model, const AnswerOptions& options,
                                bool statistics, Console& console);

}  // namespace cairn::apps
