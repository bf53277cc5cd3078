// SPDX-License-Identifier: Apache-2.0
#include "server/new_id.h"

#include <fmt/format.h>

#include <random>

namespace cairn::server {

std::string NewId(std::string_view prefix) {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}{:08x}", prefix, random(), random(), random());
}

}  // namespace cairn::server
