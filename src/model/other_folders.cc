// SPDX-License-Identifier: Apache-2.0
#include "model/other_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>

#include "base/file.h"
#include "base/printable.h"
#include "model/checkpoint.h"
#include "model/folder_kinds.h"
#include "model/gguf_file.h"

namespace cairn::model {
namespace fs = std::filesystem;
namespace {

namespace json = boost::json;

constexpr std::string_view kOllama = "ollama:", kLlamaCpp = "llama.cpp:", kHuggingFace = "hf:";
constexpr int kMostEntries = 10'000;  // of a folder and all below it
constexpr int kMostDepth = 6;
constexpr std::uint64_t kMostManifest = 1 << 20;  // bytes; real ones have below 2,000

// Files below a folder with their paths from there; links are followed to files, not to folders.
std::vector<std::pair<std::string, std::string>> FilesBelow(const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  if (folder.empty()) return files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  int entries = 0;
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    if (++entries > kMostEntries) break;
    if (at.depth() >= kMostDepth) at.disable_recursion_pending();
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    files.emplace_back(at->path().lexically_relative(folder).string(), at->path().string());
  }
  return files;
}

bool IsModelFile(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.ends_with(".gguf") && !name.starts_with("mmproj") && !IsLaterPart(name);
}

void Add(std::string name, const std::string& path, std::vector<FoundModel>& found) {
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(path, error);
  if (!error) found.push_back({.name = std::move(name), .path = path, .bytes = bytes});
}

// A folder of safetensors of a type that is supported.
void AddFolder(std::string name, const fs::path& folder, std::vector<FoundModel>& found) {
  if (FindFolderKind(ModelTypeOf(folder.string())) == nullptr) return;
  FoundModel model{.name = std::move(name), .path = folder.string(), .bytes = 0};
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != ".safetensors") continue;
    std::error_code ignored;
    if (const std::uint64_t bytes = at->file_size(ignored); !ignored) model.bytes += bytes;
  }
  found.push_back(std::move(model));
}

// The blob of the model in a manifest's layers, "sha256-..."; empty: there is none.
std::string ModelBlob(const std::string& manifest) {
  boost::system::error_code error;
  const json::value value = json::parse(manifest, error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* layers = object == nullptr ? nullptr : object->if_contains("layers");
  if (layers == nullptr || !layers->is_array()) return {};
  const auto text = [](const json::object& layer, const char* key) -> std::string {
    const json::value* member = layer.if_contains(key);
    return member != nullptr && member->is_string() ? std::string(member->get_string()) : "";
  };
  for (const json::value& layer : layers->get_array()) {
    if (!layer.is_object()) continue;
    std::string digest = text(layer.get_object(), "digest");
    // The digest becomes a path: nothing else may be in it.
    constexpr std::string_view kHash = "sha256:";
    if (text(layer.get_object(), "mediaType") != "application/vnd.ollama.image.model" ||
        digest.size() != kHash.size() + 64 || !digest.starts_with(kHash) ||
        digest.find_first_not_of("0123456789abcdef", kHash.size()) != std::string::npos) {
      continue;
    }
    digest[kHash.size() - 1] = '-';
    return digest;
  }
  return {};
}

void FindOllama(const std::string& folder, std::vector<FoundModel>& found) {
  if (folder.empty()) return;
  SystemFiles files;
  for (const auto& [relative, path] : FilesBelow(folder + "/manifests")) {
    const auto manifest = ReadWholeFile(files, path, kMostManifest);
    const std::string blob = manifest ? ModelBlob(*manifest) : "";
    const std::size_t tag = relative.rfind('/');
    if (blob.empty() || tag == std::string::npos) continue;
    // HOST/NAMESPACE/NAME/TAG; what the program leaves out of names is left out here too.
    std::string name = relative.substr(0, tag);
    for (const std::string_view usual : {"registry.ollama.ai/", "library/"}) {
      if (name.starts_with(usual)) name.erase(0, usual.size());
    }
    Add(fmt::format("{}{}:{}", kOllama, name, relative.substr(tag + 1)), folder + "/blobs/" + blob,
        found);
  }
}

void FindLlamaCpp(const std::string& folder, std::vector<FoundModel>& found) {
  for (const auto& [relative, path] : FilesBelow(folder)) {
    if (IsModelFile(relative)) Add(std::string(kLlamaCpp) + relative, path, found);
  }
}

void FindHuggingFace(const std::string& folder, std::vector<FoundModel>& found) {
  constexpr std::string_view kModels = "models--", kSnapshots = "/snapshots/";
  for (const auto& [relative, path] : FilesBelow(folder)) {
    const std::size_t at = relative.find(kSnapshots);
    if (!relative.starts_with(kModels) || at == std::string::npos) continue;
    std::string repository = relative.substr(kModels.size(), at - kModels.size());
    if (const std::size_t dashes = repository.find("--"); dashes != std::string::npos) {
      repository.replace(dashes, 2, "/");
    }
    const std::size_t slash = relative.find('/', at + kSnapshots.size());
    if (slash == std::string::npos) continue;
    const std::string file = relative.substr(slash + 1);
    if (IsModelFile(file)) {
      Add(fmt::format("{}{}:{}", kHuggingFace, repository, file), path, found);
    } else if (file == "model.safetensors" || file == "model.safetensors.index.json") {
      AddFolder(std::string(kHuggingFace) + repository, fs::path(path).parent_path(), found);
    }
  }
}

}  // namespace

OtherFolders OtherFoldersOf(const char* (*variable)(const char* name)) {
  const auto value = [&](const char* name) -> std::string {
    const char* text = variable(name);
    return text == nullptr ? "" : text;
  };
  const std::string home = value("HOME");
  std::string cache = value("XDG_CACHE_HOME");
  if (!cache.starts_with('/')) cache = home.empty() ? "" : home + "/.cache";
  const auto below = [](const std::string& folder, const char* name) {
    return folder.empty() ? std::string() : folder + name;
  };
  OtherFolders folders{.ollama = value("OLLAMA_MODELS"),
                       .llama_cpp = value("LLAMA_CACHE"),
                       .hugging_face = value("HF_HUB_CACHE")};
  if (folders.ollama.empty()) folders.ollama = below(home, "/.ollama/models");
  if (folders.llama_cpp.empty()) folders.llama_cpp = below(cache, "/llama.cpp");
  if (folders.hugging_face.empty()) folders.hugging_face = below(value("HF_HOME"), "/hub");
  if (folders.hugging_face.empty()) folders.hugging_face = below(cache, "/huggingface/hub");
  return folders;
}

std::vector<FoundModel> FindModels(const OtherFolders& folders) {
  std::vector<FoundModel> found;
  FindOllama(folders.ollama, found);
  FindLlamaCpp(folders.llama_cpp, found);
  FindHuggingFace(folders.hugging_face, found);
  std::ranges::sort(found, {}, &FoundModel::name);
  // Of a file in several snapshots, one.
  const auto again = std::ranges::unique(found, {}, &FoundModel::name);
  found.erase(again.begin(), again.end());
  return found;
}

bool IsOthersModel(std::string_view model) {
  return model.starts_with(kOllama) || model.starts_with(kLlamaCpp) ||
         model.starts_with(kHuggingFace);
}

Result<FoundModel> FindOthersModel(const OtherFolders& folders, std::string_view model) {
  const std::string wanted(model);
  std::vector<FoundModel> fitting;
  for (FoundModel& found : FindModels(folders)) {
    if (found.name == wanted || found.name == wanted + ":latest") return std::move(found);
    if (model.starts_with(kHuggingFace) && found.name.starts_with(wanted + ":")) {
      fitting.push_back(std::move(found));
    }
  }
  if (fitting.size() == 1) return std::move(fitting.front());
  if (fitting.size() > 1) {
    std::string names;
    for (const FoundModel& one : fitting) names += (names.empty() ? "" : ", ") + one.name;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("several files are here: {}", Printable(names, 1000)));
  }
  return Fail(ErrorCode::kNotFound,
              fmt::format("there is no model '{}' on this machine; `cairn list` shows what there "
                          "is{}",
                          Printable(wanted, 200),
                          model.starts_with(kHuggingFace)
                              ? ", and `cairn pull` fetches it into the model folder"
                              : ""));
}

}  // namespace cairn::model
