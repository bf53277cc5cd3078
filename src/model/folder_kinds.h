// SPDX-License-Identifier: Apache-2.0
// How models lie in the folders of Hugging Face's libraries and how in GGUF files: a row for each
// 'model_type' of config.json, with the names of its tensors and of its settings.
//
// Adding one is a row in folder_kinds.cc and a folder of a tiny model
// (scripts/reference/make_folders.py), which folder_test then finds.
// Threads: constants; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/gguf_output.h"

namespace cairn::model {

// How a tensor is called in the folder and in the file. '*' is the number of the layer, '#' of the
// expert, whose matrix becomes one of a tensor of all of them. What ends with a dot stands for a
// weight and a bias. "A|B": its rows (of each matrix) are those of A, then those of B. Empty: not
// needed.
struct NamePair {
  std::string_view from;
  std::string_view to;
};

enum class SettingType { kCount, kNumber, kFlag };
struct Setting {
  std::string_view to;    // without the architecture
  std::string_view from;  // in config.json; "a|b": the first that is there
  SettingType type = SettingType::kCount;
  enum class Absent { kError, kLeftOut } absent = Absent::kError;
};

struct FolderKind {
  std::string_view type;                       // 'model_type' of config.json
  std::string_view architecture;               // of the file
  std::span<const std::string_view> prefixes;  // of names, that some folders have; any number
  std::span<const NamePair> names;             // the first that fits
  std::span<const NamePair> more_names = {};   // after those
  std::span<const Setting> settings = {};
  std::span<const Setting> more_settings = {};
  // What no table says: settings that the architecture takes for granted are checked here.
  Result<void> (*more)(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) = nullptr;
  std::string_view defaults = {};     // JSON: of keys that its folders may leave out
  std::string_view activations = {};  // of 'hidden_act', between spaces; empty: `more` looks
  bool decoder = false;               // settings that all of these have are written too
  bool turned = false;  // rows of queries and keys are halves of heads here, pairs in the file
  bool norm_is_added = false;  // 1 is added to the weights of norms
};

// Null: not known.
const FolderKind* FindFolderKind(std::string_view type);
// The types, separated by commas.
std::string FolderTypes();

// The name in the file.
struct PlacedName {
  std::string name;                     // empty: not needed
  std::string second;                   // of the other half of the rows; empty: there is none
  std::optional<std::uint32_t> expert;  // whose matrix it is
};
// Errors: kUnsupported, naming a tensor that the kind does not know.
[[nodiscard]] Result<PlacedName> PlaceName(const FolderKind& kind, std::string_view name);

}  // namespace cairn::model
