// SPDX-License-Identifier: Apache-2.0
// A folder as Hugging Face's libraries write it: config.json, tokenizer.json, weights as
// safetensors in one file or in several with an index.
//
// Nothing in it is trusted; nothing outside of the folder is opened, whatever its files name.
// Threads: immutable after Open and Complete; const members from any thread.
// Owns: the mapped weights (until TakeFile) and the parsed JSON.
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
  // Errors: kNotFound (config.json, tokenizer.json, weights or their index), kIo; kCorrupt and
  // kLimit, naming the file.
  [[nodiscard]] static Result<Checkpoint> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  // config.json; of a model of several kinds of input, its 'text_config' over the rest.
  const boost::json::object& config() const { return config_; }
  // Values for keys that are missing or null.
  void Complete(const boost::json::object& defaults);
  const boost::json::object& tokenizer() const { return tokenizer_; }
  // Another JSON file of the folder (or of a folder in it), or nothing where there is none. Errors:
  // as Open.
  [[nodiscard]] Result<std::optional<boost::json::value>> Read(std::string_view file) const;

  // Of all files, by file and name. No name is there twice.
  const std::vector<const SafeTensor*>& tensors() const { return tensors_; }
  const SafeTensor* Find(std::string_view name) const;
  // The files of the weights, one behind the other. Tensors stay valid while it lives.
  MappedFile TakeFile() { return *std::move(file_); }

  // A value of config.json, null where it is missing or null.
  const boost::json::value* Value(std::string_view key) const;
  // A whole number in [0, 2^31). Errors: kCorrupt where it is missing or another value.
  [[nodiscard]] Result<std::uint32_t> Count(std::string_view key) const;
  [[nodiscard]] Result<std::uint32_t> CountOr(std::string_view key, std::uint32_t fallback) const;
  [[nodiscard]] Result<float> Number(std::string_view key) const;
  // A string or a flag; `fallback` where it is missing or null. Errors: kCorrupt for another value.
  [[nodiscard]] Result<std::string> Text(std::string_view key, std::string_view fallback) const;
  [[nodiscard]] Result<bool> Flag(std::string_view key, bool fallback) const;

 private:
  struct Index {
    std::vector<std::string> files;
    std::vector<std::pair<std::string, std::size_t>> tensors;  // name, and which of the files
  };
  Checkpoint() = default;
  friend std::string ModelTypeOf(const std::string& folder);
  [[nodiscard]] static Result<Checkpoint> OpenConfig(const std::string& folder);
  [[nodiscard]] Result<std::optional<Index>> ReadIndex() const;
  [[nodiscard]] Result<void> OpenWeights();

  std::string folder_;
  boost::json::object config_;
  boost::json::object tokenizer_;
  std::optional<MappedFile> file_;  // empty before OpenWeights
  std::vector<Safetensors> shards_;
  std::vector<const SafeTensor*> tensors_;
  std::vector<const SafeTensor*> by_name_;
};

// Whether a path is such a folder: it has a config.json.
bool IsCheckpoint(const std::string& path);
// 'model_type' of its config.json alone; empty where there is none.
std::string ModelTypeOf(const std::string& folder);

}  // namespace cairn::model
