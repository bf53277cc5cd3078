// SPDX-License-Identifier: Apache-2.0
// A folder as Hugging Face's libraries write it: config.json, tokenizer.json, weights as
// safetensors in one file or in several with an index.
//
// Nothing in it is trusted; nothing outside of the folder is opened, whatever its files name.
// Threads: immutable after Open; const members from any thread.
// Owns: the mapped weights and the parsed JSON.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/safetensors.h"

namespace cairn::model {

// Caps, far above any real file.
inline constexpr std::uint64_t kMostJsonBytes = std::uint64_t{64} << 20;
inline constexpr std::size_t kMostShards = 4096;

class Checkpoint {
 public:
  // Errors: kNotFound, kIo; kCorrupt and kLimit, naming the file.
  [[nodiscard]] static Result<Checkpoint> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const boost::json::object& config() const { return config_; }
  const boost::json::object& tokenizer() const { return tokenizer_; }
  // Another JSON file of the folder (or of a folder in it), or nothing where there is none. Errors:
  // as Open.
  [[nodiscard]] Result<std::optional<boost::json::value>> Read(std::string_view file) const;

  // Of all files, by file and name.
  const std::vector<const SafeTensor*>& tensors() const { return tensors_; }
  const SafeTensor* Find(std::string_view name) const;

  // A whole number of config.json in [0, 2^31). Errors: kCorrupt where it is missing or another
  // value.
  [[nodiscard]] Result<std::uint32_t> Count(std::string_view key) const;
  [[nodiscard]] Result<float> Number(std::string_view key) const;
  // A string; `fallback` where it is missing or null. Errors: kCorrupt for another value.
  [[nodiscard]] Result<std::string> Text(std::string_view key, std::string_view fallback) const;

 private:
  Checkpoint() = default;
  [[nodiscard]] Result<void> OpenWeights();
  [[nodiscard]] Result<void> AddShard(const std::string& file);

  std::string folder_;
  boost::json::object config_;
  boost::json::object tokenizer_;
  std::vector<MappedFile> files_;
  std::vector<Safetensors> shards_;
  std::vector<const SafeTensor*> tensors_;
};

// Whether a path is such a folder: it has a config.json.
bool IsCheckpoint(const std::string& path);

}  // namespace cairn::model
