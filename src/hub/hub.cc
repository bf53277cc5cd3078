// SPDX-License-Identifier: Apache-2.0
#include "hub/hub.h"

#include <fmt/format.h>

#include <charconv>

namespace cairn::hub {
namespace {

constexpr std::size_t kMostList = std::size_t{32} << 20;  // bytes of a repository's list

Result<http::Url> Address(const HubOptions& options, const std::string& path) {
  std::string_view endpoint = options.endpoint;
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return http::ParseUrl(std::string(endpoint) + path);
}

// The digest that the hub names beside the file, where its list did not ("X-Linked-ETag").
Result<void> AskForDigest(const http::Url& url, const HubOptions& options, RemoteFile& file) {
  Fetcher fetcher(options.download.fetch);
  Patience patience(options.download.fetch);
  while (true) {
    auto opened = fetcher.Open(url, 0, 0);
    if (!opened) {
      OR_RETURN(patience.Bear(std::move(opened).error()));
      continue;
    }
    std::string_view tag = http::FindHeader(opened->linked_headers, "X-Linked-ETag");
    if (tag.starts_with('"') && tag.ends_with('"') && tag.size() == 66) {
      tag = tag.substr(1, 64);
      if (tag.find_first_not_of("0123456789abcdef") == std::string_view::npos) file.sha256 = tag;
    }
    const std::string_view size = http::FindHeader(opened->linked_headers, "X-Linked-Size");
    if (file.bytes == 0) std::from_chars(size.data(), size.data() + size.size(), file.bytes);
    return {};
  }
}

}  // namespace

Result<Pulled> Pull(const model::Store& store, const Reference& reference,
                    const HubOptions& options, const model::PullSink& sink) {
  Fetcher fetcher(options.download.fetch);
  const http::Url list =
      OR_RETURN(Address(options, fmt::format("/api/models/{}/revision/{}?blobs=true",
                                             reference.repository, reference.revision)));
  const auto named = [&](Error error) {
    return std::unexpected(std::move(error).Within(reference.Text()));
  };
  auto text = fetcher.FetchText(list, kMostList);
  if (!text) return named(std::move(text).error());
  auto repository = ReadRepository(*text);
  if (!repository) return named(std::move(repository).error());
  const std::string& commit = repository->commit.empty() ? reference.revision : repository->commit;
  std::vector<RemoteFile> files = OR_RETURN(ChooseFiles(*repository, reference));
  Pulled pulled;
  for (RemoteFile& file : files) {
    const http::Url url = OR_RETURN(
        Address(options, fmt::format("/{}/resolve/{}/{}", reference.repository,
                                     http::EscapePath(commit), http::EscapePath(file.path))));
    if (file.sha256.empty()) {
      if (auto asked = AskForDigest(url, options, file); !asked) {
        return named(std::move(asked).error());
      }
    }
    pulled.checked = pulled.checked && !file.sha256.empty();
    const std::string version = file.sha256.empty() ? commit + "/" + url.target : file.sha256;
    auto path = store.PullFrom(
        {.file = file.path.substr(file.path.rfind('/') + 1),
         .bytes = file.bytes,
         .sha256 = file.sha256},
        [&](const std::string& folder) {
          return Download(url, file.bytes, version, folder, options.download,
                          [&](std::uint64_t done, std::uint64_t total) {
                            if (sink) sink({model::PullPhase::kFetching, done, total});
                          });
        },
        sink);
    if (!path) return named(std::move(path).error());
    if (pulled.path.empty()) pulled.path = std::move(*path);
  }
  return pulled;
}

}  // namespace cairn::hub
