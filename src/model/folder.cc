// SPDX-License-Identifier: Apache-2.0
#include "model/folder.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <memory>

#include "base/check.h"
#include "base/printable.h"
#include "model/checkpoint.h"
#include "model/folder_kinds.h"
#include "model/folder_metadata.h"
#include "model/folder_tensors.h"
#include "model/gguf_output.h"
#include "model/import_tokenizer.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;

// What of a folder is made in memory: its metadata as an index of a GGUF file, and the tensors that
// do not lie in its files as they are needed.
struct Kept {
  std::vector<std::byte> index;
  FolderTensors tensors;
};

std::string NameOf(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

Result<const FolderKind*> KindOf(Checkpoint& from) {
  const std::string type = OR_RETURN(from.Text("model_type", ""));
  const FolderKind* kind = FindFolderKind(type);
  if (kind == nullptr) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json has the model_type '{}'; supported are {}",
                            Printable(type), FolderTypes()));
  }
  if (!kind->defaults.empty()) {
    from.Complete(boost::json::parse(kind->defaults).get_object());
  }
  return kind;
}

Result<GgufFile> Open(const std::string& folder, const FolderOptions& options) {
  Checkpoint from = OR_RETURN(Checkpoint::Open(folder));
  const FolderKind& kind = *OR_RETURN(KindOf(from));
  GgufOutput out;
  out.Set("general.architecture", kind.architecture);
  out.Set("general.name", options.name.empty() ? NameOf(folder) : options.name);
  const auto vectors = OR_RETURN(WriteSettings(from, kind, out));
  auto kept = std::make_shared<Kept>();
  OR_RETURN(kept->tensors.AddAll(from, kind));
  for (const ComputedVector& vector : vectors) OR_RETURN(kept->tensors.Add(vector));
  MappedFile file = from.TakeFile();
  std::vector<GgufTensor> tensors = OR_RETURN(kept->tensors.Finish(file.bytes()));
  // Files have a token for each row.
  const auto embedding = std::ranges::find(tensors, "token_embd.weight", &GgufTensor::name);
  const std::int64_t rows = embedding != tensors.end() ? embedding->rows() : 0;
  OR_RETURN(ImportTokenizer(from, rows, options.pre, out));
  OR_RETURN(out.Write([&](std::span<const std::byte> bytes) -> Result<void> {
    kept->index.insert(kept->index.end(), bytes.begin(), bytes.end());
    return {};
  }));
  const std::span<const std::byte> index = kept->index;
  Gguf gguf = OR_RETURN(Gguf::Join(index, std::move(tensors), std::move(kept)));
  return GgufFile{std::move(file), std::move(gguf)};
}

}  // namespace

Result<GgufFile> OpenFolder(const std::string& folder, const FolderOptions& options) {
  auto opened = Open(folder, options);
  if (!opened) return std::unexpected(std::move(opened).error().Within("'" + folder + "'"));
  return opened;
}

Result<GgufFile> OpenModelFile(const std::string& path) {
  if (IsCheckpoint(path)) return OpenFolder(path);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a directory without a config.json; a GGUF file or a folder of "
                            "safetensors was expected",
                            path));
  }
  return GgufFile::Open(path);
}

}  // namespace cairn::model
