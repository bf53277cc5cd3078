// SPDX-License-Identifier: Apache-2.0
// The files of the web page, inside the program; scripts/page writes their source.
// Threads: constants.
#pragma once

#include <span>
#include <string_view>

namespace cairn::server {

struct PageAsset {
  std::string_view name;  // "main.js"
  std::string_view type;  // Content-Type
  std::string_view tag;   // ETag, of the content
  std::string_view gzip;  // the content, compressed
};

std::span<const PageAsset> PageAssets();

}  // namespace cairn::server
