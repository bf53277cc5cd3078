// SPDX-License-Identifier: Apache-2.0
#include "server/model_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/mapped_file.h"
#include "model/summary.h"
#include "server/keys.h"

namespace cairn::server {
namespace {

std::string CountText(std::uint64_t count) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits = {
      {{1e9, "B"}, {1e6, "M"}, {1e3, "K"}}};
  for (const auto& [unit, name] : kUnits) {
    const double number = static_cast<double>(count) / unit;
    if (number >= 1) return fmt::format("{:.{}f}{}", number, number < 100 ? 1 : 0, name);
  }
  return std::to_string(count);
}

// Everything before the tensors' data.
std::string DigestOf(std::span<const std::byte> file, const model::Gguf& gguf) {
  std::size_t size = file.size();
  for (const model::GgufTensor& tensor : gguf.tensors()) size = std::min(size, tensor.offset);
  const auto* bytes = reinterpret_cast<const char*>(file.data());
  std::string digest;
  for (const unsigned char byte : Sha256Of({bytes, size})) digest += fmt::format("{:02x}", byte);
  return digest;
}

}  // namespace

Result<ModelFacts> FactsOf(const std::string& path) {
  const MappedFile file = OR_RETURN(MappedFile::Open(path));
  const model::Gguf gguf = OR_RETURN(model::Gguf::Parse(file.bytes()));
  const model::Summary summary = model::Summarise(gguf);
  std::error_code error;
  const auto modified = std::filesystem::last_write_time(path, error);
  return ModelFacts{
      .architecture = summary.architecture,
      .format = summary.format,
      .parameters_text = CountText(summary.parameters),
      .chat_template = std::string(gguf.GetString("tokenizer.chat_template").value_or("")),
      .digest = DigestOf(file.bytes(), gguf),
      .parameters = summary.parameters,
      .bytes = file.bytes().size(),
      .context = summary.context,
      .modified = error ? std::chrono::system_clock::time_point()
                        : std::chrono::time_point_cast<std::chrono::system_clock::duration>(
                              std::chrono::file_clock::to_sys(modified))};
}

}  // namespace cairn::server
