// SPDX-License-Identifier: Apache-2.0
#include "hub/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/printable.h"
#include "model/gguf_file.h"

namespace cairn::hub {
namespace {

namespace json = boost::json;

constexpr std::string_view kUsual = "Q4_K_M";  // what people take who do not choose
constexpr std::size_t kMostNamed = 12;         // files in a message

bool IsWord(std::string_view text) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
  return !text.empty() && text != "." && text != ".." &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string Capitals(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), Upper);
  return out;
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Whether a part of a file's name, between signs, is `tag` ("model-Q4_K_M.gguf" has "q4_k_m").
bool HasTag(std::string_view path, std::string_view tag) {
  const std::string name = Capitals(BaseName(path)), wanted = Capitals(tag);
  constexpr std::string_view kSigns = "-._";
  for (std::size_t at = name.find(wanted); at != std::string::npos;
       at = name.find(wanted, at + 1)) {
    const std::size_t end = at + wanted.size();
    if ((at == 0 || kSigns.contains(name[at - 1])) &&
        (end == name.size() || name[end] == '.' || name[end] == '-')) {
      return true;
    }
  }
  return false;
}

std::string NamesOf(const std::vector<const RemoteFile*>& files) {
  std::string names;
  for (std::size_t i = 0; i < std::min(files.size(), kMostNamed); ++i) {
    names += (i == 0 ? "" : ", ") + Printable(files[i]->path, 100);
  }
  if (files.size() > kMostNamed) names += fmt::format(" and {} more", files.size() - kMostNamed);
  return names;
}

template <typename Fits>
std::vector<const RemoteFile*> Those(const std::vector<const RemoteFile*>& files,
                                     const Fits& fits) {
  std::vector<const RemoteFile*> found;
  std::ranges::copy_if(files, std::back_inserter(found), [&](const auto* f) { return fits(*f); });
  return found;
}

// Those that fit best: by path, by name, by a tag.
std::vector<const RemoteFile*> Fitting(const std::vector<const RemoteFile*>& models,
                                       const std::string& wanted) {
  auto found = Those(models, [&](const RemoteFile& f) { return f.path == wanted; });
  if (found.empty()) {
    found = Those(models, [&](const RemoteFile& f) {
      return BaseName(f.path) == wanted || BaseName(f.path) == wanted + ".gguf";
    });
  }
  if (found.empty())
    found = Those(models, [&](const RemoteFile& f) { return HasTag(f.path, wanted); });
  return found;
}

Result<std::vector<RemoteFile>> AllParts(const Repository& repository, const RemoteFile& first) {
  std::vector<RemoteFile> parts;
  for (const std::string& path : model::PartsOf(first.path)) {
    const auto part = std::ranges::find(repository.files, path, &RemoteFile::path);
    if (part == repository.files.end()) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the repository has {} and lacks its part {}",
                              Printable(first.path, 200), Printable(path, 200)));
    }
    parts.push_back(*part);
  }
  return parts;
}

std::uint64_t NumberOf(const json::value* value) {
  if (value == nullptr) return 0;
  boost::system::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  return error ? 0 : number;
}

std::string TextOf(const json::value* value) {
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? "" : std::string(text->data(), text->size());
}

bool IsSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string Reference::Text() const {
  return fmt::format("{}{}{}{}{}", kScheme, repository, revision == "main" ? "" : "@" + revision,
                     file.empty() ? "" : ":", file);
}

Result<Reference> ParseReference(std::string_view text) {
  const auto wrong = [&] {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' names no model of a hub; expected hf:OWNER/REPOSITORY, with :FILE "
                    "or :QUANTISATION behind it where it has several",
                    Printable(text, 200)));
  };
  if (!text.starts_with(kScheme)) return wrong();
  std::string_view rest = text.substr(kScheme.size());
  Reference reference;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    reference.file = rest.substr(colon + 1);
    if (reference.file.empty()) return wrong();
    rest = rest.substr(0, colon);
  }
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.revision = rest.substr(at + 1);
    if (!IsWord(reference.revision)) return wrong();
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !IsWord(rest.substr(0, slash)) ||
      !IsWord(rest.substr(slash + 1))) {
    return wrong();
  }
  reference.repository = rest;
  return reference;
}

Result<Repository> ReadRepository(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("siblings");
  const json::array* siblings = list == nullptr ? nullptr : list->if_array();
  if (siblings == nullptr) {
    return Fail(ErrorCode::kCorrupt, "the hub's answer is no list of a repository's files");
  }
  Repository repository{.commit = TextOf(object->if_contains("sha")), .files = {}};
  for (const json::value& sibling : *siblings) {
    const json::object* entry = sibling.if_object();
    if (entry == nullptr) continue;
    RemoteFile file{.path = TextOf(entry->if_contains("rfilename")),
                    .bytes = NumberOf(entry->if_contains("size")),
                    .sha256 = {}};
    const json::value* stored = entry->if_contains("lfs");
    if (const json::object* lfs = stored == nullptr ? nullptr : stored->if_object()) {
      file.sha256 = TextOf(lfs->if_contains("sha256"));
      if (!IsSha256(file.sha256)) file.sha256.clear();
      if (file.bytes == 0) file.bytes = NumberOf(lfs->if_contains("size"));
    }
    if (!file.path.empty()) repository.files.push_back(std::move(file));
  }
  return repository;
}

Result<std::vector<RemoteFile>> ChooseFiles(const Repository& repository,
                                            const Reference& reference) {
  std::vector<const RemoteFile*> models;
  for (const RemoteFile& file : repository.files) {
    const std::string_view name = BaseName(file.path);
    // A projector of pictures is no model of texts.
    if (!name.ends_with(".gguf") || model::IsLaterPart(name) || name.starts_with("mmproj"))
      continue;
    models.push_back(&file);
  }
  if (models.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} has no GGUF file", Printable(reference.repository)));
  }
  std::vector<const RemoteFile*> fitting = models;
  if (!reference.file.empty()) {
    fitting = Fitting(models, reference.file);
  } else if (models.size() > 1) {
    fitting = Fitting(models, std::string(kUsual));
  }
  if (fitting.size() == 1) return AllParts(repository, *fitting.front());
  if (fitting.empty() && !reference.file.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} has no GGUF file '{}', only {}", Printable(reference.repository),
                            Printable(reference.file), NamesOf(models)));
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("several files of {} fit; name one, as in {}{}:FILE: {}",
                          Printable(reference.repository), kScheme, reference.repository,
                          NamesOf(fitting.empty() ? models : fitting)));
}

}  // namespace cairn::hub
